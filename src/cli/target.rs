//! Where what is compressed, or given back, goes: xz's manners.

use clap::Args;
use elbo::error::{Error, Result};
use std::path::{Path, PathBuf};

/// What the name of an archive ends in.
pub(crate) const EXTENSION: &str = "elbo";

/// Where to.
#[derive(Args)]
pub(crate) struct TargetArgs {
    /// Where to [default: beside it, with .elbo behind the name, or without]
    #[arg(long, short, value_name = "FILE", conflicts_with = "stdout")]
    output: Option<PathBuf>,
    /// Write to standard output
    #[arg(long, short = 'c')]
    stdout: bool,
    /// Overwrite what is there
    #[arg(long, short)]
    force: bool,
    /// Keep what is read, which is always done: a habit of other programs
    #[arg(long, short, hide = true)]
    keep: bool,
}

impl TargetArgs {
    /// A file that is not there yet, or nothing: standard output.
    ///
    /// # Errors
    /// If it is there, and is not to be overwritten.
    pub(crate) fn path(&self, default: Option<PathBuf>) -> Result<Option<PathBuf>> {
        if self.stdout || self.output.as_deref() == Some(Path::new("-")) {
            return Ok(None);
        }
        let Some(path) = self.output.clone().or(default) else { return Ok(None) };
        if path.exists() && !self.force {
            let message = format!(
                "{} is there already: say -f to overwrite it, or -o for another name",
                path.display()
            );
            return Err(Error::setting("--output", message));
        }
        Ok(Some(path))
    }

    /// Whether nothing is said of where to.
    pub(crate) fn is_unsaid(&self) -> bool {
        !self.stdout && self.output.is_none()
    }
}
