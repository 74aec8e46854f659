//! The one face of all readers, and the choice among them.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::input::{self, Input};
use super::{Bytes, Columns, Dataset, ImageShape, Table, Values};
use crate::error::{Error, Result};
use crate::family::Spec;

/// A dataset, with its own test part if it has one.
#[derive(Debug)]
pub struct Source {
    /// The rows to learn from.
    pub train: Dataset,
    /// The rows to judge by, where the data itself says which.
    pub test: Option<Dataset>,
    /// What the reader decided or left out and the user should know, a line each.
    pub notes: Vec<String>,
}

/// What a user can say about how data is to be read. Each reader knows some of these
/// ([`Reader::options`]); the others are refused.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadOptions {
    /// The column that holds labels, by its name or by its number from 1.
    pub label: Option<String>,
    /// Columns of classes that are read beside the values, not as such.
    pub classes: Option<Vec<String>>,
    /// The columns to use, in this order: names, numbers from 1, or ranges of either (`2-5`).
    pub columns: Option<Vec<String>>,
    /// The columns to leave out, named in the same way.
    pub drop: Option<Vec<String>>,
    /// Whether the first line holds the columns' names; found out where it is not said.
    pub header: Option<bool>,
    /// What stands between cells: a character, `tab` or `space`; found out where it is not said.
    pub delimiter: Option<String>,
    /// What begins lines that are passed over: a character, or `none`; `#` where it is not said.
    pub comment: Option<String>,
    /// Whether columns may be of several kinds, and cells missing; else all must be numbers.
    pub mixed: bool,
    /// What stands in cells that are missing; found out where it is not said.
    pub missing: Option<Vec<String>>,
    /// What columns hold, by name: `number`, `class`, `date`, `key` or `text`; found out where it is not said.
    pub kinds: Option<Vec<(String, String)>>,
    /// Scale images to this height and width.
    pub resize: Option<(usize, usize)>,
    /// What the data must fit, if it is for a model that exists already. A reader that can make it fit
    /// does so; nothing here is refused.
    pub expected: Option<Expected>,
}

/// What the data of a model looked like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    /// Its columns, if it had any of its own.
    pub columns: Option<Columns>,
    /// The column that held labels, if there was one; it need not be there.
    pub label: Option<String>,
    /// Its columns of classes, which must be there.
    pub classes: Vec<String>,
    /// The shape of its rows, if they were images.
    pub image: Option<ImageShape>,
    /// How it was read, if it was a table in text.
    pub table: Option<TableLayout>,
    /// What its columns are, if they were of several kinds or had missing cells.
    pub kinds: Option<Table>,
    /// What its bytes stood for, if its values were bytes.
    pub bytes: Option<Bytes>,
}

/// How a table in text was read, as far as others for the same model are to be read so and its columns do
/// not say it: these have texts for names if the first line held some, else numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableLayout {
    /// What its comments began with, an ASCII character, if lines could be comments.
    pub comment: Option<u8>,
}

impl Expected {
    /// The texts that the columns are called by, if they are called so.
    #[cfg(feature = "cli")] // tables have such
    pub(super) fn texts(&self) -> Option<Vec<&str>> {
        self.columns.as_ref().and_then(Columns::texts)
    }

    /// The columns' numbers in the file, from 1, if these are what they are called.
    #[cfg(feature = "cli")]
    pub(super) fn numbers(&self) -> Option<Vec<usize>> {
        self.columns.as_ref().and_then(Columns::numbers)
    }
}

impl ReadOptions {
    /// These options, and where they are silent, those of `other`. Columns that are named here are not those
    /// that were left out there.
    pub fn or(self, other: ReadOptions) -> Self {
        ReadOptions {
            label: self.label.or(other.label),
            classes: self.classes.or(other.classes),
            drop: self.drop.or(other.drop.filter(|_| self.columns.is_none())),
            columns: self.columns.or(other.columns),
            header: self.header.or(other.header),
            delimiter: self.delimiter.or(other.delimiter),
            comment: self.comment.or(other.comment),
            mixed: self.mixed || other.mixed,
            missing: self.missing.or(other.missing),
            kinds: self.kinds.or(other.kinds),
            resize: self.resize.or(other.resize),
            expected: self.expected.or(other.expected),
        }
    }

    /// The names of those that the user gave.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        [
            ("label", self.label.is_some()),
            ("condition", self.classes.is_some()),
            ("columns", self.columns.is_some()),
            ("drop", self.drop.is_some()),
            ("header", self.header.is_some()),
            ("delimiter", self.delimiter.is_some()),
            ("comment", self.comment.is_some()),
            ("missing", self.missing.is_some()),
            ("kinds", self.kinds.is_some()),
            ("resize", self.resize.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
    }
}

/// Where data is.
#[derive(Debug)]
pub(super) enum Location {
    /// In the program.
    Embedded(Spec),
    /// In the files of a folder.
    Folder(PathBuf),
    /// In one file, or from standard input.
    File(Input),
    /// A part of a file, by the name behind a colon.
    Member(Input, String),
}

/// A format that is read.
pub struct Reader {
    /// Its name.
    pub name: &'static str,
    /// One line for the help: what to name, and what it is read as.
    pub summary: &'static str,
    /// The [`ReadOptions`] it knows.
    pub options: &'static [&'static str],
    /// Whether it is the one to read this.
    pub(super) recognises: fn(&Location) -> bool,
    /// Reads it.
    pub(super) read: fn(Location, &ReadOptions) -> Result<Source>,
}

/// The list of readers: `readers!(file, file, …)` declares the files as modules and collects their
/// `reader()` functions.
macro_rules! readers {
    ($($(#[$gate:meta])? $file:ident),* $(,)?) => {
        $($(#[$gate])? pub mod $file;)*

        /// Every reader there is, in the order in which they are asked.
        pub fn readers() -> Vec<Reader> {
            Vec::from([$($(#[$gate])? $file::reader()),*])
        }
    };
}
pub(super) use readers;

impl Source {
    /// Opens data by what the user wrote: `digits` (or `digits:count=N,seed=S`), a file or folder in a
    /// format of [`super::readers`], a part of a file (`FILE:NAME`), or `-` for standard input. A file
    /// called `digits` is `./digits`.
    ///
    /// # Errors
    /// If there is no such file, or it does not hold what its format says.
    pub fn open(name: &str) -> Result<Self> {
        Source::open_with(name, &ReadOptions::default())
    }

    /// The same, read as the options say.
    ///
    /// # Errors
    /// As [`Self::open`], and if the data has no use for an option.
    pub fn open_with(name: &str, options: &ReadOptions) -> Result<Self> {
        let path = Path::new(name);
        let location = if Source::is_embedded(name) {
            Location::Embedded(name.parse()?)
        } else if name == "-" {
            Location::File(Input::stdin()?)
        } else if path.is_dir() {
            Location::Folder(path.to_owned())
        } else if let Some((file, part)) = part(name) {
            Location::Member(Input::open(Path::new(file))?, part.to_owned())
        } else {
            Location::File(Input::open(path).map_err(|e| match e {
                Error::Io { source, .. } if source.kind() == ErrorKind::NotFound => {
                    let message =
                        format!("{source}: name a file, a folder, or the embedded `digits`");
                    Error::file(path, message)
                }
                other => other,
            })?)
        };
        Source::read(location, options)
    }

    /// Reads what would be a file's content; messages call it `name`.
    ///
    /// # Errors
    /// As [`Self::open_with`].
    pub fn from_bytes(name: &str, bytes: Vec<u8>, options: &ReadOptions) -> Result<Self> {
        Source::read(Location::File(Input::memory(Path::new(name), bytes)?), options)
    }

    fn read(location: Location, options: &ReadOptions) -> Result<Self> {
        let readers = super::readers();
        let Some(reader) = readers.iter().find(|r| (r.recognises)(&location)) else {
            return Err(unknown(&location, &readers));
        };
        if let Some(option) = options.given().find(|o| !reader.options.contains(o)) {
            let message = format!("this data is {}, which has no use for it", reader.name);
            return Err(Error::setting(option, message));
        }
        let path = match &location {
            Location::Embedded(_) => return (reader.read)(location, options),
            Location::Folder(path) => path.clone(),
            Location::File(input) | Location::Member(input, _) => input.path().to_owned(),
        };
        (reader.read)(location, options)?.settle_bytes(&path, options.expected.as_ref())
    }

    /// Whether this names data that needs no file.
    pub fn is_embedded(name: &str) -> bool {
        name == "digits" || name.starts_with("digits:")
    }
}

/// The file and the name of a part of it, if that is what `name` means.
fn part(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once(':').filter(|(file, part)| {
        !part.is_empty() && !Path::new(name).exists() && Path::new(file).is_file()
    })
}

/// The error of what no reader recognises.
fn unknown(location: &Location, readers: &[Reader]) -> Error {
    let known = readers.iter().map(|r| r.name).collect::<Vec<_>>().join(", ");
    match location {
        Location::Embedded(spec) => Error::setting("data", format!("`{spec}` is not embedded")),
        Location::Folder(path) => Error::file(
            path,
            format!(
                "this folder holds nothing that is read here ({known}): name a file, or another folder"
            ),
        ),
        Location::Member(input, part) => input.error(format!(
            "only an archive of arrays (.npz) has parts like `{part}`: name the file without `:{part}`"
        )),
        Location::File(input) => input.error(format!(
            "not in a format that is read here ({known}): {}",
            input::describe(input.start())
        )),
    }
}

/// Rows of the first axis; two or three more axes are an image.
pub(super) fn shaped(path: &Path, values: Values, shape: &[usize]) -> Result<Dataset> {
    let width = shape[1..].iter().product();
    let data = Dataset::new(values, width).map_err(|e| in_file(path, e))?;
    match *shape {
        [_, height, width] => data.with_image(ImageShape { height, width, channels: 1 }),
        [_, height, width, channels @ (1 | 3)] => {
            data.with_image(ImageShape { height, width, channels })
        }
        _ => Ok(data),
    }
}

/// The message names row and column; the file is worth naming too.
pub(super) fn in_file(path: &Path, error: Error) -> Error {
    match error {
        named @ (Error::File { .. } | Error::Io { .. }) => named,
        other => Error::file(path, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_names_say_what_is_accepted() {
        for (name, part) in [
            ("digits:count=1", "from 5 to"),
            ("digits:count=2.5", "whole number"),
            ("digits:size=3", "count, seed"),
            ("no/such/file", "No such file"),
        ] {
            let message = Source::open(name).expect_err(name).to_string();
            assert!(message.contains(part), "{name}: {message}");
        }
    }

    #[test]
    fn an_option_without_a_use_is_refused() {
        let options = ReadOptions { label: Some("class".to_owned()), ..ReadOptions::default() };
        let error = Source::open_with("digits:count=10", &options).unwrap_err();
        assert!(matches!(error, Error::Setting { ref name, .. } if name == "label"), "{error}");
    }

    #[test]
    fn options_fill_what_others_leave_open() {
        let list = |name: &str| Some(vec![name.to_owned()]);
        let run = ReadOptions {
            label: Some("class".to_owned()),
            drop: list("id"),
            header: Some(true),
            ..ReadOptions::default()
        };
        let said = ReadOptions { header: Some(false), ..ReadOptions::default() };
        assert_eq!(said.or(run.clone()), ReadOptions { header: Some(false), ..run.clone() });
        let said = ReadOptions { columns: list("a"), ..ReadOptions::default() };
        assert_eq!(
            said.clone().or(run.clone()),
            ReadOptions { drop: None, columns: list("a"), ..run }
        );
    }

    #[test]
    fn what_nobody_reads_is_described() {
        let error =
            Source::from_bytes("x", b"PK\x03\x04 and so on".to_vec(), &ReadOptions::default());
        assert!(error.unwrap_err().to_string().contains("zip archive"));
    }
}
