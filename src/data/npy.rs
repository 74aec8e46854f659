//! NumPy's `.npy` format.
//!
//! | bytes | meaning |
//! |---|---|
//! | 6 | `\x93NUMPY` |
//! | 2 | version: 1.0, 2.0 or 3.0 |
//! | 2 (version 1) or 4 | length of the header, little-endian |
//! | the header | a Python dictionary: `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }` |
//! | the rest | the values |
//!
//! The crate `npyz` parses and writes the dictionary. Being made for files one trusts, it takes
//! the memory that a header asks for, parses by recursion, and multiplies the shape unchecked; so
//! a check of our own looks at the header first.

use std::cmp::Ordering;
use std::io::{self, BufWriter, Write};

use npyz::{DType, Endianness, NpyHeader, Order, TypeChar, TypeStr, WriteOptions, WriterBuilder};

use super::input::{self, Input};
use super::reader::{Location, Reader, Source, in_file, shaped};
use super::stored::{Element, Kind, Stored};
use super::{Bytes, Dataset, Values};
use crate::error::{Error, Result, check_memory};

/// The six bytes every file starts with.
const MAGIC: &[u8] = b"\x93NUMPY";

/// An array.
#[derive(Debug)]
pub(super) struct Npy {
    /// The lengths of the one to four axes, none of them 0; the first one counts the rows.
    pub(super) shape: Vec<usize>,
    /// As many values as the product of `shape`, in C order.
    pub(super) values: Values,
    /// Whether they are truth values, which are bytes.
    pub(super) is_bool: bool,
}

pub(super) fn reader() -> Reader {
    Reader {
        name: "NPY",
        summary: "one array of integers, floats or bool (u1 as 0 … 1, or bits); the first axis counts the rows, two more are images",
        options: &[],
        recognises: |location| match location {
            Location::File(input) => input.start().starts_with(b"\x93NUM"),
            _ => false,
        },
        read: |location, _| {
            let Location::File(input) = location else { unreachable!("it was recognised") };
            Ok(Source { train: dataset(input)?, test: None, notes: Vec::new() })
        },
    }
}

/// Reads an array of rows.
///
/// # Errors
///
/// As [`read`], and if a value is not finite, or a truth value neither 0 nor 1.
pub(super) fn dataset(input: Input) -> Result<Dataset> {
    let path = input.path().to_owned();
    let npy = read(input)?;
    let data = shaped(&path, npy.values, &npy.shape)?;
    match data.largest_byte() {
        Some(largest @ 2..) if npy.is_bool => {
            let message = format!(
                "the dtype is bool, but there is a byte of {largest}: the file is damaged, write or \
                 fetch it again"
            );
            Err(Error::file(path, message))
        }
        Some(_) if npy.is_bool => Ok(data.with_bytes(Bytes::Bits)),
        _ => Ok(data),
    }
}

/// Reads an array of integers, floats or truth values, in either byte order and either order of the
/// axes. One larger than memory stays where it is if its rows are there in one piece.
///
/// # Errors
///
/// [`Error::Io`] if the system refuses to read, [`Error::File`] if the file is not `.npy`, has
/// another dtype, has no or more than four axes or an axis of length 0, holds fewer or more values
/// than its header declares, or an integer that no `f64` is equal to.
pub(super) fn read(input: Input) -> Result<Npy> {
    let (header, end) = read_header(&input)?;
    let (element, is_bool) = element(&input, &header)?;
    check_axes(&input, &header)?;
    check_size(&input, &header, element, input.length() - end)?;
    let shape = header.shape().iter().map(|&n| n as usize).collect::<Vec<_>>();
    let count = shape.iter().product::<usize>();
    let path = input.path().to_owned();
    let fortran = shape.len() > 1 && header.order() == Order::Fortran;
    let place = |i| if fortran { in_c_order(i, &shape) } else { i };
    let stored = Stored::new(input, end, element, count);
    if let Some((i, whole)) = stored.inexact()? {
        let (i, width) = (place(i), count / shape[0]);
        let message = format!(
            "row {}, column {}: the integer {whole} is beyond 2⁵³, and no 64-bit float is equal to it: \
             store array - array.min(axis=0), or array.astype(\"float64\"), which rounds",
            i / width + 1,
            i % width + 1,
        );
        return Err(Error::file(path, message));
    }
    let values = if fortran {
        // Rows that lie scattered over the file cannot be read one by one.
        let remedy = "store numpy.ascontiguousarray(array), whose rows are read where they are";
        check_memory::<f64>(count, "data", remedy).map_err(|e| in_file(&path, e))?;
        stored.load(place)?
    } else {
        stored.load_if_small()?
    };
    Ok(Npy { shape, values, is_bool })
}

/// Bytes that a header has at most, with everything before the values.
pub(super) const MOST_HEADER: usize = 12 + LONGEST;

/// The limit of the dictionary that `numpy.load` sets, too. One of numbers needs about a hundred bytes.
const LONGEST: usize = 10_000;

/// The lengths of the axes, by the header alone.
///
/// # Errors
///
/// [`Error::Io`] if the system refuses to read, [`Error::File`] if there is no header of `.npy`.
pub(super) fn shape(input: &Input) -> Result<Vec<u64>> {
    Ok(read_header(input)?.0.shape().to_vec())
}

/// How many bytes come before the values, what these are, and the axes, by the header alone.
///
/// # Errors
///
/// As [`read`], and for an array in Fortran's order.
#[cfg(feature = "codec")]
pub(super) fn outline(input: &Input) -> Result<(u64, Element, Vec<usize>)> {
    let (header, end) = read_header(input)?;
    let (element, _) = element(input, &header)?;
    check_axes(input, &header)?;
    check_size(input, &header, element, input.length() - end)?;
    let shape: Vec<usize> = header.shape().iter().map(|&n| n as usize).collect();
    match shape.len() > 1 && header.order() == Order::Fortran {
        true => Err(input.error(
            "its rows lie scattered, in Fortran's order: store numpy.ascontiguousarray(array)",
        )),
        false => Ok((end, element, shape)),
    }
}

/// Where value `i` of an array in Fortran order, whose first index runs fastest, is in C order, where
/// the last one does.
fn in_c_order(mut i: usize, shape: &[usize]) -> usize {
    let (mut place, mut stride) = (0, shape.iter().product::<usize>());
    for n in shape {
        stride /= n;
        place += i % n * stride;
        i /= n;
    }
    place
}

/// Writes an array as version 1.0, little-endian, C order: `f4` or, with `double`, `f8`.
///
/// # Errors
///
/// Those of `out`, and [`io::ErrorKind::InvalidInput`] if there are not as many values as the
/// product of `shape`.
pub fn write(
    out: &mut dyn Write,
    shape: &[usize],
    values: impl ExactSizeIterator<Item = f64>,
    double: bool,
) -> io::Result<()> {
    let count = shape.iter().try_fold(1usize, |count, &n| count.checked_mul(n));
    if count != Some(values.len()) {
        let message = format!("{} values do not fill the shape {shape:?}", values.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let shape = shape.iter().map(|&n| n as u64).collect::<Vec<_>>();
    let dtype = if double { "<f8" } else { "<f4" }.parse::<TypeStr>().map_err(io::Error::other)?;
    let options = WriteOptions::<f64>::new().dtype(DType::new_scalar(dtype)).shape(&shape);
    let mut out = options.writer(BufWriter::new(out)).write_header_only()?;
    for value in values {
        match double {
            true => out.write_all(&value.to_le_bytes())?,
            false => out.write_all(&(value as f32).to_le_bytes())?,
        }
    }
    out.flush()
}

/// Reads everything before the values. Also returns how many bytes that is.
fn read_header(input: &Input) -> Result<(NpyHeader, u64)> {
    let (prefix, text) = header_lengths(input)?;
    let end = (prefix + text) as u64;
    if end > input.length() {
        return Err(cut_off(input));
    }
    let mut header = vec![0; prefix + text];
    input.read_exact_at(&mut header, 0)?;
    // npyz explains over several lines and in terms of its parser, so its words are not passed on.
    let parsed = screen(&header[prefix..])
        .and_then(|()| NpyHeader::from_reader(header.as_slice()).map_err(|_| NOT_PLAIN))
        .map_err(|what| input.error(format!("{what}: store the array again with numpy.save")))?;
    Ok((parsed, end))
}

/// The lengths of the two parts of the header: up to its length field, and the dictionary.
fn header_lengths(input: &Input) -> Result<(usize, usize)> {
    let Some(rest) = input.start().strip_prefix(MAGIC) else {
        let message = format!("not a NumPy array: {}", input::describe(input.start()));
        return Err(input.error(message));
    };
    let (prefix, text) = match *rest {
        [1, 0, a, b, ..] => (10, u16::from_le_bytes([a, b]).into()),
        [2 | 3, 0, a, b, c, d, ..] => (12, u32::from_le_bytes([a, b, c, d]) as usize),
        [] | [_] | [1..=3, 0, ..] => return Err(cut_off(input)),
        [major, minor, ..] => {
            let message = format!(
                "the format's version is {major}.{minor} where 1.0, 2.0 or 3.0 is expected: \
                 store the array again with numpy.save"
            );
            return Err(input.error(message));
        }
    };
    if text > LONGEST {
        let message = format!(
            "the header claims {text} bytes where at most {LONGEST} are expected: \
             the file is damaged, write or fetch it again"
        );
        return Err(input.error(message));
    }
    Ok((prefix, text))
}

/// The error of a file that ends within its header.
fn cut_off(input: &Input) -> Error {
    input.error("the file ends inside its header: it is cut off, write or fetch it again")
}

/// What is wrong with a header that does not look like `numpy.save`'s.
const NOT_PLAIN: &str = "the header is not the plain dictionary that numpy.save writes";

/// What is wrong with a header whose numbers' product overflows.
const TOO_MANY: &str = "the header declares more values than any file holds";

/// Nothing, or what is wrong.
type Screened = std::result::Result<(), &'static str>;

/// Checks that a dictionary is harmless to parse: its brackets are nested no deeper than those of
/// a structured dtype, since parsing time and stack grow with the depth, and the product of its
/// numbers, the shape's among them, does not overflow.
fn screen(text: &[u8]) -> Screened {
    let text = std::str::from_utf8(text).map_err(|_| NOT_PLAIN)?;
    // Without escapes, double quotes and empty strings, every second piece is a quoted one.
    if ["\\", "\"", "''"].iter().any(|odd| text.contains(odd)) {
        return Err(NOT_PLAIN);
    }
    let unquoted = || text.split('\'').step_by(2);
    screen_brackets(unquoted().flat_map(str::chars))?;
    screen_numbers(unquoted().flat_map(|piece| piece.split(|c: char| !c.is_ascii_alphanumeric())))
}

/// Checks the depth of the brackets, and that nothing stands between the words that could make
/// other numbers of them than those one sees, such as a sign.
fn screen_brackets(unquoted: impl Iterator<Item = char>) -> Screened {
    const DEEPEST: usize = 4;
    let mut depth = 0usize;
    for c in unquoted {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ' ' | ',' | ':' | '\n' | '0'..='9' | 'A'..='Z' | 'a'..='z' => {}
            _ => return Err(NOT_PLAIN),
        }
        if depth > DEEPEST {
            return Err(NOT_PLAIN);
        }
    }
    Ok(())
}

/// Checks that the words are decimal numbers, besides `True` and `False`, with a product of 64
/// bits. Zeros do not count, because the product may overflow before it meets one.
fn screen_numbers<'a>(words: impl Iterator<Item = &'a str>) -> Screened {
    let mut product = 1u64;
    for word in words.filter(|word| !matches!(*word, "" | "True" | "False")) {
        if !word.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NOT_PLAIN);
        }
        let number = word.parse::<u64>().map_err(|_| TOO_MANY)?;
        product = product.checked_mul(number.max(1)).ok_or(TOO_MANY)?;
    }
    Ok(())
}

/// Whether an element's first byte is the most significant one.
fn is_big(dtype: &TypeStr) -> bool {
    dtype.endianness() == Endianness::Big
}

/// The type and byte order of the elements, and whether they are truth values.
fn element(input: &Input, header: &NpyHeader) -> Result<(Element, bool)> {
    if header.uses_pickled_array() {
        return Err(input.error(
            "the array holds Python objects, pickled, and loading those could run any code: store \
             array.astype(\"float64\")",
        ));
    }
    let DType::Plain(dtype) = header.dtype() else {
        return Err(input.error(
            "the array has named fields: import numpy.lib.recfunctions, and store \
             numpy.lib.recfunctions.structured_to_unstructured(array)",
        ));
    };
    let kind = match (dtype.type_char(), dtype.size_field()) {
        (TypeChar::Uint, 1) => return Ok((Element::Byte, false)),
        (TypeChar::Bool, 1) => return Ok((Element::Byte, true)),
        (TypeChar::Int, 1) => Kind::I8,
        (TypeChar::Int, 2) => Kind::I16,
        (TypeChar::Int, 4) => Kind::I32,
        (TypeChar::Int, 8) => Kind::I64,
        (TypeChar::Uint, 2) => Kind::U16,
        (TypeChar::Uint, 4) => Kind::U32,
        (TypeChar::Uint, 8) => Kind::U64,
        (TypeChar::Float, 2) => Kind::F16,
        (TypeChar::Float, 4) => Kind::F32,
        (TypeChar::Float, 8) => Kind::F64,
        (other, _) => {
            let remedy = match other {
                TypeChar::Complex => "numpy.abs(array), or array.real",
                TypeChar::DateTime | TypeChar::TimeDelta => {
                    "array.astype(\"int64\").astype(\"float64\")"
                }
                TypeChar::ByteStr | TypeChar::UnicodeStr => {
                    "array.astype(\"float64\") if the words are numbers, else leave them out"
                }
                _ => "array.astype(\"float64\")",
            };
            let message = format!(
                "the dtype is '{dtype}' where an integer, a float or bool is expected: store {remedy}"
            );
            return Err(input.error(message));
        }
    };
    Ok((Element::Number { kind, big_endian: is_big(&dtype) }, false))
}

/// Checks that the axes are one to four, and not empty.
fn check_axes(input: &Input, header: &NpyHeader) -> Result<()> {
    let dims = header.shape();
    let wrong = if dims.is_empty() {
        "the array is a single number where rows are expected: store an array of rows".to_owned()
    } else if dims.len() > 4 {
        let axes = dims.len();
        format!("the array has {axes} axes where 1 to 4 are expected: reshape it to [rows, values]")
    } else if dims.contains(&0) {
        let shape = input::product(dims);
        format!("the array is empty ({shape}): every axis needs a length of 1 or more")
    } else {
        return Ok(());
    };
    Err(input.error(wrong))
}

/// Checks that the shape asks for exactly the `available` bytes, so that memory for it may be taken
/// and its axes fit a `usize`.
fn check_size(input: &Input, header: &NpyHeader, element: Element, available: u64) -> Result<()> {
    let dims = header.shape();
    let bytes = dims.iter().try_fold(element.size(), |bytes, &n| {
        usize::try_from(n).ok().and_then(|n| bytes.checked_mul(n))
    });
    let relation = match bytes.map(|bytes| (bytes as u64).cmp(&available)) {
        Some(Ordering::Equal) => return Ok(()),
        Some(Ordering::Less) => "less",
        Some(Ordering::Greater) | None => "more",
    };
    let message = format!(
        "the header declares {} values of size {}, {relation} than the {available} bytes that \
         follow it: the file is cut off or damaged, write or fetch it again",
        input::product(dims),
        element.size(),
    );
    Err(input.error(message))
}

#[cfg(test)]
mod tests;
