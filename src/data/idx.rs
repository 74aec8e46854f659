//! The IDX format, in which MNIST and its relatives are distributed.
//!
//! | bytes | meaning |
//! |---|---|
//! | `00 00` | always zero |
//! | 1 | type of the values; `08`, an unsigned byte, is the one read here |
//! | 1 | number of axes, d |
//! | 4·d | the axes' lengths, big-endian, slowest first |
//! | the rest | the values in C order, as many as the product of the lengths |
//!
//! The file may be packed with gzip (feature `cli`), which is told by its first bytes and not by
//! its name.

use std::cmp::Ordering;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::Values;
use super::input::{self, Input};
use super::reader::{Location, Reader, Source, shaped};
use super::stored::{Element, Stored};
use crate::error::{Error, Result};

/// An array of unsigned bytes.
#[derive(Debug)]
pub(super) struct Idx {
    /// The lengths of the one to four axes, none of them 0: `[60000, 28, 28]`.
    pub(super) dims: Vec<usize>,
    /// The values in C order, as many as the product of `dims`.
    pub(super) values: Values,
}

pub(super) fn reader() -> Reader {
    Reader {
        name: "IDX",
        summary: "one file, plain or gzip: bytes as 0 … 1, or bits; the first axis counts the rows, two more are images",
        options: &[],
        recognises: |location| match location {
            Location::File(input) => {
                let start = input.start();
                start.starts_with(&[0, 0]) || start.starts_with(input::GZIP)
            }
            _ => false,
        },
        read: |location, _| {
            let Location::File(input) = location else { unreachable!("it was recognised") };
            let path = input.path().to_owned();
            let idx = read(input)?;
            let train = shaped(&path, idx.values, &idx.dims)?;
            Ok(Source { train, test: None, notes: Vec::new() })
        },
    }
}

/// Reads an IDX file of unsigned bytes, plain or gzip; a plain one larger than memory stays where
/// it is.
///
/// # Errors
///
/// [`Error::Io`] if the system refuses to read, [`Error::File`] if the file is not IDX, holds
/// another type than unsigned bytes, has no or more than four axes or an axis of length 0, or if
/// it holds fewer or more values than its header declares.
pub(super) fn read(input: Input) -> Result<Idx> {
    if input.start().starts_with(input::GZIP) {
        return read_gzip(&input);
    }
    let path = input.path().to_owned();
    let dims = read_dims(&path, &mut input.reader())?;
    let header = 4 + 4 * dims.len() as u64;
    let available = u128::from(input.length() - header);
    let relation = match declared(&dims).cmp(&available) {
        Ordering::Equal => None,
        Ordering::Greater => Some("the file holds less"),
        Ordering::Less => Some("more follow"),
    };
    match (relation, usize::try_from(available)) {
        (None, Ok(count)) => {
            let dims = dims.iter().map(|&d| d as usize).collect();
            let values = Stored::new(input, header, Element::Byte, count).load_if_small()?;
            Ok(Idx { dims, values })
        }
        (Some(how), _) => Err(damaged(&path, &dims, how)),
        (None, Err(_)) => Err(damaged(&path, &dims, "this machine cannot address as many")),
    }
}

/// How many values these axes have.
fn declared(dims: &[u32]) -> u128 {
    // At most four lengths below 2³²: the product cannot overflow 128 bits.
    dims.iter().map(|&d| u128::from(d)).product()
}

/// The error of a header that does not fit the data.
fn damaged(path: &Path, dims: &[u32], how: &str) -> Error {
    let message = format!(
        "the header declares {} = {} bytes of data, but {how}: the file is cut off or damaged, \
         fetch it again",
        input::product(dims),
        declared(dims),
    );
    Error::file(path, message)
}

/// Reads a gzip file, all of its members.
#[cfg(feature = "cli")]
fn read_gzip(input: &Input) -> Result<Idx> {
    /// Deflate spends at least two bits on a repetition of at most 258 bytes.
    const GREATEST_EXPANSION: u64 = 1032;
    let unpacked = flate2::bufread::MultiGzDecoder::new(input.reader());
    parse(input.path(), unpacked, input.length(), GREATEST_EXPANSION)
}

/// Says what is missing.
#[cfg(not(feature = "cli"))]
fn read_gzip(input: &Input) -> Result<Idx> {
    Err(input.error(
        "this is a gzip file, which only a build with the feature `cli` reads: unpack it with gunzip, \
         or enable the feature",
    ))
}

/// Reads the header and then exactly as many values as it declares.
///
/// `length` is the file's length on disk, of which every byte may become up to `expansion` bytes.
/// What the header declares is compared with that before any memory is taken, and even then the
/// buffer starts at no more than `length` and grows only as bytes really arrive.
#[cfg(feature = "cli")]
fn parse(path: &Path, mut reader: impl Read, length: u64, expansion: u64) -> Result<Idx> {
    let dims = read_dims(path, &mut reader)?;
    let (header, declared) = (4 + 4 * dims.len() as u128, declared(&dims));
    let damaged = |how| Err(damaged(path, &dims, how));
    if header + declared > u128::from(length) * u128::from(expansion) {
        return damaged("the file holds less");
    }
    let (Ok(limit), Ok(size)) = (u64::try_from(declared + 1), usize::try_from(declared)) else {
        return damaged("this machine cannot address as many");
    };
    // One byte more than declared is asked for, so that data that should not be there show up,
    // and so that a gzip stream is read to its end, where its checksum is.
    let mut bytes = Vec::with_capacity(limit.min(length) as usize);
    reader.take(limit).read_to_end(&mut bytes).map_err(|e| unreadable(path, e))?;
    match bytes.len().cmp(&size) {
        Ordering::Less => return damaged("the file holds less"),
        Ordering::Greater => return damaged("more follow"),
        Ordering::Equal => bytes.shrink_to_fit(),
    }
    let dims = dims.iter().map(|&d| d as usize).collect();
    Ok(Idx { dims, values: Values::U8(bytes) })
}

/// Reads the magic number and the lengths of the axes.
fn read_dims(path: &Path, reader: &mut impl Read) -> Result<Vec<u32>> {
    let fail = |message: String| Err(Error::file(path, message));
    let magic: [u8; 4] = read_array(path, reader)?;
    let [0, 0, kind, axes] = magic else {
        return fail(format!("not an IDX file: {}", input::describe(&magic)));
    };
    if kind != 0x08 {
        let name = type_name(kind);
        return fail(format!(
            "the values are {name} (IDX type 0x{kind:02X}) where unsigned bytes (0x08) are \
             expected: store the array as float32 with numpy.save"
        ));
    }
    if !(1..=4).contains(&axes) {
        return fail(format!(
            "the array has {axes} axes where 1 to 4 are expected: reshape it to [rows, values]"
        ));
    }
    let dims = (0..axes)
        .map(|_| read_array(path, reader).map(u32::from_be_bytes))
        .collect::<Result<Vec<_>>>()?;
    if dims.contains(&0) {
        let dims = input::product(&dims);
        return fail(format!(
            "the array is empty ({dims}): every axis needs a length of 1 or more"
        ));
    }
    Ok(dims)
}

/// The IDX format's own names of the types that are not read here.
fn type_name(kind: u8) -> &'static str {
    match kind {
        0x09 => "signed bytes (i8)",
        0x0B => "16-bit integers (i16)",
        0x0C => "32-bit integers (i32)",
        0x0D => "32-bit floats (f32)",
        0x0E => "64-bit floats (f64)",
        _ => "of an unknown type",
    }
}

/// Reads exactly `N` bytes.
fn read_array<const N: usize>(path: &Path, reader: &mut impl Read) -> Result<[u8; N]> {
    let mut array = [0; N];
    reader.read_exact(&mut array).map_err(|e| unreadable(path, e))?;
    Ok(array)
}

/// Tells a damaged file from a system that refuses: the decoder reports both as [`io::Error`].
fn unreadable(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => {
            Error::file(path, "the file ends too early: it is cut off or not IDX, fetch it again")
        }
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            Error::file(path, format!("the gzip data are damaged ({error}): fetch the file again"))
        }
        _ => Error::io(path, error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::input::testing::{assert_refused, input};
    use super::*;

    fn parsed(bytes: &[u8]) -> Result<Idx> {
        read(input(bytes)?)
    }

    fn bytes(idx: &Idx) -> &[u8] {
        match &idx.values {
            Values::U8(bytes) => bytes,
            other => panic!("{other:?}"),
        }
    }

    /// An IDX file with these axes and these data.
    fn idx(dims: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, dims.len() as u8];
        bytes.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
        bytes.extend(data);
        bytes
    }

    /// An IDX file with these axes and as many different values as they ask for.
    fn filled(dims: &[u32]) -> Vec<u8> {
        let size = dims.iter().product::<u32>();
        idx(dims, &(0..size).map(|i| i as u8).collect::<Vec<_>>())
    }

    #[test]
    fn one_to_four_axes_are_read() {
        for dims in [&[5][..], &[2, 3], &[2, 3, 4], &[2, 1, 3, 4]] {
            let size = dims.iter().product::<u32>();
            let array = parsed(&filled(dims)).unwrap();
            assert_eq!(array.dims, dims.iter().map(|&d| d as usize).collect::<Vec<_>>());
            assert_eq!(bytes(&array), (0..size as u8).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        let whole = filled(&[3, 2, 2]);
        for length in 0..whole.len() {
            let expected = match length {
                0 => "empty",
                1..16 => "ends too early",
                _ => "declares 3 × 2 × 2 = 12 bytes",
            };
            assert_refused(parsed(&whole[..length]), expected);
        }
    }

    #[test]
    fn malformed_files_are_refused() {
        let with_type = |kind| [&[0, 0, kind, 1][..], &[0, 0, 0, 1, 7]].concat();
        let table: [(&[u8], &str); 18] = [
            (&idx(&[u32::MAX; 4], &[0; 9]), "declares 4294967295 × 4294967295 ×"),
            (&idx(&[u32::MAX], &[0; 9]), "= 4294967295 bytes"),
            (&idx(&[2, 2], &[0; 5]), "2 × 2 = 4 bytes of data, but more follow"),
            (&idx(&[0], &[]), "empty (0)"),
            (&idx(&[2, 0, 3], &[]), "empty (2 × 0 × 3)"),
            (&idx(&[], &[1]), "0 axes"),
            (&idx(&[1; 5], &[1]), "5 axes"),
            (&with_type(0x09), "i8"),
            (&with_type(0x0B), "i16"),
            (&with_type(0x0C), "i32"),
            (&with_type(0x0D), "f32"),
            (&with_type(0x0E), "f64"),
            (&with_type(0x0A), "unknown type (IDX type 0x0A)"),
            (&[1, 0, 8, 1, 0, 0, 0, 1, 7], "not an IDX file: it starts with"),
            (b"\x89PNG\r\n\x1a\n", "PNG"),
            (b"\x93NUMPY\x01\x00", "NumPy"),
            (b"PK\x03\x04 archive", "zip"),
            (b"\x80\x04 pickle", "pickle"),
        ];
        for (bytes, expected) in table {
            assert_refused(parsed(bytes), expected);
        }
    }

    #[test]
    fn a_folder_is_refused() {
        assert_refused(Input::open(tempfile::tempdir().unwrap().path()), "folder");
    }

    #[test]
    fn the_buffer_is_not_larger_than_the_data() {
        let array = parsed(&filled(&[100, 10])).unwrap();
        let Values::U8(bytes) = array.values else { panic!("few bytes are kept in memory") };
        assert_eq!(bytes.capacity(), 1000);
    }

    #[cfg(not(feature = "cli"))]
    #[test]
    fn gzip_needs_the_feature() {
        assert_refused(parsed(&[0x1f, 0x8b, 8, 0]), "feature `cli`");
    }

    #[cfg(feature = "cli")]
    mod gzip {
        use std::io::Write;

        use flate2::{Compression, write::GzEncoder};

        use super::*;

        fn gzip(bytes: &[u8]) -> Vec<u8> {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }

        #[test]
        fn a_packed_file_is_the_same_as_a_plain_one() {
            let plain = filled(&[300, 50]);
            let expected = parsed(&plain).unwrap();
            let same = |packed: &[u8]| {
                let found = parsed(packed).unwrap();
                assert_eq!((&found.dims, bytes(&found)), (&expected.dims, bytes(&expected)));
            };
            same(&gzip(&plain));
            // Two members one after the other are one file, as `cat a.gz b.gz` makes it.
            let members = [gzip(&plain[..100]), gzip(&plain[100..])].concat();
            same(&members);
        }

        #[test]
        fn every_truncation_is_refused() {
            let whole = gzip(&filled(&[3, 2, 2]));
            for length in 1..whole.len() {
                let expected = if length == 1 { "not" } else { "ends too early" };
                assert_refused(parsed(&whole[..length]), expected);
            }
        }

        #[test]
        fn malformed_packed_files_are_refused() {
            let good = gzip(&filled(&[3, 2, 2]));
            let mut wrong_checksum = good.clone();
            let checksum = good.len() - 8;
            wrong_checksum[checksum] ^= 1;
            let table: [(&[u8], &str); 7] = [
                (&gzip(&idx(&[2, 2], &[0; 3])), "declares 2 × 2 = 4 bytes"),
                (&gzip(&idx(&[2, 2], &[0; 5])), "more follow"),
                (&gzip(&good), "this is a gzip file: unpack it"),
                (&gzip(b""), "ends too early"),
                (&gzip(b"\x89PNG\r\n"), "PNG"),
                (&wrong_checksum, "damaged"),
                (&[&good[..], b"something else"].concat(), "damaged"),
            ];
            for (bytes, expected) in table {
                assert_refused(parsed(bytes), expected);
            }
        }

        /// A reader that counts what is taken from it, and never ends.
        struct Endless<'a>(&'a mut u64);

        impl Read for Endless<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                *self.0 += buffer.len() as u64;
                buffer.fill(0);
                Ok(buffer.len())
            }
        }

        #[test]
        fn a_header_that_claims_gigabytes_is_refused_at_once() {
            for dims in [&[u32::MAX][..], &[u32::MAX; 4]] {
                let bomb = gzip(&idx(dims, &[0; 100]));
                assert_refused(parsed(&bomb), "the file holds less");

                let mut taken = 0;
                let stream = idx(dims, &[]);
                let reader = stream.as_slice().chain(Endless(&mut taken));
                let outcome = parse(Path::new("bomb.gz"), reader, 100, 1032);
                assert_refused(outcome, "the file holds less");
                assert_eq!(taken, 0, "nothing may be unpacked");
            }
        }

        #[test]
        fn no_more_is_unpacked_than_the_header_declares() {
            let mut taken = 0;
            let stream = idx(&[1000], &[]);
            let reader = stream.as_slice().chain(Endless(&mut taken));
            assert_refused(parse(Path::new("bomb.gz"), reader, 100, 1032), "more follow");
            assert!(taken <= 1001, "{taken} bytes were unpacked");
        }
    }
}
