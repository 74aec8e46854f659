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

use super::Values;
use super::input::{self, Input};
use super::reader::{Location, Reader, Source, shaped};
use super::values::{Element, Stored};
use crate::error::{Error, Result};

/// The six bytes every file starts with.
const MAGIC: &[u8] = b"\x93NUMPY";

/// An array.
#[derive(Debug)]
pub(super) struct Npy {
    /// The lengths of the one to four axes, none of them 0; the first one counts the rows.
    pub(super) shape: Vec<usize>,
    /// As many values as the product of `shape`.
    pub(super) values: Values,
}

pub(super) fn reader() -> Reader {
    Reader {
        name: "NPY",
        summary: "one array of u1 (as 0 … 1), f4 or f8; the first axis counts the rows, two more are images",
        options: &[],
        recognises: |location| match location {
            Location::File(input) => input.start().starts_with(b"\x93NUM"),
            _ => false,
        },
        read: |location, _| {
            let Location::File(input) = location else { unreachable!("it was recognised") };
            let path = input.path().to_owned();
            let npy = read(input)?;
            let train = shaped(&path, npy.values, &npy.shape)?;
            let note = "bytes are read as 0 … 1: every value is divided by 255";
            let note = train.values().are_bytes().then(|| note.to_owned());
            Ok(Source { train, test: None, notes: note.into_iter().collect() })
        },
    }
}

/// Reads an array of dtype `u1`, `f4` or `f8`, the floats in either byte order. One larger than
/// memory stays where it is.
///
/// # Errors
///
/// [`Error::Io`] if the system refuses to read, [`Error::File`] if the file is not `.npy`, has
/// another dtype, is in Fortran order, has no or more than four axes or an axis of length 0, or
/// holds fewer or more values than its header declares.
pub(super) fn read(input: Input) -> Result<Npy> {
    let (header, end) = read_header(&input)?;
    let element = element(&input, &header)?;
    check_axes(&input, &header)?;
    check_size(&input, &header, element, input.length() - end)?;
    let shape = header.shape().iter().map(|&n| n as usize).collect::<Vec<_>>();
    let count = shape.iter().product::<usize>();
    Ok(Npy { shape, values: Stored::new(input, end, element, count).load_if_small()? })
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
    /// The limit that `numpy.load` sets, too. A header of numbers needs about a hundred bytes.
    const LONGEST: usize = 10_000;
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

/// The type and byte order of the elements.
fn element(input: &Input, header: &NpyHeader) -> Result<Element> {
    let wrong = match header.dtype() {
        _ if header.uses_pickled_array() => {
            "the array holds Python objects, pickled, and loading those could run any code"
                .to_owned()
        }
        DType::Plain(dtype) => match (dtype.type_char(), dtype.size_field()) {
            (TypeChar::Uint, 1) => return Ok(Element::U8),
            (TypeChar::Float, 4) => return Ok(Element::F32 { big_endian: is_big(&dtype) }),
            (TypeChar::Float, 8) => return Ok(Element::F64 { big_endian: is_big(&dtype) }),
            _ => format!("the dtype is '{dtype}' where u1, f4 or f8 is expected"),
        },
        _ => "the dtype has several fields where one is expected, so take one of them".to_owned(),
    };
    Err(input.error(format!("{wrong}: store array.astype(\"float32\")")))
}

/// Checks that the axes are one to four, not empty, and in C order.
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
    } else if dims.len() > 1 && header.order() == Order::Fortran {
        "the array is in Fortran order where C order is expected: \
         store numpy.ascontiguousarray(array)"
            .to_owned()
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
