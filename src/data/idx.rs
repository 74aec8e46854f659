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
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::file::{self, Opened};
use crate::error::{Error, Result};

/// An array of unsigned bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idx {
    /// The lengths of the one to four axes, none of them 0: `[60000, 28, 28]`.
    pub dims: Vec<usize>,
    /// The values in C order, as many as the product of `dims`.
    pub bytes: Vec<u8>,
}

/// Reads an IDX file of unsigned bytes, plain or gzip.
///
/// # Errors
///
/// [`Error::Io`] if the system refuses to read, [`Error::File`] if the file is not IDX, holds
/// another type than unsigned bytes, has no or more than four axes or an axis of length 0, or if
/// it holds fewer or more values than its header declares.
pub fn read(path: &Path) -> Result<Idx> {
    let opened = file::open(path)?;
    if opened.start.starts_with(file::GZIP) {
        return read_gzip(path, opened);
    }
    parse(path, BufReader::new(opened.file), opened.length, 1)
}

/// Reads a gzip file, all of its members.
#[cfg(feature = "cli")]
fn read_gzip(path: &Path, opened: Opened) -> Result<Idx> {
    /// Deflate spends at least two bits on a repetition of at most 258 bytes.
    const GREATEST_EXPANSION: u64 = 1032;
    let unpacked = flate2::read::MultiGzDecoder::new(opened.file);
    parse(path, unpacked, opened.length, GREATEST_EXPANSION)
}

/// Says what is missing.
#[cfg(not(feature = "cli"))]
fn read_gzip(path: &Path, _: Opened) -> Result<Idx> {
    let message = "this is a gzip file, which only a build with the feature `cli` reads: \
                   unpack it with gunzip, or enable the feature";
    Err(Error::file(path, message))
}

/// Reads the header and then exactly as many values as it declares.
///
/// `length` is the file's length on disk, of which every byte may become up to `expansion` bytes.
/// What the header declares is compared with that before any memory is taken, and even then the
/// buffer starts at no more than `length` and grows only as bytes really arrive.
fn parse(path: &Path, mut reader: impl Read, length: u64, expansion: u64) -> Result<Idx> {
    let dims = read_dims(path, &mut reader)?;
    // At most four lengths below 2³²: the product cannot overflow 128 bits.
    let declared = dims.iter().map(|&d| u128::from(d)).product::<u128>();
    let header = 4 + 4 * dims.len() as u128;
    let damaged = |how| {
        let dims = file::product(&dims);
        let message = format!(
            "the header declares {dims} = {declared} bytes of data, but {how}: \
             the file is cut off or damaged, fetch it again"
        );
        Err(Error::file(path, message))
    };
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
    Ok(Idx { dims: dims.iter().map(|&d| d as usize).collect(), bytes })
}

/// Reads the magic number and the lengths of the axes.
fn read_dims(path: &Path, reader: &mut impl Read) -> Result<Vec<u32>> {
    let fail = |message: String| Err(Error::file(path, message));
    let magic: [u8; 4] = read_array(path, reader)?;
    let [0, 0, kind, axes] = magic else {
        return fail(format!("not an IDX file: {}", file::describe(&magic)));
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
        let dims = file::product(&dims);
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

/// The four files of MNIST, or of a data set in the same form (Fashion-MNIST, KMNIST, …).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mnist {
    /// Training images, `[N, height, width]`.
    pub train_images: Idx,
    /// Training labels, `[N]`.
    pub train_labels: Option<Idx>,
    /// Test images, `[M, height, width]`.
    pub test_images: Idx,
    /// Test labels, `[M]`.
    pub test_labels: Option<Idx>,
}

/// Whether a folder holds at least one of MNIST's two image files, so that [`read_mnist`] is the
/// one to read it, or to say which file is missing.
pub fn is_mnist_dir(dir: &Path) -> bool {
    ["train", "t10k"].iter().any(|part| find(dir, part, "images", 3).is_some())
}

/// Reads a folder of MNIST's files.
///
/// The images are `train-images-idx3-ubyte` and `t10k-images-idx3-ubyte`, the labels
/// `train-labels-idx1-ubyte` and `t10k-labels-idx1-ubyte`, each of them also with a dot before
/// `idx`, and also with `.gz` at the end. The labels may be missing.
///
/// # Errors
///
/// Those of [`read`], and [`Error::File`] if an image file is missing, if training and test images
/// differ in size, or if there are not as many labels as images.
pub fn read_mnist(dir: &Path) -> Result<Mnist> {
    let (train_path, train_images) = read_images(dir, "train")?;
    let (test_path, test_images) = read_images(dir, "t10k")?;
    let (train_size, test_size) = (&train_images.dims[1..], &test_images.dims[1..]);
    if train_size != test_size {
        let message = format!(
            "the images are {} pixels where those of {} are {}: use files of the same data set",
            file::product(test_size),
            train_path.display(),
            file::product(train_size),
        );
        return Err(Error::file(test_path, message));
    }
    let train_labels = read_labels(dir, "train", train_images.dims[0])?;
    let test_labels = read_labels(dir, "t10k", test_images.dims[0])?;
    Ok(Mnist { train_images, train_labels, test_images, test_labels })
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
    let images = read(&path)?;
    expect_axes(&path, &images, 3)?;
    Ok((path, images))
}

/// Reads the labels of one part, `train` or `t10k`, if there are any.
fn read_labels(dir: &Path, part: &str, images: usize) -> Result<Option<Idx>> {
    let Some(path) = find(dir, part, "labels", 1) else {
        return Ok(None);
    };
    let labels = read(&path)?;
    expect_axes(&path, &labels, 1)?;
    if labels.dims[0] != images {
        let message = format!(
            "there are {} labels for {images} images: use files of the same data set",
            labels.dims[0]
        );
        return Err(Error::file(path, message));
    }
    Ok(Some(labels))
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

    use super::super::file::testing::{assert_refused, read_bytes};
    use super::*;

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
            let array = read_bytes(&filled(dims), read).unwrap();
            assert_eq!(array.dims, dims.iter().map(|&d| d as usize).collect::<Vec<_>>());
            assert_eq!(array.bytes, (0..size as u8).collect::<Vec<_>>());
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
            assert_refused(read_bytes(&whole[..length], read), expected);
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
            assert_refused(read_bytes(bytes, read), expected);
        }
    }

    #[test]
    fn a_folder_is_refused() {
        assert_refused(read(tempfile::tempdir().unwrap().path()), "folder");
    }

    #[test]
    fn the_buffer_is_not_larger_than_the_data() {
        let array = read_bytes(&filled(&[100, 10]), read).unwrap();
        assert_eq!(array.bytes.capacity(), 1000);
    }

    #[cfg(not(feature = "cli"))]
    #[test]
    fn gzip_needs_the_feature() {
        assert_refused(read_bytes(&[0x1f, 0x8b, 8, 0], read), "feature `cli`");
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

    #[test]
    fn a_folder_of_mnist_is_read() {
        let dir = mnist(&[3, 2, 2], &[2, 2, 2], &[("train-labels.idx1-ubyte", 3)]);
        assert!(is_mnist_dir(dir.path()));
        let data = read_mnist(dir.path()).unwrap();
        assert_eq!(data.train_images.dims, [3, 2, 2]);
        assert_eq!(data.test_images.dims, [2, 2, 2]);
        assert_eq!(data.train_labels.map(|labels| labels.bytes), Some(vec![0, 1, 2]));
        assert_eq!(data.test_labels, None);
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
            assert_refused(read_mnist(dir.path()), expected);
        }
    }

    #[test]
    fn a_missing_part_is_named() {
        let dir = mnist(&[3, 2, 2], &[2, 2, 2], &[]);
        fs::remove_file(dir.path().join("t10k-images.idx3-ubyte")).unwrap();
        assert!(is_mnist_dir(dir.path()));
        assert_refused(read_mnist(dir.path()), "no t10k-images-idx3-ubyte");
        fs::remove_file(dir.path().join("train-images-idx3-ubyte")).unwrap();
        assert!(!is_mnist_dir(dir.path()));
        assert_refused(read_mnist(dir.path()), "no train-images-idx3-ubyte");
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
            let expected = read_bytes(&plain, read).unwrap();
            assert_eq!(read_bytes(&gzip(&plain), read).unwrap(), expected);
            // Two members one after the other are one file, as `cat a.gz b.gz` makes it.
            let members = [gzip(&plain[..100]), gzip(&plain[100..])].concat();
            assert_eq!(read_bytes(&members, read).unwrap(), expected);
        }

        #[test]
        fn every_truncation_is_refused() {
            let whole = gzip(&filled(&[3, 2, 2]));
            for length in 1..whole.len() {
                let expected = if length == 1 { "not" } else { "ends too early" };
                assert_refused(read_bytes(&whole[..length], read), expected);
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
                assert_refused(read_bytes(bytes, read), expected);
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
                assert_refused(read_bytes(&bomb, read), "the file holds less");

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
