//! What every reader does first: open a regular file, and look at its first bytes.
//!
//! A file's name says little about what it holds, so the readers go by the first bytes, and when
//! those are wrong, [`describe`] tells the user what the file is instead.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::Path;

use crate::error::{Error, Result};

/// The two bytes every gzip file starts with.
pub(super) const GZIP: &[u8] = &[0x1f, 0x8b];

/// How many of the first bytes are worth looking at.
const START: u64 = 16;

/// A file that holds something.
pub(super) struct Opened {
    /// The file, at its beginning.
    pub(super) file: File,
    /// Its length in bytes, never 0.
    pub(super) length: u64,
    /// Its first sixteen bytes, or all of them if there are fewer.
    pub(super) start: Vec<u8>,
}

/// Opens a file that is not empty.
///
/// # Errors
///
/// [`Error::Io`] if the system refuses, [`Error::File`] for a folder, a pipe, or an empty file.
pub(super) fn open(path: &Path) -> Result<Opened> {
    let io = |e| Error::io(path, e);
    // Asked before opening, because opening a named pipe would wait for somebody to write to it.
    let metadata = fs::metadata(path).map_err(io)?;
    let wrong = if metadata.is_dir() {
        "this is a folder where a file is expected: name one of the files in it"
    } else if !metadata.is_file() {
        "this is a pipe or a device, whose size cannot be checked: save the data to a file first"
    } else if metadata.len() == 0 {
        "the file is empty: write or download it again"
    } else {
        let mut file = File::open(path).map_err(io)?;
        let mut start = Vec::new();
        Read::by_ref(&mut file).take(START).read_to_end(&mut start).map_err(io)?;
        file.rewind().map_err(io)?;
        return Ok(Opened { file, length: metadata.len(), start });
    };
    Err(Error::file(path, wrong))
}

/// What a file that starts like this is, and how to make it readable: the second half of an error
/// message, on one line. Four bytes are enough to tell.
pub(super) fn describe(start: &[u8]) -> String {
    const TO_ARRAY: &str = "put the pictures into one array and store it with numpy.save";
    const SAVE: &str = "load it in Python and store one array with numpy.save";
    const AGAIN: &str = "the download went wrong, fetch the file itself";
    let known: [(&[u8], &str, &str); 11] = [
        (b"\x93NUM", "a NumPy array", "name it by itself as the data"),
        (&[0, 0, 8], "an IDX file", "name it by itself as the data"),
        (GZIP, "a gzip file", "unpack it with gunzip"),
        (b"\x89PNG", "a PNG picture", TO_ARRAY),
        (b"\xff\xd8\xff", "a JPEG picture", TO_ARRAY),
        (b"\x89HDF", "an HDF5 file", SAVE),
        (b"MATL", "a MATLAB file", SAVE),
        (b"PK", "a zip archive (.npz, .pt, .zip)", SAVE),
        (b"\x80", "a Python pickle", SAVE),
        (b"<!", "a web page", AGAIN),
        (b"<htm", "a web page", AGAIN),
    ];
    match known.iter().find(|(magic, ..)| start.starts_with(magic)) {
        Some((_, what, remedy)) => format!("this is {what}: {remedy}"),
        None => format!(
            "it starts with the bytes {:02x?}: check the path",
            &start[..start.len().min(4)]
        ),
    }
}

/// `[3, 4, 5]` as `3 × 4 × 5`, for messages.
pub(super) fn product<T: ToString>(dims: &[T]) -> String {
    dims.iter().map(T::to_string).collect::<Vec<_>>().join(" × ")
}

/// Helpers of the readers' tests.
#[cfg(test)]
pub(super) mod testing {
    use std::fmt::Debug;
    use std::path::Path;

    use crate::error::{Error, Result};

    /// Writes `bytes` to a file and reads it again with `read`.
    pub(in crate::data) fn read_bytes<T>(
        bytes: &[u8],
        read: impl FnOnce(&Path) -> Result<T>,
    ) -> Result<T> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        read(file.path())
    }

    /// Checks that the outcome is an [`Error::File`] whose one line contains `expected`.
    #[track_caller]
    pub(in crate::data) fn assert_refused<T: Debug>(outcome: Result<T>, expected: &str) {
        match outcome {
            Err(Error::File { message, .. }) => {
                assert!(message.contains(expected), "{message:?} does not say {expected:?}");
                assert!(!message.contains('\n'), "{message:?} is more than one line");
            }
            other => panic!("expected an error that says {expected:?}, got {other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_files_are_named_and_others_shown() {
        assert_eq!(
            describe(b"\x89PNG\r\n"),
            "this is a PNG picture: put the pictures into one array and store it with numpy.save"
        );
        assert_eq!(
            describe(b"abcdef"),
            "it starts with the bytes [61, 62, 63, 64]: check the path"
        );
        assert_eq!(describe(b"a"), "it starts with the bytes [61]: check the path");
        assert!(describe(b"<!DOCTYPE html>").contains("a web page"));
        assert!(describe(b"PK\x03\x04").contains(".npz"));
    }

    #[test]
    fn opening_remembers_the_start_and_goes_back_to_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [7; 40]).unwrap();
        let mut opened = open(file.path()).unwrap();
        assert_eq!((opened.length, opened.start), (40, vec![7; 16]));
        let mut all = Vec::new();
        opened.file.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), 40);
    }

    #[test]
    fn a_missing_file_is_the_systems_error() {
        assert!(matches!(open(Path::new("/nowhere/at/all")), Err(Error::Io { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_refused() {
        let outcome = open(Path::new("/dev/zero")).map(|opened| opened.length);
        testing::assert_refused(outcome, "save the data to a file first");
    }
}
