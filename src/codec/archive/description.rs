//! What an archive says of itself: which model, which rows, and what their bytes are.

use crate::codec::book::Book;
use crate::codec::bytes::hexadecimal;
use crate::codec::frame::{ArrayFrame, Frame};
#[cfg(feature = "cli")]
use crate::codec::frame::{TableFrame, Writing};
use crate::data::{Bytes, Element};
use crate::error::{Error, Result};
use crate::model_file::Model;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What an archive is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// SHA-256 of the model file, in hexadecimal.
    pub model: String,
    /// Bits of a latent's bin.
    pub bins: u32,
    /// Whether rows may come back in another order.
    pub any_order: bool,
    /// How many rows there are.
    pub rows: u64,
    /// How many of them a block has; the last one has the rest.
    pub block: u32,
    /// Bytes before the rows, in hexadecimal.
    pub prologue: String,
    /// What rows are.
    pub frame: FrameDescription,
    /// How often each field is coded, missing, or kept beside the model; or all alike.
    pub states: Vec<[u64; 3]>,
}

/// What rows are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FrameDescription {
    /// Elements, one after another.
    Array {
        /// Their type.
        element: Element,
        /// What bytes stand for.
        bytes: String,
        /// Whether each value has a state.
        masked: bool,
        /// The values of each column.
        books: Vec<Book>,
    },
    /// Lines of cells.
    #[cfg(feature = "cli")]
    Table {
        /// How they are written.
        writing: Writing,
        /// The values of each of the model's columns.
        books: Vec<Book>,
    },
}

/// What an archive is to be.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Bits of a latent's bin.
    pub bins: u32,
    /// Whether rows may come back in another order.
    pub any_order: bool,
    /// Rows of a block.
    pub block: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { bins: 8, any_order: false, block: 4096 }
    }
}

/// What tells a model from all others: SHA-256 of its file.
pub fn digest(model: &Model<f32>) -> String {
    hexadecimal(&Sha256::digest(model.to_bytes()))
}

/// Rows to be compressed, from one on, as many as are asked for and there are.
pub type Source<'a> = dyn FnMut(u64, usize) -> Result<Vec<Vec<u8>>> + 'a;

/// Rows that are looked at together.
const PASS: usize = 4096;

impl Description {
    /// Of so many rows behind some bytes, which are read once.
    ///
    /// # Errors
    /// Those of the source, and as [`FrameDescription::frame`].
    pub fn new(
        model: &Model<f32>,
        frame: FrameDescription,
        settings: Settings,
        prologue: &[u8],
        rows: u64,
        source: &mut Source<'_>,
    ) -> Result<Self> {
        let made = frame.frame(model).map_err(|message| Error::setting("model", message))?;
        let mut states = vec![[0; 3]; made.fields()];
        each_row(rows, source, &mut |row| {
            let record = made.split(row, &mut Vec::new());
            let fields = states.iter_mut().zip(&record.states);
            fields.for_each(|(counts, state)| counts[*state as usize] += 1);
        })?;
        let Settings { bins, any_order, block } = settings;
        let (model, prologue) = (digest(model), hexadecimal(prologue));
        Ok(Description { model, bins, any_order, rows, block, prologue, frame, states })
    }
}

/// Calls `each` with every row.
fn each_row(rows: u64, source: &mut Source<'_>, each: &mut dyn FnMut(&[u8])) -> Result<()> {
    let mut first = 0;
    while first < rows {
        let some = source(first, PASS)?;
        some.iter().for_each(|row| each(row));
        first += some.len().max(1) as u64;
    }
    Ok(())
}

impl FrameDescription {
    /// Rows of elements, of which densities ask for their decimals.
    ///
    /// # Errors
    /// Those of the source, and if the model's columns have no units.
    pub fn array(
        model: &Model<f32>,
        element: Element,
        bytes: Bytes,
        rows: u64,
        source: &mut Source<'_>,
    ) -> Result<Self> {
        let (likelihood, width) = (model.vae.likelihood(), model.vae.width());
        let all = |each: &mut dyn FnMut(&[u8])| each_row(rows, source, each);
        let books = ArrayFrame::survey(likelihood, width, element, bytes, all)?;
        let masked = (0..width).any(|j| likelihood.facts(j).missing);
        Ok(FrameDescription::Array { element, bytes: bytes.name().to_owned(), masked, books })
    }

    /// Lines of a table that the model knows.
    ///
    /// # Errors
    /// If it knows none, or the writing has other columns than it.
    #[cfg(feature = "cli")]
    pub fn table<'a>(
        model: &Model<f32>,
        writing: Writing,
        lines: impl Iterator<Item = &'a [u8]>,
    ) -> std::result::Result<Self, String> {
        let table = model.header.kinds.clone().ok_or(NO_TABLE)?;
        let columns = model.header.columns().map_err(|e| e.to_string())?;
        let likelihood = model.vae.likelihood();
        let books = TableFrame::survey(table, likelihood, columns, writing.clone(), lines)?;
        Ok(FrameDescription::Table { writing, books })
    }

    /// The values of each of the model's columns.
    pub fn books(&self) -> &[Book] {
        match self {
            FrameDescription::Array { books, .. } => books,
            #[cfg(feature = "cli")]
            FrameDescription::Table { books, .. } => books,
        }
    }

    /// The frame, for a model's columns.
    ///
    /// # Errors
    /// If it is none, or not one for this model.
    pub fn frame(&self, model: &Model<f32>) -> std::result::Result<Box<dyn Frame>, String> {
        let columns = model.header.columns().map_err(|e| e.to_string())?;
        let likelihood = model.vae.likelihood();
        // What a likelihood knows of its values no archive says otherwise.
        let fits = |(j, book): (usize, &Book)| match Book::of_domain(likelihood.facts(j).domain) {
            Some(known) => known == *book,
            None => matches!(book, Book::Decimals { .. }) && book.is_sound(),
        };
        if self.books().len() != columns.width() || !self.books().iter().enumerate().all(fits) {
            return Err("its columns are not those of its model".to_owned());
        }
        match self {
            FrameDescription::Array { element, bytes, masked, books } => {
                let bytes: Bytes = bytes.parse().map_err(|e: Error| e.to_string())?;
                Ok(Box::new(ArrayFrame::new(columns, books.clone(), *element, bytes, *masked)))
            }
            #[cfg(feature = "cli")]
            FrameDescription::Table { writing, books } => {
                let table = model.header.kinds.clone().ok_or(NO_TABLE)?;
                let frame = TableFrame::new(table, columns, books.clone(), writing.clone())?;
                Ok(Box::new(frame))
            }
        }
    }
}

#[cfg(feature = "cli")]
const NO_TABLE: &str = "it is none of a table of several kinds";
