//! What every reader starts from: the bytes of a file or of standard input, and a look at the first.
//!
//! A file's name says little about what it holds, so the readers go by the first bytes, and when
//! those are wrong, [`describe`] tells the user what the file is instead.
//!
//! A file that is packed by gzip is unpacked here, so that every reader can read it.
//!
//! Files are read by position, so that one larger than memory can be used where it lies and several
//! threads can share it. They are not mapped into memory: a mapped file that somebody truncates kills
//! the process, a read that fails is an error like any other.

mod unpack;

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The two bytes every gzip file starts with.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// How many of the first bytes are worth looking at.
const START: usize = 16;

/// Bytes that hold something, with the name to blame when they are wrong.
#[derive(Debug)]
pub(super) struct Input {
    path: PathBuf,
    bytes: Bytes,
    length: u64,
    start: Vec<u8>,
}

#[derive(Debug)]
enum Bytes {
    File(File),
    Memory(Vec<u8>),
}

impl Input {
    /// Opens a file that is not empty.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the system refuses, [`Error::File`] for a folder, a pipe, or an empty file.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let io = |e| Error::io(path, e);
        // Asked before opening, because opening a named pipe would wait for somebody to write to it.
        let metadata = fs::metadata(path).map_err(io)?;
        if metadata.is_dir() {
            let wrong = "this is a folder where a file is expected: name one of the files in it";
            return Err(Error::file(path, wrong));
        }
        if !metadata.is_file() {
            let wrong = "this is a pipe or a device, whose size cannot be checked: save the data to a file \
                         first, or send them to standard input and name `-`";
            return Err(Error::file(path, wrong));
        }
        Input::new(path, Bytes::File(File::open(path).map_err(io)?), metadata.len())
    }

    /// All of standard input.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be read, [`Error::File`] if there is nothing.
    pub(super) fn stdin() -> Result<Self> {
        let (name, mut bytes) = (Path::new("standard input"), Vec::new());
        io::stdin().lock().read_to_end(&mut bytes).map_err(|e| Error::io(name, e))?;
        Input::memory(name, bytes)
    }

    /// Bytes that are in memory already, called `name` in messages.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if there are none.
    pub(super) fn memory(name: &Path, bytes: Vec<u8>) -> Result<Self> {
        let length = bytes.len() as u64;
        Input::new(name, Bytes::Memory(bytes), length)
    }

    fn new(path: &Path, bytes: Bytes, length: u64) -> Result<Self> {
        let input = Input::as_it_is(path, bytes, length)?;
        match unpack::unpack(&input)? {
            None => Ok(input),
            Some(unpacked) => {
                let length = unpacked.len() as u64;
                Input::as_it_is(path, Bytes::Memory(unpacked), length)
            }
        }
    }

    /// The same without looking whether it is packed.
    fn as_it_is(path: &Path, bytes: Bytes, length: u64) -> Result<Self> {
        if length == 0 {
            return Err(Error::file(path, "the file is empty: write or download it again"));
        }
        let mut input = Input { path: path.to_owned(), bytes, length, start: Vec::new() };
        let mut start = vec![0; START.min(length as usize)];
        input.read_exact_at(&mut start, 0)?;
        input.start = start;
        Ok(input)
    }

    /// The same bytes once more.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    #[cfg(all(feature = "cli", feature = "codec"))]
    pub(super) fn open_again(&self) -> Result<Self> {
        match &self.bytes {
            Bytes::Memory(bytes) => Input::memory(&self.path, bytes.clone()),
            Bytes::File(_) => Input::open(&self.path),
        }
    }

    /// The name to blame.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes there are, never 0.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The first sixteen bytes, or all of them if there are fewer.
    pub(super) fn start(&self) -> &[u8] {
        &self.start
    }

    /// An error in the content.
    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        Error::file(&self.path, message)
    }

    /// Fills `out` with the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if they end before, which the file did not when it was opened, and
    /// [`Error::Io`].
    pub(super) fn read_exact_at(&self, out: &mut [u8], offset: u64) -> Result<()> {
        let result = match &self.bytes {
            Bytes::File(file) => file_read_exact_at(file, out, offset),
            Bytes::Memory(bytes) => bytes
                .get(offset as usize..)
                .and_then(|rest| rest.get(..out.len()))
                .map(|found| out.copy_from_slice(found))
                .ok_or_else(|| io::ErrorKind::UnexpectedEof.into()),
        };
        result.map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => self.error(
                "the file became shorter while it was read: write it again, and then start anew",
            ),
            _ => Error::io(&self.path, e),
        })
    }

    /// The bytes as a stream, from the first on.
    pub(super) fn reader(&self) -> BufReader<impl Read> {
        BufReader::with_capacity(1 << 16, Stream { input: self, at: 0 })
    }
}

#[cfg(unix)]
fn file_read_exact_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, offset)
}

#[cfg(windows)]
fn file_read_exact_at(file: &File, mut out: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !out.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, out, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => (out, offset) = (&mut out[n..], offset + n as u64),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Where the system cannot read by position, as there is none under WebAssembly.
#[cfg(not(any(unix, windows)))]
fn file_read_exact_at(mut file: &File, out: &mut [u8], offset: u64) -> io::Result<()> {
    // All who read a file share its place.
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    io::Seek::seek(&mut file, io::SeekFrom::Start(offset))?;
    file.read_exact(out)
}

/// A stream over positioned reads, so that an [`Input`] can be read from the start twice.
struct Stream<'a> {
    input: &'a Input,
    at: u64,
}

impl Read for Stream<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = out.len().min(usize::try_from(self.input.length - self.at).unwrap_or(usize::MAX));
        self.input.read_exact_at(&mut out[..n], self.at).map_err(io::Error::other)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// What a file that starts like this is, and how to make it readable: the second half of an error
/// message, on one line. Four bytes are enough to tell.
pub(super) fn describe(start: &[u8]) -> String {
    known(start).unwrap_or_else(|| {
        let first = &start[..start.len().min(4)];
        format!("it starts with the bytes {first:02x?}: check the path")
    })
}

/// The same for the kinds of files that are told by how they start.
pub(super) fn known(start: &[u8]) -> Option<String> {
    const TO_FOLDER: &str = "name the folder with the pictures as the data";
    const SAVE: &str = "load it in Python and store one array with numpy.save";
    const AGAIN: &str = "the download went wrong, fetch the file itself";
    const EXPORT: &str = "export its table as CSV";
    const ENCODE: &str = "save it as UTF-8";
    const FEATURE: &str = "build elbo with the feature that reads it (cargo install elbo --features \
                            parquet), or export its table as CSV";
    let known: [(&[u8], &str, &str); 21] = [
        (b"\x93NUM", "a NumPy array", "name it by itself as the data"),
        (&[0, 0, 8], "an IDX file", "name it by itself as the data"),
        (GZIP, "a gzip file within a gzip file", "unpack it once with gunzip"),
        // Their decoders take the memory that a header asks for.
        (b"\x28\xb5\x2f\xfd", "a zstd file", "unpack it with zstd -d"),
        (b"\xfd7zX", "an xz file", "unpack it with xz -d"),
        (b"BZh91AY", "a bzip2 file", "unpack it with bzip2 -d"),
        (b"\x89PNG", "a PNG picture", TO_FOLDER),
        (b"\xff\xd8\xff", "a JPEG picture", TO_FOLDER),
        (b"\x89HDF", "an HDF5 file", SAVE),
        (b"MATL", "a MATLAB file", SAVE),
        // Without the third byte, this would be any table whose first column is called PK.
        (b"PK\x03", "a zip archive (.npz, .pt, .zip)", SAVE),
        (b"PAR1\x15", "a Parquet file", FEATURE),
        (b"ARROW1\0\0", "an Arrow file", FEATURE),
        (b"\x80", "a Python pickle", SAVE),
        (b"<!", "a web page", AGAIN),
        (b"<htm", "a web page", AGAIN),
        (b"<HTM", "a web page", AGAIN),
        (b"<?xm", "an XML file", EXPORT),
        (b"%PDF", "a PDF document", EXPORT),
        (b"\xff\xfe", "text in UTF-16", ENCODE),
        (b"\xfe\xff", "text in UTF-16", ENCODE),
    ];
    let (_, what, remedy) = known.iter().find(|(magic, ..)| start.starts_with(magic))?;
    Some(format!("this is {what}: {remedy}"))
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

    use super::Input;
    use crate::error::{Error, Result};

    /// Bytes as a reader finds them.
    pub(in crate::data) fn input(bytes: &[u8]) -> Result<Input> {
        Input::memory(Path::new("test"), bytes.to_vec())
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
            "this is a PNG picture: name the folder with the pictures as the data"
        );
        assert_eq!(
            describe(b"abcdef"),
            "it starts with the bytes [61, 62, 63, 64]: check the path"
        );
        assert_eq!(describe(b"a"), "it starts with the bytes [61]: check the path");
        assert!(describe(b"<!DOCTYPE html>").contains("a web page"));
        assert!(describe(b"\x28\xb5\x2f\xfd\x04").contains("unpack it with zstd -d"));
        assert!(describe(b"PK\x03\x04").contains(".npz"));
    }

    #[test]
    fn bytes_are_read_by_position_from_a_file_and_from_memory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..40).collect();
        fs::write(file.path(), &bytes).unwrap();
        let inputs = [Input::open(file.path()), Input::memory(Path::new("x"), bytes.clone())];
        for input in inputs.map(Result::unwrap) {
            assert_eq!((input.length(), input.start()), (40, &bytes[..16]));
            let mut three = [0; 3];
            input.read_exact_at(&mut three, 37).unwrap();
            assert_eq!(three, [37, 38, 39]);
            assert!(input.read_exact_at(&mut three, 38).is_err());
            for _ in 0..2 {
                let mut all = Vec::new();
                input.reader().read_to_end(&mut all).unwrap();
                assert_eq!(all, bytes);
            }
        }
    }

    #[test]
    fn a_file_that_shrinks_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), [7; 40]).unwrap();
        let input = Input::open(file.path()).unwrap();
        file.as_file().set_len(20).unwrap();
        testing::assert_refused(input.read_exact_at(&mut [0; 30], 0), "became shorter");
    }

    #[test]
    fn a_missing_file_is_the_systems_error() {
        assert!(matches!(Input::open(Path::new("/nowhere/at/all")), Err(Error::Io { .. })));
    }

    #[test]
    fn nothing_is_refused() {
        testing::assert_refused(testing::input(&[]), "empty");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_refused() {
        testing::assert_refused(
            Input::open(Path::new("/dev/zero")),
            "save the data to a file first",
        );
    }
}
