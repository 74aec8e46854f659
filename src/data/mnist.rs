//! A folder with the four files of MNIST, or of a data set in the same form (Fashion-MNIST, KMNIST, …).
//!
//! The images are `train-images-idx3-ubyte` and `t10k-images-idx3-ubyte`, the labels
//! `train-labels-idx1-ubyte` and `t10k-labels-idx1-ubyte`, each of them also with a dot before
//! `idx`, and also with `.gz` at the end. The labels may be missing.

use std::path::{Path, PathBuf};

use super::idx::{self, Idx};
use super::input::{self, Input};
use super::reader::{Location, Reader, Source, shaped};
use super::{Dataset, Labels, Values};
use crate::error::{Error, Result};

pub(super) fn reader() -> Reader {
    Reader {
        name: "MNIST",
        summary: "a folder with MNIST's IDX files, which have a test part and labels",
        options: &[],
        // One of the two image files will do: the reader then says which one is missing.
        recognises: |location| match location {
            Location::Folder(dir) => {
                ["train", "t10k"].iter().any(|part| find(dir, part, "images", 3).is_some())
            }
            _ => false,
        },
        read: |location, _| {
            let Location::Folder(dir) = location else { unreachable!("it was recognised") };
            read(&dir)
        },
    }
}

/// Reads both parts.
///
/// # Errors
///
/// Those of [`idx::read`], and [`Error::File`] if an image file is missing, if training and test
/// images differ in size, or if there are not as many labels as images.
fn read(dir: &Path) -> Result<Source> {
    let (train_path, train_images) = read_images(dir, "train")?;
    let (test_path, test_images) = read_images(dir, "t10k")?;
    let (train_size, test_size) = (&train_images.dims[1..], &test_images.dims[1..]);
    if train_size != test_size {
        let message = format!(
            "the images are {} pixels where those of {} are {}: use files of the same data set",
            input::product(test_size),
            train_path.display(),
            input::product(train_size),
        );
        return Err(Error::file(test_path, message));
    }
    let train_labels = read_labels(dir, "train", train_images.dims[0])?;
    let test_labels = read_labels(dir, "t10k", test_images.dims[0])?;
    let part = |path: &Path, images: Idx, labels: Option<Labels>| -> Result<Dataset> {
        let data = shaped(path, images.values, &images.dims)?;
        match labels {
            Some(labels) => data.with_labels(labels),
            None => Ok(data),
        }
    };
    Ok(Source {
        train: part(&train_path, train_images, train_labels)?,
        test: Some(part(&test_path, test_images, test_labels)?),
        notes: Vec::new(),
    })
}

/// Reads the images of one part, `train` or `t10k`, as an array with three axes.
fn read_images(dir: &Path, part: &str) -> Result<(PathBuf, Idx)> {
    let Some(path) = find(dir, part, "images", 3) else {
        let message = format!(
            "there is no {part}-images-idx3-ubyte (or .gz) in this folder: \
             put MNIST's files there, or name another folder"
        );
        return Err(Error::file(dir, message));
    };
    let images = idx::read(Input::open(&path)?)?;
    expect_axes(&path, &images, 3)?;
    Ok((path, images))
}

/// Reads the labels of one part, `train` or `t10k`, if there are any.
fn read_labels(dir: &Path, part: &str, images: usize) -> Result<Option<Labels>> {
    let Some(path) = find(dir, part, "labels", 1) else {
        return Ok(None);
    };
    let labels = idx::read(Input::open(&path)?)?;
    expect_axes(&path, &labels, 1)?;
    if labels.dims[0] != images {
        let message = format!(
            "there are {} labels for {images} images: use files of the same data set",
            labels.dims[0]
        );
        return Err(Error::file(path, message));
    }
    let Values::U8(bytes) = labels.values else {
        return Err(Error::file(path, "these are too many labels to keep in memory"));
    };
    Ok(Some(Labels::from_bytes(&bytes)))
}

/// Checks the number of axes.
fn expect_axes(path: &Path, idx: &Idx, expected: usize) -> Result<()> {
    let axes = idx.dims.len();
    if axes == expected {
        return Ok(());
    }
    let message = format!(
        "the array has {axes} axes where its name promises {expected}: \
         the file is misnamed, fetch it again"
    );
    Err(Error::file(path, message))
}

/// The first of the names in use that exists.
fn find(dir: &Path, part: &str, content: &str, axes: usize) -> Option<PathBuf> {
    ["-", "."]
        .iter()
        .flat_map(|dot| ["", ".gz"].map(|end| format!("{part}-{content}{dot}idx{axes}-ubyte{end}")))
        .map(|name| dir.join(name))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::input::testing::assert_refused;
    use super::super::testing::all;
    use super::*;

    /// An IDX file with these axes and as many different values as they ask for.
    fn filled(dims: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, dims.len() as u8];
        bytes.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
        bytes.extend((0..dims.iter().product::<u32>()).map(|i| i as u8));
        bytes
    }

    /// Writes the two image files, and the labels if there are any, under their usual names.
    fn mnist(train: &[u32], test: &[u32], labels: &[(&str, u32)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let put =
            |name: &str, dims: &[u32]| fs::write(dir.path().join(name), filled(dims)).unwrap();
        put("train-images-idx3-ubyte", train);
        put("t10k-images.idx3-ubyte", test);
        for &(name, count) in labels {
            put(name, &[count]);
        }
        dir
    }

    fn recognised(dir: &Path) -> bool {
        (reader().recognises)(&Location::Folder(dir.to_owned()))
    }

    #[test]
    fn a_folder_of_mnist_is_read() {
        let dir = mnist(&[3, 2, 2], &[2, 2, 2], &[("train-labels.idx1-ubyte", 3)]);
        assert!(recognised(dir.path()));
        let source = read(dir.path()).unwrap();
        let test = source.test.unwrap();
        assert_eq!((source.train.rows(), test.rows(), test.width()), (3, 2, 4));
        assert_eq!(all::<f64>(&test)[7], 7.0 / 255.0);
        let labels = source.train.labels().unwrap();
        assert_eq!([0, 1, 2].map(|row| labels.index(row)), [0, 1, 2]);
        assert!(test.labels().is_none());
    }

    #[test]
    fn folders_that_do_not_fit_together_are_refused() {
        let label = "t10k-labels-idx1-ubyte";
        let table = [
            (mnist(&[3, 2, 2], &[2, 2, 3], &[]), "2 × 3 pixels"),
            (mnist(&[3, 4], &[2, 4, 1], &[]), "2 axes where its name promises 3"),
            (mnist(&[3, 2, 2], &[2, 2, 2], &[(label, 3)]), "3 labels for 2 images"),
        ];
        for (dir, expected) in table {
            assert_refused(read(dir.path()), expected);
        }
    }

    #[test]
    fn a_missing_part_is_named() {
        let dir = mnist(&[3, 2, 2], &[2, 2, 2], &[]);
        fs::remove_file(dir.path().join("t10k-images.idx3-ubyte")).unwrap();
        assert!(recognised(dir.path()));
        assert_refused(read(dir.path()), "no t10k-images-idx3-ubyte");
        fs::remove_file(dir.path().join("train-images-idx3-ubyte")).unwrap();
        assert!(!recognised(dir.path()));
        assert_refused(read(dir.path()), "no train-images-idx3-ubyte");
    }
}
