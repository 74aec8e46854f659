//! NumPy's `.npz` format: a zip archive of `.npy` files, one for each array.
//!
//! The crate `rawzip` reads the archive's directory; the arrays in it are [`npy`]'s to read. They are
//! stored as they are (`numpy.savez`) or deflated (`numpy.savez_compressed`), and are unpacked into
//! memory one at a time.

use std::io::{self, BufReader, Read};
use std::path::PathBuf;

use rawzip::{CompressionMethod, ReaderAt, ZipArchive, ZipArchiveEntryWayfinder, ZipLocator};

use super::Labels;
use super::input::{Input, product};
use super::labels::MOST_LABELS;
use super::npy;
use super::reader::{Location, ReadOptions, Reader, Source, in_file};
use crate::error::{Error, Result, check_memory};

/// Deflate spends at least two bits on a repetition of at most 258 bytes.
const GREATEST_EXPANSION: u64 = 1032;

/// How classes by name become numbers.
const AS_NUMBERS: &str = "such as numpy.unique(array, return_inverse=True)[1]";

/// Arrays that are looked at. Data sets have a few.
const MOST_ARRAYS: usize = 1000;

pub(super) fn reader() -> Reader {
    Reader {
        name: "NPZ",
        summary: "an archive of arrays as NPY, stored or deflated: the only one, or that named by `FILE:NAME`; another may be the labels",
        options: &["label", "condition"],
        recognises: |location| match location {
            // Without the third byte, this would be any table whose first column is called PK.
            Location::File(input) | Location::Member(input, _) => {
                [&b"PK\x03\x04"[..], b"PK\x05\x06"].iter().any(|m| input.start().starts_with(m))
            }
            _ => false,
        },
        read: |location, options| match location {
            Location::File(input) => read(&input, None, options),
            Location::Member(input, name) => read(&input, Some(&name), options),
            _ => unreachable!("it was recognised"),
        },
    }
}

/// Reads the array that is named, or the only one besides the labels.
///
/// # Errors
///
/// Those of [`npy::dataset`], and [`Error::File`] if the archive is damaged or packed in another way,
/// has no such array, or several and none is named, or if the labels are not one number for each row.
fn read(input: &Input, name: Option<&str>, options: &ReadOptions) -> Result<Source> {
    let archive = Archive::open(input)?;
    let model = options.expected.as_ref().and_then(|model| model.label.as_deref());
    let labels = match (options.label.as_deref(), model) {
        (Some(label), _) => Some(archive.find(label)?),
        (None, Some(label)) => archive.arrays.iter().find(|array| array.name == label),
        (None, None) => None,
    };
    let expected = options.expected.as_ref().map(|model| &model.classes[..]);
    let given = options.classes.as_deref().or(expected).unwrap_or_default();
    let given = given.iter().map(|name| archive.find(name)).collect::<Result<Vec<_>>>()?;
    let is_beside = |a: &Array| labels.into_iter().chain(given.clone()).any(|l| l.name == a.name);
    let others = || archive.arrays.iter().filter(|a| !is_beside(a));
    let array = match name {
        Some(name) => archive.find(name)?,
        None => match (others().next(), others().nth(1)) {
            (Some(only), None) => only,
            (None, _) => {
                let wrong = "the only array is named as the labels or a condition: leave these out";
                return Err(input.error(wrong));
            }
            (Some(first), _) => {
                let example = archive.arrays.iter().find(|a| archive.has_rows(a)).unwrap_or(first);
                let label = archive.label_of(example).map_or(String::new(), |label| {
                    format!(", and with --label {} as its labels", label.name)
                });
                return Err(input.error(format!(
                    "the archive has several arrays ({}): name one, as in --data {}:{}{label}",
                    archive.list(),
                    input.path().display(),
                    example.name
                )));
            }
        },
    };
    let mut train = npy::dataset(archive.unpack(array)?)?;
    // Of a model's further data nobody need be told what else is there.
    let label =
        if labels.is_none() && options.expected.is_none() { archive.label_of(array) } else { None };
    let notes = label.map(|label| {
        let (array, label) = (&array.name, &label.name);
        format!(
            "`{array}` is read; `{label}` has a number for each of its rows: --label {label} makes it their label"
        )
    });
    if let Some(array) = labels {
        let labels = archive.labels(array, train.rows())?.of_column(array.name.clone());
        train = train.with_labels(labels).map_err(|e| in_file(input.path(), e))?;
    }
    let given = given.into_iter().map(|array| {
        let texts = archive.texts(array, train.rows(), "with --condition")?;
        Ok(Labels::new(texts.iter()).of_column(array.name.clone()))
    });
    let given = given.collect::<Result<_>>()?;
    train = train.with_classes(given).map_err(|e| in_file(input.path(), e))?;
    Ok(Source { train, test: None, notes: notes.into_iter().collect() })
}

/// An array of an archive.
struct Array {
    name: String,
    method: CompressionMethod,
    place: ZipArchiveEntryWayfinder,
}

struct Archive<'a> {
    input: &'a Input,
    zip: ZipArchive<At<'a>>,
    arrays: Vec<Array>,
}

/// An input as `rawzip` wants to read it.
struct At<'a>(&'a Input);

impl ReaderAt for At<'_> {
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = self.0.length().saturating_sub(offset);
        let n = out.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.0.read_exact_at(&mut out[..n], offset).map_err(io::Error::other)?;
        Ok(n)
    }
}

impl<'a> Archive<'a> {
    /// Finds all arrays.
    fn open(input: &'a Input) -> Result<Self> {
        let damaged = |what: &dyn std::fmt::Display| {
            let what = what.to_string().to_lowercase();
            input.error(format!(
                "this is a zip archive, but damaged ({what}): write or fetch it again"
            ))
        };
        let mut buffer = vec![0; rawzip::RECOMMENDED_BUFFER_SIZE];
        let zip = ZipLocator::new()
            .locate_in_reader(At(input), &mut buffer, input.length())
            .map_err(|(_, e)| damaged(&e))?;
        let mut arrays = Vec::new();
        let mut entries = zip.entries(&mut buffer);
        while let Some(entry) = entries.next_entry().map_err(|e| damaged(&e))? {
            let path = entry.file_path();
            let Ok(path) = std::str::from_utf8(path.as_bytes()) else { continue };
            let Some(name) = path.strip_suffix(".npy") else { continue };
            if arrays.len() == MOST_ARRAYS {
                let message = format!(
                    "the archive has more than {MOST_ARRAYS} arrays: store those that are rows of \
                     data with numpy.savez"
                );
                return Err(input.error(message));
            }
            let (name, method) = (name.to_owned(), entry.compression_method());
            arrays.push(Array { name, method, place: entry.wayfinder() });
        }
        if arrays.is_empty() {
            return Err(input.error(
                "the zip archive (.npz, .pt, .zip) holds no arrays of NumPy's: load it in Python and \
                 store one array with numpy.save, or unpack it",
            ));
        }
        Ok(Archive { input, zip, arrays })
    }

    /// The array of this name, with or without `.npy`.
    fn find(&self, name: &str) -> Result<&Array> {
        let is = |array: &&Array| array.name == name.strip_suffix(".npy").unwrap_or(name);
        self.arrays.iter().find(is).ok_or_else(|| {
            self.input.error(format!("there is no array `{name}`: there are {}", self.list()))
        })
    }

    /// Names and shapes of the arrays for a message, the first ones of many.
    fn list(&self) -> String {
        const MOST: usize = 8;
        let mut list = self.arrays.iter().take(MOST).map(|a| self.describe(a)).collect::<Vec<_>>();
        list.extend((self.arrays.len() > MOST).then(|| "…".to_owned()));
        list.join(", ")
    }

    /// The name and, if its header can be read, the shape of an array.
    fn describe(&self, array: &Array) -> String {
        match self.shape(array) {
            Some(shape) => format!("{} [{}]", array.name, product(&shape)),
            None => array.name.clone(),
        }
    }

    /// The shape of an array, if its header can be read.
    fn shape(&self, array: &Array) -> Option<Vec<u64>> {
        let bytes = self.bytes(array, npy::MOST_HEADER as u64).ok()?;
        npy::shape(&Input::memory(self.input.path(), bytes).ok()?).ok()
    }

    /// Whether an array looks like rows of several values.
    fn has_rows(&self, array: &Array) -> bool {
        self.shape(array).is_some_and(|shape| shape.len() > 1 && shape[1..] != [1])
    }

    /// The first array that looks like the labels of another: one number for each of its rows.
    fn label_of(&self, rows: &Array) -> Option<&Array> {
        let count = *self.shape(rows)?.first()?;
        let is_label = |a: &&Array| {
            a.name != rows.name
                && matches!(self.shape(a).as_deref(), Some([n] | [n, 1]) if *n == count)
        };
        self.arrays.iter().find(is_label)
    }

    /// What an array is called: `FILE:NAME`.
    fn path(&self, array: &Array) -> PathBuf {
        let mut path = self.input.path().as_os_str().to_owned();
        path.push(format!(":{}", array.name));
        PathBuf::from(path)
    }

    /// The `.npy` file of an array.
    fn unpack(&self, array: &Array) -> Result<Input> {
        let path = self.path(array);
        let bytes = self.bytes(array, u64::MAX).map_err(|e| in_file(&path, e))?;
        Input::memory(&path, bytes)
    }

    /// The first `most` bytes of an array's file; of all of them, the checksum holds.
    fn bytes(&self, array: &Array, most: u64) -> Result<Vec<u8>> {
        let wrong = |what: String| {
            self.input.error(format!("the array `{}` {what}: write or fetch it again", array.name))
        };
        let (packed, claimed) =
            (array.place.compressed_size_hint(), array.place.uncompressed_size_hint());
        let expansion = match array.method {
            CompressionMethod::STORE => 1,
            CompressionMethod::DEFLATE => GREATEST_EXPANSION,
            _ => {
                return Err(self.input.error(format!(
                    "the array `{}` is neither stored nor deflated: store it again with numpy.savez",
                    array.name
                )));
            }
        };
        // What the directory claims is compared with the file before memory is taken for it.
        if packed > self.input.length() || claimed > packed.saturating_mul(expansion) {
            return Err(wrong(format!("is {claimed} bytes, which the file does not hold")));
        }
        let remedy = "store the array with numpy.save, which is read where it lies";
        let size = usize::try_from(claimed).unwrap_or(usize::MAX);
        check_memory::<u8>(size, "data", remedy)?;
        let broken = |e: &dyn std::fmt::Display| {
            wrong(format!("cannot be unpacked ({})", e.to_string().to_lowercase()))
        };
        let entry = self.zip.get_entry(array.place).map_err(|e| broken(&e))?;
        let raw = BufReader::new(entry.reader());
        let mut unpacked: Box<dyn Read + '_> = match array.method {
            CompressionMethod::STORE => Box::new(raw),
            _ => Box::new(flate2::bufread::DeflateDecoder::new(raw)),
        };
        let mut bytes = Vec::with_capacity(claimed.min(packed).min(most) as usize);
        if claimed > most {
            unpacked.take(most).read_to_end(&mut bytes).map_err(|e| broken(&e))?;
            return Ok(bytes);
        }
        // One byte more than is claimed is asked for, so that what should not be there shows up.
        let mut verified = entry.verifying_reader(&mut unpacked).take(claimed + 1);
        verified.read_to_end(&mut bytes).map_err(|e| broken(&e))?;
        Ok(bytes)
    }

    /// An array as labels of so many rows.
    fn labels(&self, array: &Array, rows: usize) -> Result<Labels> {
        let texts = self.texts(array, rows, "with --label")?;
        let wrong = |what: String| {
            let remedy = "name an array of one whole number for each row with --label";
            Error::file(self.path(array), format!("{what}: {remedy}, {AS_NUMBERS}"))
        };
        if let Some(odd) = texts.iter().find(|text| text.contains('.')) {
            return Err(wrong(format!("the label {odd} is not a whole number")));
        }
        let labels = Labels::new(texts.iter());
        match labels.names().len() <= MOST_LABELS {
            true => Ok(labels),
            false => Err(wrong(format!("{MOST_LABELS} labels are not enough"))),
        }
    }

    /// What stands in an array of one number for each of so many rows.
    fn texts(&self, array: &Array, rows: usize, flag: &str) -> Result<Vec<String>> {
        let input = self.unpack(array)?;
        let path = input.path().to_owned();
        let remedy = format!("name an array of one number for each row {flag}");
        let wrong = |what: String| Error::file(&path, format!("{what}: {remedy}, {AS_NUMBERS}"));
        let npy = npy::read(input).map_err(|e| match e {
            Error::File { message, .. } => wrong(format!("these are no numbers ({message})")),
            other => other,
        })?;
        let count = npy.shape.iter().product::<usize>();
        if npy.shape[0] != rows || count != rows {
            let shape = product(&npy.shape);
            return Err(wrong(format!(
                "an array of {shape} is not one value for each of {rows} rows"
            )));
        }
        // Adding 0 makes 0 of −0.
        Ok(npy.values.numbers()?.iter().map(|v| (v + 0.0).to_string()).collect())
    }
}

#[cfg(test)]
mod tests;
