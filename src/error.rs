//! The one error type of the crate. Every message says what is wrong, where, and what to do.

use std::fmt::{self, Write};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What can go wrong with a user's settings, data or files.
///
/// Shape mistakes inside kernels are programming errors and panic instead (each kernel documents
/// them under `# Panics`); everything that input can cause arrives here.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A setting is unknown, out of range, or does not fit another one.
    Setting {
        /// The setting's name (`lr`, `normal:variance`).
        name: String,
        /// What is wrong and what is accepted.
        message: String,
    },
    /// A setting that is of no use without another one.
    Needs {
        /// The setting's name.
        name: &'static str,
        /// The name of the one that must be given too.
        other: &'static str,
        /// Why.
        message: &'static str,
    },
    /// A value that the likelihood cannot have, or that is not finite.
    Value {
        /// Row of the data, counted from 0 (the message counts from 1).
        row: usize,
        /// Column of the data, counted from 0 (the message counts from 1).
        column: usize,
        /// The column's name, if it has one.
        name: Option<String>,
        /// The line of the file in which the row stands, counted from 1, if that is known.
        line: Option<u64>,
        /// The value found.
        value: f64,
        /// What is accepted instead.
        message: String,
    },
    /// A file exists but does not hold what it should.
    File {
        /// The file.
        path: PathBuf,
        /// What was found, what was expected, and the remedy.
        message: String,
    },
    /// The operating system refused to read or write.
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's own reason.
        source: std::io::Error,
    },
    /// A term of the loss became infinite or not a number while training. What helps depends on the
    /// run's settings, which whoever made them knows: a lower learning rate, a clipped gradient,
    /// standardised columns.
    NonFinite {
        /// The optimiser step (counted from 1) at which it happened.
        step: u64,
        /// The term that broke first (`reconstruction`, `kl`, `gradient`, …).
        term: &'static str,
    },
}

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::Setting`].
    pub fn setting(name: impl Into<String>, message: impl Into<String>) -> Self {
        Error::Setting { name: name.into(), message: message.into() }
    }

    /// An [`Error::Value`] in a column without a name.
    pub fn value(row: usize, column: usize, value: f64, message: impl Into<String>) -> Self {
        Error::Value { row, column, name: None, line: None, value, message: message.into() }
    }

    /// An [`Error::File`].
    pub fn file(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Error::File { path: path.as_ref().to_owned(), message: message.into() }
    }

    /// An [`Error::Io`]; made for `map_err(|e| Error::io(path, e))`.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Error::Io { path: path.as_ref().to_owned(), source }
    }
}

/// Refuses `count` values of type `T` where the machine cannot hold them: an allocation that fails
/// later would end the process and not say what to change. `name` is the setting to blame.
///
/// # Errors
/// If the system refuses the memory. It is only asked for, and given back untouched.
pub fn check_memory<T>(count: usize, name: &str, remedy: &str) -> Result<()> {
    Vec::<T>::new().try_reserve_exact(count).map_err(|_| {
        let gigabytes = count as f64 * size_of::<T>() as f64 / 1e9;
        let message = format!("this takes {gigabytes:.0} GB of memory or more; {remedy}");
        Error::setting(name, message)
    })
}

/// Writes text on one line. Messages quote what a file holds, and a damaged or forged one may hold
/// what breaks a log's lines or moves a terminal's cursor: such characters are written as escapes.
struct OneLine<W>(W);

impl<W: fmt::Write> fmt::Write for OneLine<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive(char::is_control) {
            let mut rest = piece.chars();
            match rest.next_back() {
                Some(last) if last.is_control() => {
                    write!(self.0, "{}{}", rest.as_str(), last.escape_default())?;
                }
                _ => self.0.write_str(piece)?,
            }
        }
        Ok(())
    }
}

/// The same of a message that is no [`Error`] yet.
#[cfg(feature = "model-file")]
pub(crate) fn one_line(message: &str) -> String {
    let mut line = OneLine(String::with_capacity(message.len()));
    line.write_str(message).expect("a string takes everything");
    line.0
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = OneLine(f);
        match self {
            Error::Setting { name, message } => write!(f, "{name}: {message}"),
            Error::Needs { name, other, message } => write!(f, "{name}: {message}; give {other}"),
            Error::Value { row, column, name, line, value, message } => {
                let line = line.map_or(String::new(), |line| format!(" in line {line}"));
                let name = name.as_ref().map_or(String::new(), |n| format!(" (`{n}`)"));
                let (row, column) = (row.saturating_add(1), column.saturating_add(1));
                let value = shown(*value);
                write!(
                    f,
                    "row {row}, column {column}{name}: the value {value}{line} is not allowed: {message}"
                )
            }
            Error::File { path, message } => write!(f, "{}: {message}", path.display()),
            Error::Io { path, source } => {
                let remedy = match source.kind() {
                    ErrorKind::NotFound => ": check the path",
                    ErrorKind::PermissionDenied => {
                        ": change its permissions, or choose another place"
                    }
                    ErrorKind::StorageFull => ": make room there, or choose another place",
                    _ => "",
                };
                write!(f, "{}: {source}{remedy}", path.display())
            }
            Error::NonFinite { step, term } => write!(f, "the {term} is not finite at step {step}"),
        }
    }
}

/// A number for a message: hundreds of digits tell less than an exponent.
pub(crate) fn shown(value: f64) -> String {
    if value.is_finite() && value != 0.0 && !(1e-5..1e16).contains(&value.abs()) {
        return format!("{value:e}");
    }
    value.to_string()
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_it_quotes() {
        let error = Error::file("a\nb", "`x\r\u{1b}[2J\n\ny` is not é");
        assert_eq!(error.to_string(), r"a\nb: `x\r\u{1b}[2J\n\ny` is not é");
    }

    #[test]
    fn a_value_is_short() {
        for (value, says) in
            [(7.0, "7"), (-0.5, "-0.5"), (0.0, "0"), (1e200, "1e200"), (2e-9, "2e-9")]
        {
            let text = Error::value(0, 1, value, "no").to_string();
            assert_eq!(text, format!("row 1, column 2: the value {says} is not allowed: no"));
        }
        assert!(Error::value(0, 0, f64::NAN, "no").to_string().contains("the value NaN is"));
    }
}
