//! The IDX format, in which MNIST and its relatives are distributed.
//!
//! | bytes | meaning |
//! |---|---|
//! | `00 00` | always zero |
//! | 1 | type of the values; `08`, an unsigned byte, is the one read here |
//! | 1 | number of axes, d |
//! | 4·d | the axes' lengths, big-endian, slowest first |
//! | the rest | the values in C order, as many as the product of the lengths |

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
        summary: "one file: bytes as 0 … 1, or bits; the first axis counts the rows, two more are images",
        options: &[],
        recognises: |location| match location {
            Location::File(input) => input.start().starts_with(&[0, 0]),
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

/// Reads an IDX file of unsigned bytes; one larger than memory stays where it is.
///
/// # Errors
///
/// [`Error::Io`] if the system refuses to read, [`Error::File`] if the file is not IDX, holds
/// another type than unsigned bytes, has no or more than four axes or an axis of length 0, or if
/// it holds fewer or more values than its header declares.
pub(super) fn read(input: Input) -> Result<Idx> {
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

/// Tells a file that ends from a system that refuses: both are reported as [`io::Error`].
fn unreadable(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => {
            Error::file(path, "the file ends too early: it is cut off or not IDX, fetch it again")
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
}
