//! Data: what it is, where it comes from, and which rows play which role.
//!
//! A [`Dataset`] keeps its rows as they came (bytes stay bytes, and what is larger than memory stays
//! in its file) and turns them into the model's numbers batch by batch. A [`Source`] is a dataset with
//! its own test part, if it has one; a [`Reader`] makes one from what a user names. A [`Part`] is the
//! rows that play one role.
//!
//! To add a reader: write its file, ending in a `reader()` function, and add the file's name to the
//! list below.

#[cfg(all(feature = "cli", feature = "codec"))]
mod array;
#[cfg(feature = "parquet")]
mod batches;
mod bytes;
mod column;
mod condition;
mod dataset;
mod input;
mod labels;
mod part;
mod reader;
mod statistics;
mod stored;
mod table;
mod values;

#[cfg(feature = "cli")]
pub use self::csv::Reading;
#[cfg(all(feature = "cli", feature = "codec"))]
pub use array::ArrayFile;
pub use bytes::Bytes;
pub use column::{Column, ColumnKind, Columns, Name, Unit, Volume};
pub use condition::{
    Combination, Condition, ConditionKind, Conditions, LABEL, Numbers, Scale, Wanted,
};
pub use dataset::Dataset;
pub use labels::Labels;
pub use part::{Binarize, LoneCell, Part, Parts, Refused, Roles};
pub use reader::{Expected, ReadOptions, Reader, Source, TableLayout};
pub use statistics::Statistics;
pub use stored::{Element, Kind, Stored};
pub use table::{Cell, Cells, NumberScale, Place, Quantiles, Table, TableColumn};
pub use values::Values;

use crate::error::{Error, Result};

// The first that recognises what the user named is the one that reads it.
reader::readers!(
    digits,
    mnist,
    idx,
    #[cfg(feature = "cli")]
    npy,
    #[cfg(feature = "cli")]
    npz,
    #[cfg(feature = "parquet")]
    parquet,
    #[cfg(feature = "parquet")]
    arrow,
    #[cfg(feature = "cli")]
    csv,
    #[cfg(feature = "cli")]
    images,
);

/// The shape of an image whose pixels are a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageShape {
    /// Rows of pixels.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Values of a pixel: 1 grey, 3 red, green and blue.
    pub channels: usize,
}

impl ImageShape {
    /// Whether rows of `width` values can be such images.
    ///
    /// # Errors
    /// If they cannot, or a pixel has neither one nor three channels.
    pub fn check(&self, width: usize) -> Result<()> {
        let sides = [self.height, self.width, self.channels];
        let product = sides.iter().try_fold(1usize, |n, side| n.checked_mul(*side));
        if product != Some(width) || !matches!(self.channels, 1 | 3) {
            let [h, w, c] = sides;
            let message =
                format!("rows of {width} values are not images of {h} × {w} × {c} (grey or RGB)");
            return Err(Error::setting("data", message));
        }
        Ok(())
    }
}

/// The reader that CONTRIBUTING.md shows, in a list of its own.
#[cfg(test)]
#[path = "../worked/data/mod.rs"]
mod worked;

/// Helpers of the tests.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::real::Real;

    /// All values of a dataset.
    pub(crate) fn all<T: Real>(data: &Dataset) -> Vec<T> {
        let mut values = vec![T::zero(); data.rows() * data.width()];
        for (row, out) in values.chunks_exact_mut(data.width()).enumerate() {
            data.read(out, row, None).unwrap();
        }
        values
    }
}
