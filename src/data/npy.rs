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
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use npyz::{DType, Endianness, NpyHeader, Order, TypeChar, TypeStr, WriteOptions, WriterBuilder};

use super::Values;
use super::file::{self, Opened};
use crate::error::{Error, Result};

/// The six bytes every file starts with.
const MAGIC: &[u8] = b"\x93NUMPY";

/// An array.
#[derive(Debug, Clone, PartialEq)]
pub struct Npy {
    /// The lengths of the one to four axes, none of them 0; the first one counts the rows.
    pub shape: Vec<usize>,
    /// As many values as the product of `shape`.
    pub values: Values,
    /// A sentence for the user if the values are not exactly those of the file.
    pub note: Option<String>,
}

/// Reads an array of dtype `u1`, `f4` or `f8`, the floats in either byte order.
///
/// # Errors
///
/// [`Error::Io`] if the system refuses to read, [`Error::File`] if the file is not `.npy`, has
/// another dtype, is in Fortran order, has no or more than four axes or an axis of length 0, holds
/// fewer or more values than its header declares, or holds an `f8` too large for an `f4`.
pub fn read(path: &Path) -> Result<Npy> {
    let Opened { file, length, start } = file::open(path)?;
    let mut reader = BufReader::new(file);
    let (header, end) = read_header(path, &mut reader, length, &start)?;
    let (kind, endianness) = element(path, &header)?;
    check_axes(path, &header)?;
    check_size(path, &header, kind, length - end)?;

    let shape = header.shape().iter().map(|&n| n as usize).collect::<Vec<_>>();
    let count = shape.iter().product::<usize>();
    let source = Source { path, reader, count, big_endian: endianness == Endianness::Big };
    let (values, note) = match kind {
        Kind::U1 => (Values::U8(source.bytes()?), None),
        Kind::F4 => (Values::F32(source.singles()?), None),
        Kind::F8 => {
            let note = "the float64 values were rounded to float32".to_owned();
            (Values::F32(source.doubles(count / shape[0])?), Some(note))
        }
    };
    Ok(Npy { shape, values, note })
}

/// Writes an array as version 1.0, little-endian `f4`, C order.
///
/// # Errors
///
/// Those of `out`, and [`io::ErrorKind::InvalidInput`] if there are not as many values as the
/// product of `shape`.
pub fn write(out: &mut dyn Write, shape: &[usize], values: &[f32]) -> io::Result<()> {
    let count = shape.iter().try_fold(1usize, |count, &n| count.checked_mul(n));
    if count != Some(values.len()) {
        let message = format!("{} values do not fill the shape {shape:?}", values.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let shape = shape.iter().map(|&n| n as u64).collect::<Vec<_>>();
    let little_endian = "<f4".parse::<TypeStr>().map_err(io::Error::other)?;
    let mut out = WriteOptions::<f32>::new()
        .dtype(DType::new_scalar(little_endian))
        .shape(&shape)
        .writer(BufWriter::new(out))
        .write_header_only()?;
    for value in values {
        out.write_all(&value.to_le_bytes())?;
    }
    out.flush()
}

/// The dtypes that are read.
#[derive(Debug, Clone, Copy)]
enum Kind {
    U1,
    F4,
    F8,
}

impl Kind {
    /// Bytes of an element.
    fn size(self) -> usize {
        match self {
            Kind::U1 => 1,
            Kind::F4 => 4,
            Kind::F8 => 8,
        }
    }
}

/// Reads everything before the values. Also returns how many bytes that is.
fn read_header(
    path: &Path,
    reader: &mut impl Read,
    length: u64,
    start: &[u8],
) -> Result<(NpyHeader, u64)> {
    let (prefix, text) = header_lengths(path, start)?;
    let end = (prefix + text) as u64;
    if end > length {
        return Err(cut_off(path));
    }
    let mut header = vec![0; prefix + text];
    reader.read_exact(&mut header).map_err(|e| Error::io(path, e))?;
    // npyz explains over several lines and in terms of its parser, so its words are not passed on.
    let parsed = screen(&header[prefix..])
        .and_then(|()| NpyHeader::from_reader(header.as_slice()).map_err(|_| NOT_PLAIN))
        .map_err(|what| {
            Error::file(path, format!("{what}: store the array again with numpy.save"))
        })?;
    Ok((parsed, end))
}

/// The lengths of the two parts of the header: up to its length field, and the dictionary.
fn header_lengths(path: &Path, start: &[u8]) -> Result<(usize, usize)> {
    /// The limit that `numpy.load` sets, too. A header of numbers needs about a hundred bytes.
    const LONGEST: usize = 10_000;
    let Some(rest) = start.strip_prefix(MAGIC) else {
        let message = format!("not a NumPy array: {}", file::describe(start));
        return Err(Error::file(path, message));
    };
    let (prefix, text) = match *rest {
        [1, 0, a, b, ..] => (10, u16::from_le_bytes([a, b]).into()),
        [2 | 3, 0, a, b, c, d, ..] => (12, u32::from_le_bytes([a, b, c, d]) as usize),
        [] | [_] | [1..=3, 0, ..] => return Err(cut_off(path)),
        [major, minor, ..] => {
            let message = format!(
                "the format's version is {major}.{minor} where 1.0, 2.0 or 3.0 is expected: \
                 store the array again with numpy.save"
            );
            return Err(Error::file(path, message));
        }
    };
    if text > LONGEST {
        let message = format!(
            "the header claims {text} bytes where at most {LONGEST} are expected: \
             the file is damaged, write or fetch it again"
        );
        return Err(Error::file(path, message));
    }
    Ok((prefix, text))
}

/// The error of a file that ends within its header.
fn cut_off(path: &Path) -> Error {
    Error::file(path, "the file ends inside its header: it is cut off, write or fetch it again")
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

/// The type and byte order of the elements.
fn element(path: &Path, header: &NpyHeader) -> Result<(Kind, Endianness)> {
    let wrong = match header.dtype() {
        _ if header.uses_pickled_array() => {
            "the array holds Python objects, pickled, and loading those could run any code"
                .to_owned()
        }
        DType::Plain(dtype) => match (dtype.type_char(), dtype.size_field()) {
            (TypeChar::Uint, 1) => return Ok((Kind::U1, dtype.endianness())),
            (TypeChar::Float, 4) => return Ok((Kind::F4, dtype.endianness())),
            (TypeChar::Float, 8) => return Ok((Kind::F8, dtype.endianness())),
            _ => format!("the dtype is '{dtype}' where u1, f4 or f8 is expected"),
        },
        _ => "the dtype has several fields where one is expected, so take one of them".to_owned(),
    };
    Err(Error::file(path, format!("{wrong}: store array.astype(\"float32\")")))
}

/// Checks that the axes are one to four, not empty, and in C order.
fn check_axes(path: &Path, header: &NpyHeader) -> Result<()> {
    let dims = header.shape();
    let wrong = if dims.is_empty() {
        "the array is a single number where rows are expected: store an array of rows".to_owned()
    } else if dims.len() > 4 {
        let axes = dims.len();
        format!("the array has {axes} axes where 1 to 4 are expected: reshape it to [rows, values]")
    } else if dims.contains(&0) {
        let shape = file::product(dims);
        format!("the array is empty ({shape}): every axis needs a length of 1 or more")
    } else if dims.len() > 1 && header.order() == Order::Fortran {
        "the array is in Fortran order where C order is expected: \
         store numpy.ascontiguousarray(array)"
            .to_owned()
    } else {
        return Ok(());
    };
    Err(Error::file(path, wrong))
}

/// Checks that the shape asks for exactly the `available` bytes, so that memory for it may be taken
/// and its axes fit a `usize`.
fn check_size(path: &Path, header: &NpyHeader, kind: Kind, available: u64) -> Result<()> {
    let dims = header.shape();
    let bytes = dims.iter().try_fold(kind.size(), |bytes, &n| {
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
        file::product(dims),
        kind.size(),
    );
    Err(Error::file(path, message))
}

/// The values of a file whose header has been read and checked.
struct Source<'a, R> {
    path: &'a Path,
    reader: R,
    /// How many elements there are.
    count: usize,
    /// Whether an element's first byte is the most significant one.
    big_endian: bool,
}

impl<R: Read> Source<'_, R> {
    /// All elements of dtype `u1`.
    fn bytes(mut self) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.count];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// All elements of dtype `f4`.
    fn singles(self) -> Result<Vec<f32>> {
        self.floats(|_, element| Ok(f32::from_le_bytes(element)))
    }

    /// All elements of dtype `f8`, rounded. `columns` is the number of values in a row.
    fn doubles(self, columns: usize) -> Result<Vec<f32>> {
        let path = self.path;
        self.floats(|i, element| {
            let exact = f64::from_le_bytes(element);
            let rounded = exact as f32;
            if rounded.is_infinite() && exact.is_finite() {
                let (row, column) = (i / columns, i % columns);
                let message = format!(
                    "row {row}, column {column} (from 0) holds {exact:e} where a float32 ends at \
                     3.4e38: scale the data down"
                );
                return Err(Error::file(path, message));
            }
            Ok(rounded)
        })
    }

    /// All elements of `N` bytes, converted from their number and their little-endian bytes.
    fn floats<const N: usize>(
        mut self,
        convert: impl Fn(usize, [u8; N]) -> Result<f32>,
    ) -> Result<Vec<f32>> {
        let mut values = Vec::with_capacity(self.count);
        for i in 0..self.count {
            let mut element = [0; N];
            self.fill(&mut element)?;
            if self.big_endian {
                element.reverse();
            }
            values.push(convert(i, element)?);
        }
        Ok(values)
    }

    /// Reads the next bytes.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.reader.read_exact(bytes).map_err(|e| Error::io(self.path, e))
    }
}

#[cfg(test)]
mod tests;
