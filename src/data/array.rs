//! An array's file as it stands: bytes before the values, and rows of elements.

use super::input::Input;
use super::stored::Element;
use super::{Bytes, idx, npy};
use crate::error::Result;
use std::path::Path;

/// The file of an array, NPY or IDX.
pub struct ArrayFile {
    input: Input,
    prologue: Vec<u8>,
    element: Element,
    shape: Vec<usize>,
}

impl ArrayFile {
    /// Opens a file, or standard input for `-`, if it holds one array.
    ///
    /// # Errors
    /// If it cannot be read, or is a damaged array, one in Fortran's order, or one with axes that have no length.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let input = if path == Path::new("-") { Input::stdin()? } else { Input::open(path)? };
        let (start, element, shape) = if input.start().starts_with(&[0, 0]) {
            let dims = idx::read(input.open_again()?)?.dims;
            (4 + 4 * dims.len() as u64, Element::Byte, dims)
        } else if input.start().starts_with(b"\x93NUM") {
            npy::outline(&input)?
        } else {
            return Ok(None);
        };
        let mut prologue = vec![0; start as usize];
        input.read_exact_at(&mut prologue, 0)?;
        Ok(Some(ArrayFile { input, prologue, element, shape }))
    }

    /// Bytes before the values.
    pub fn prologue(&self) -> &[u8] {
        &self.prologue
    }

    /// What its values are.
    pub fn element(&self) -> Element {
        self.element
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.shape[0]
    }

    /// Values of a row.
    pub fn width(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// The bytes of some rows, one after another.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn read(&self, first: usize, count: usize) -> Result<Vec<Vec<u8>>> {
        let size = self.width() * self.element.size();
        let rows = first..self.rows().min(first + count);
        rows.map(|row| {
            let mut bytes = vec![0; size];
            self.input.read_exact_at(&mut bytes, (self.prologue.len() + row * size) as u64)?;
            Ok(bytes)
        })
        .collect()
    }

    /// What its bytes stand for, if they are bytes: 0 and 1 are bits.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn bytes(&self) -> Result<Bytes> {
        let mut are_bits = self.element.is_byte();
        for first in (0..self.rows()).step_by(4096) {
            if !are_bits {
                break;
            }
            are_bits = self.read(first, 4096)?.iter().flatten().all(|byte| *byte <= 1);
        }
        Ok(if are_bits { Bytes::Bits } else { Bytes::Levels })
    }
}
