//! `elbo completions` and `elbo man`: what a shell and a manual want to know.

use crate::terminal::print;
use clap::Args;
use elbo::error::{Error, Result};
use std::path::PathBuf;
use std::process::ExitCode;

/// Print a script that completes elbo's commands and flags in a shell
#[derive(Args)]
#[command(after_help = "Examples:
  elbo completions bash > ~/.local/share/bash-completion/completions/elbo
  elbo completions zsh > \"${fpath[1]}/_elbo\"
  elbo completions fish > ~/.config/fish/completions/elbo.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: clap_complete::Shell,
}

/// Print the manual page, or write those of all commands into a folder
#[derive(Args)]
#[command(after_help = "Examples:
  elbo man | man -l -
  elbo man --out ~/.local/share/man/man1     elbo.1, elbo-train.1, …")]
pub(crate) struct ManArgs {
    /// Write the pages of elbo and of each command into this folder, which must exist
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn completions(args: &CompletionsArgs, mut command: clap::Command) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "elbo", &mut script);
    print(&script)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn man(args: &ManArgs, command: clap::Command) -> Result<ExitCode> {
    let Some(folder) = &args.out else {
        print(&page(command)?)?;
        return Ok(ExitCode::SUCCESS);
    };
    clap_mangen::generate_to(command, folder).map_err(|e| Error::io(folder, e))?;
    Ok(ExitCode::SUCCESS)
}

fn page(command: clap::Command) -> Result<Vec<u8>> {
    let mut roff = Vec::new();
    clap_mangen::Man::new(command).render(&mut roff).map_err(|e| Error::io("manual page", e))?;
    Ok(roff)
}
