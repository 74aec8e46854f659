//! What is written where: results to standard output, everything else to standard error.

use crate::Common;
use elbo::error::{Error, Result};
use std::fmt::Display;
use std::io::{IsTerminal, Write};

/// An error, on one line.
pub(crate) fn error(error: impl Display) {
    let _ = writeln!(std::io::stderr(), "error: {error}");
}

impl Common {
    /// A remark for a person, on standard error.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.quiet {
            // A closed standard error is no reason to stop.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// A remark that qualifies the result.
    pub(crate) fn remark(&self, text: Option<&str>) {
        if let Some(text) = text {
            self.note(format!("note: {text}"));
        }
    }

    /// The result: JSON if that is asked for, else text.
    pub(crate) fn result(&self, json: &serde_json::Value, text: &str) -> Result<()> {
        let line = if self.json { json.to_string() } else { text.trim_end().to_owned() };
        print(format!("{line}\n").as_bytes())
    }

    /// Whether a progress bar would be seen.
    pub(crate) fn shows_bars(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }
}

/// Writes to standard output.
pub(crate) fn print(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // `elbo info … | head` is not a failure.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(e) => Err(Error::io("standard output", e)),
        Ok(()) => Ok(()),
    }
}

/// A table of two columns, the first as wide as its widest entry.
pub(crate) fn two_columns(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{name:<width$}  {value}\n")).collect()
}

/// A count with its thousands set apart.
pub(crate) fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<_> =
        digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).unwrap_or("")).collect();
    groups.join(",")
}

/// `1 draw`, `100 draws`
pub(crate) fn counted(n: usize, what: &str) -> String {
    format!("{} {what}{}", thousands(n), if n == 1 { "" } else { "s" })
}
