//! What a row's bytes are in whole numbers, and back: what is compressed are files.
//!
//! A file is a prologue, rows of bytes one after another, and nothing else: elements of an array, or lines of a table. What of a row a model cannot have (an unknown
//! class, a NaN with a payload, −0, a number off the lattice) is kept *beside* it, as it stands.

mod array;
mod decimals;
#[cfg(feature = "cli")]
mod table;

pub use array::ArrayFrame;
pub use decimals::Decimals;
#[cfg(feature = "cli")]
pub use table::{TableFrame, Writing, cell_text, line_ends, raw_cells};

use super::row::Books;

/// What became of a field of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It is coded by the model.
    Coded,
    /// There is no value.
    Missing,
    /// It is kept beside the model.
    Beside,
}

impl State {
    /// All there are.
    pub const ALL: [State; 3] = [State::Coded, State::Missing, State::Beside];
}

/// A row in whole numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// What became of each field.
    pub states: Vec<State>,
    /// The number of each of the model's columns, `[D]`; `None` where there is none.
    pub numbers: Vec<Option<u64>>,
}

/// How rows of bytes become numbers.
pub trait Frame: Sync {
    /// The model's columns.
    fn books(&self) -> &Books;

    /// How many fields a row has that have a state.
    fn fields(&self) -> usize;

    /// Whether the bytes of a row come back, or what they say alone.
    fn is_exact(&self) -> bool {
        true
    }

    /// A row's numbers. What has none is added to `beside`.
    fn split(&self, row: &[u8], beside: &mut Vec<u8>) -> Record;

    /// From the states of the fields, which columns there are: `Some` number or none, `[D]`; or that the row is no
    /// business of the model's.
    fn presence(&self, record: &mut Record) -> bool;

    /// Adds a row's bytes to `out`. What has no number is taken off `beside`.
    ///
    /// # Errors
    /// If `beside` does not hold it: the archive is damaged.
    fn join(
        &self,
        record: &Record,
        beside: &mut &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str>;
}
