//! Where data comes from.

use super::digits::{self, SIDE};
#[cfg(feature = "cli")]
use super::npy;
use super::{Dataset, ImageShape, Values, file, idx};
use crate::error::{Error, Result};
use crate::family::Spec;
use crate::rng::{Address, Purpose};
use rand::RngExt;
use std::path::Path;

/// Training items of `digits` unless its spec says otherwise; one fifth as many are its test part.
const DIGITS: usize = 20_000;

/// A dataset, with its own test part if it has one.
pub struct Source {
    /// The rows to learn from.
    pub train: Dataset,
    /// The rows to judge by, where the data itself says which.
    pub test: Option<Dataset>,
    /// What the reader has to tell the user, if anything.
    pub note: Option<String>,
}

impl Source {
    /// Opens data by what the user wrote: `digits` (or `digits:count=N,seed=S`), a folder with the
    /// four MNIST files, or one IDX or NPY file. A file that is called `digits` is `./digits`.
    ///
    /// # Errors
    /// If there is no such file, or it does not hold what its format says.
    pub fn open(name: &str) -> Result<Self> {
        if Source::is_embedded(name) {
            return Source::digits(&name.parse()?);
        }
        let path = Path::new(name);
        if path.is_dir() {
            return Source::from_mnist(path);
        }
        let start = match file::open(path) {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                let message = format!("{source}: name a file, a folder, or the embedded `digits`");
                return Err(Error::file(path, message));
            }
            opened => opened?.start,
        };
        if start.starts_with(b"\x93NUMPY") {
            return Source::from_npy(path);
        }
        let (data, note) = (dataset(path, idx::read(path)?)?, None);
        Ok(Source { train: data, test: None, note })
    }

    /// Whether this names data that needs no file.
    pub fn is_embedded(name: &str) -> bool {
        name == "digits" || name.starts_with("digits:")
    }

    /// The embedded digits. Item i is a pure function of (seed, i); the test items follow the
    /// training items.
    fn digits(spec: &Spec) -> Result<Self> {
        spec.only(&["count", "seed"])?;
        let whole = |key: &str, default: f64, smallest: f64, largest: f64| match spec
            .number(key)?
            .unwrap_or(default)
        {
            v if v.fract() == 0.0 && (smallest..=largest).contains(&v) => Ok(v),
            _ => {
                let message = format!("must be a whole number from {smallest} to {largest}");
                Err(Error::setting(format!("digits:{key}"), message))
            }
        };
        let count = whole("count", DIGITS as f64, 5.0, 1e6)? as usize;
        let seed = whole("seed", 0.0, 0.0, 9e15)? as u64;
        let items = |range: std::ops::Range<usize>| {
            let mut pixels = vec![0; range.len() * SIDE * SIDE];
            let mut labels = Vec::with_capacity(range.len());
            for (image, i) in pixels.chunks_exact_mut(SIDE * SIDE).zip(range) {
                let mut rng = Address::new(seed, Purpose::Digits).row(i as u64).rng();
                let label = rng.random_range(0..10u8);
                digits::draw(image, label, &mut rng);
                labels.push(label);
            }
            let image = ImageShape { height: SIDE, width: SIDE, channels: 1 };
            Dataset::new(Values::U8(pixels), SIDE * SIDE)?.with_image(image)?.with_labels(labels)
        };
        Ok(Source {
            train: items(0..count)?,
            test: Some(items(count..count + count / 5)?),
            note: None,
        })
    }

    /// The four MNIST files (or files of that format) in a folder.
    fn from_mnist(folder: &Path) -> Result<Self> {
        if !idx::is_mnist_dir(folder) {
            let message = "this folder does not hold the MNIST files (train-images-idx3-ubyte and so on, plain or \
                           .gz); name a folder that does, or one IDX or NPY file";
            return Err(Error::file(folder, message));
        }
        let mnist = idx::read_mnist(folder)?;
        let part = |images, labels: Option<idx::Idx>| -> Result<Dataset> {
            let data = dataset(folder, images)?;
            labels.map_or(Ok(data.clone()), |labels| data.with_labels(labels.bytes))
        };
        Ok(Source {
            train: part(mnist.train_images, mnist.train_labels)?,
            test: Some(part(mnist.test_images, mnist.test_labels)?),
            note: None,
        })
    }

    #[cfg(feature = "cli")]
    fn from_npy(path: &Path) -> Result<Self> {
        let npy = npy::read(path)?;
        let data = shaped(path, npy.values, &npy.shape)?;
        let bytes = matches!(data.values(), Values::U8(_));
        let note =
            bytes.then(|| "bytes are read as 0 … 1: every value is divided by 255".to_owned());
        Ok(Source { train: data, test: None, note: npy.note.or(note) })
    }

    #[cfg(not(feature = "cli"))]
    fn from_npy(path: &Path) -> Result<Self> {
        Err(Error::file(path, "this is a NumPy array; reading it takes the feature `cli`"))
    }
}

fn dataset(path: &Path, idx: idx::Idx) -> Result<Dataset> {
    shaped(path, Values::U8(idx.bytes), &idx.dims)
}

/// Rows of the first axis; two or three more axes are an image.
fn shaped(path: &Path, values: Values, shape: &[usize]) -> Result<Dataset> {
    let width = shape[1..].iter().product();
    // The message names row and column; the file is worth naming too.
    let in_file = |e: Error| Error::file(path, e.to_string());
    let data = Dataset::new(values, width).map_err(in_file)?;
    match *shape {
        [_, height, width] => data.with_image(ImageShape { height, width, channels: 1 }),
        [_, height, width, channels @ (1 | 3)] => {
            data.with_image(ImageShape { height, width, channels })
        }
        _ => Ok(data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_pure_functions_of_seed_and_index() {
        let open = |name: &str| Source::open(name).unwrap();
        let (few, more, other) =
            (open("digits:count=10"), open("digits:count=20"), open("digits:count=10,seed=1"));
        let Values::U8(few_pixels) = few.train.values() else { panic!("digits are bytes") };
        let Values::U8(more_pixels) = more.train.values() else { panic!("digits are bytes") };
        assert_eq!(few_pixels[..], more_pixels[..10 * 784]);
        assert_ne!(few.train.values(), other.train.values());
        assert_eq!(few.test.unwrap().rows(), 2);
    }

    #[test]
    fn bad_names_say_what_is_accepted() {
        for (name, part) in [
            ("digits:count=1", "from 5 to"),
            ("digits:count=2.5", "whole number"),
            ("digits:size=3", "count, seed"),
            ("no/such/file", "No such file"),
        ] {
            let message = Source::open(name).err().expect(name).to_string();
            assert!(message.contains(part), "{name}: {message}");
        }
    }
}
