//! What reading promises for any bytes whatever: an answer or an error of one line, no panic, and no
//! request for memory that the bytes do not justify. The fuzz targets in `fuzz/` check the same.

use crate::requests::largest;
use elbo::Error;
use elbo::data::{Dataset, ReadOptions, Source, Values};
use elbo::model_file::Model;
use std::path::Path;

/// What may be asked for besides what the input's size justifies: buffers.
const CONSTANT: usize = 64 << 10;

/// The formats, as to how much memory one request may be for.
#[derive(Clone, Copy, Debug)]
pub enum Growth {
    /// Bytes are kept as they are.
    Idx,
    /// Values are kept as they are, or a byte in the four of an `f32`. The header's parser makes many
    /// tokens of a byte, but has at most 10 000 bytes to read.
    Npy,
    /// Arrays as above, of which deflate makes at most 1032 bytes of one.
    Npz,
    /// The shortest cell and its comma are two bytes. Of these come an `f64`, or, in the first line,
    /// what is known of its column, a string, again in a vector that doubles.
    Csv,
    /// Columns of runs and dictionaries have no least size a row, and the crates that read them take what
    /// a page claims, which is below 2 GiB.
    #[cfg(feature = "parquet")]
    Columns,
    /// Weights are kept as they are. In the header, a number and its comma are two bytes, which the
    /// parser of `safetensors` keeps in 32 for a while, in a vector that doubles.
    Tensors,
}

impl Growth {
    /// Checks the largest request made for an input.
    ///
    /// # Panics
    /// If it is too large.
    pub fn check(self, request: usize, input: &[u8]) {
        // Deflate makes at most 1032 bytes of one, in a vector that at most doubles while it grows.
        let packed = input.starts_with(&[0x1f, 0x8b]);
        let length = if packed { 1032 } else { 1 } * input.len();
        let justified = match self {
            Growth::Idx => 2 * length,
            Growth::Npy => 4 * length + 512 * length.min(10_000),
            Growth::Npz => 4 * 1032 * length,
            Growth::Csv => 2 * 24 * length,
            #[cfg(feature = "parquet")]
            Growth::Columns => i32::MAX as usize,
            Growth::Tensors => {
                let header = input.first_chunk().map_or(0, |start| u64::from_le_bytes(*start));
                2 * length + 32 * header.min(length as u64) as usize
            }
        };
        let limit = justified + CONSTANT;
        assert!(request <= limit, "{request} bytes at once where {limit} are justified ({self:?})");
    }
}

/// Reads data as if it were a file called `name`, and holds the outcome against the contract.
///
/// # Panics
/// If it does not hold.
pub fn source(name: &str, bytes: &[u8], options: &ReadOptions, growth: Growth) -> Option<Source> {
    let input = bytes.to_vec();
    let (outcome, request) = largest(|| Source::from_bytes(name, input, options));
    growth.check(request, bytes);
    answer(outcome, name, options)
}

/// Reads a folder of pictures, and holds the outcome against the contract. What a picture may ask for
/// is bounded by the readers' own constants, and not in proportion to its bytes: a white page of any
/// size takes a few.
///
/// # Panics
/// If it does not hold.
pub fn pictures(folder: &Path, options: &ReadOptions) -> Option<Source> {
    let name = folder.to_string_lossy();
    answer(Source::open_with(&name, options), &name, options)
}

/// Checks what reading data called `name` came to.
fn answer(outcome: Result<Source, Error>, name: &str, options: &ReadOptions) -> Option<Source> {
    match outcome {
        Ok(source) => {
            dataset(&source.train);
            source.test.iter().for_each(dataset);
            source.notes.iter().for_each(|note| one_line(note));
            Some(source)
        }
        Err(error) => {
            let message = error.to_string();
            one_line(&message);
            // Wrong options are not the file's fault.
            let about_options = *options != ReadOptions::default();
            let excused = about_options && matches!(error, Error::Setting { .. });
            assert!(excused || message.starts_with(name), "{message:?} does not name the file");
            None
        }
    }
}

/// Checks that a dataset is what it says, by reading all of it.
fn dataset(data: &Dataset) {
    let (rows, width) = (data.rows(), data.width());
    let count = match data.values() {
        Values::U8(v) => v.len(),
        Values::F32(v) => v.len(),
        Values::F64(v) => v.len(),
        Values::Stored(_) => panic!("what is in memory already is not read in place"),
    };
    assert!(rows > 0 && width > 0 && rows * width == count, "{rows} × {width} is not {count}");
    let mut row = vec![0f64; width];
    for r in 0..rows {
        data.read(&mut row, r, None).expect("a row in memory can be read");
        assert!(row.iter().all(|v| v.is_finite()), "row {r} is not finite");
        if data.are_pixels() {
            assert!(row.iter().all(|v| (0.0..=1.0).contains(v)), "pixels of row {r} leave [0, 1]");
        }
    }
    if let Some(image) = data.image() {
        assert_eq!(image.height * image.width * image.channels, width, "{image:?}");
    }
    assert_eq!(data.columns().iter().count(), width, "columns");
    if let Some(names) = data.names() {
        assert_eq!(names.len(), rows, "{names:?}");
    }
    if let Some(labels) = data.labels() {
        assert_eq!(labels.rows(), rows, "labels");
        (0..rows).for_each(|r| assert!(labels.index(r) < labels.names().len(), "label of row {r}"));
    }
}

/// Opens a model, and holds the outcome against the contract.
///
/// # Panics
/// If it does not hold.
pub fn model(bytes: &[u8]) -> Option<Model<f32>> {
    let (outcome, request) = largest(|| Model::<f32>::from_bytes(bytes));
    Growth::Tensors.check(request, bytes);
    let model = outcome.map_err(|message| one_line(&message)).ok()?;
    assert_eq!(model.params.len(), model.vae.layout().len());
    assert!(model.params.iter().all(|w| w.is_finite()), "a weight is not finite");
    let written = model.to_bytes();
    let again = Model::<f32>::from_bytes(&written).expect("what was written is read");
    assert!(again.to_bytes() == written, "a model changes when it is written and read");
    if model.params.len() < 10_000 {
        use_one_row(&model);
    }
    Some(model)
}

/// Encodes and decodes. Its weights may be absurd, so that an error is an answer too.
fn use_one_row(model: &Model<f32>) {
    let mut session = model.session(1).expect("memory for one row of a small model");
    let (mut z, mut x) = (vec![0f32; session.latent()], vec![0f32; session.width()]);
    for outcome in [session.encode(&mut z, &x), session.decode(&mut x, &z)] {
        outcome.unwrap_or_else(|error| one_line(&error.to_string()));
    }
}

/// Checks that a message fits on one line of a terminal, and cannot move its cursor.
pub fn one_line(message: &str) {
    assert!(!message.is_empty() && !message.chars().any(char::is_control), "{message:?}");
}
