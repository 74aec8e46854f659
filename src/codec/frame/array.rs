//! Arrays of numbers: rows of as many elements, as NPY and IDX hold them.

use super::{Decimals, Frame, Record, State};
use crate::codec::book::Book;
use crate::codec::bytes::take;
use crate::codec::row::Books;
use crate::data::{Bytes, Columns, Element};
use crate::distribution::Likelihood;

/// Rows of elements.
pub struct ArrayFrame {
    books: Books,
    element: Element,
    /// What bytes stand for: 255 for 0 … 1, or themselves.
    unit: f64,
    /// Whether each value has a state; else the row has one.
    masked: bool,
}

/// What a NaN is that stands for a missing value.
const NAN: f64 = f64::NAN;

impl ArrayFrame {
    /// Of rows of a model's columns.
    ///
    /// # Panics
    /// If there are more or fewer books than columns.
    pub fn new(
        columns: Columns,
        books: Vec<Book>,
        element: Element,
        bytes: Bytes,
        masked: bool,
    ) -> Self {
        let rest_of = vec![None; books.len()];
        let books = Books::new(books, columns, rest_of);
        ArrayFrame { books, element, unit: unit(element, bytes), masked }
    }

    /// The books of so many columns of a likelihood: of densities those that the rows, which `rows` hands out, ask for.
    ///
    /// # Errors
    /// Those of `rows`.
    pub fn survey<E>(
        likelihood: &dyn Likelihood<f32>,
        width: usize,
        element: Element,
        bytes: Bytes,
        rows: impl FnOnce(&mut dyn FnMut(&[u8])) -> Result<(), E>,
    ) -> Result<Vec<Book>, E> {
        let known: Vec<Option<Book>> =
            (0..width).map(|j| Book::of_domain(likelihood.facts(j).domain)).collect();
        let mut decimals = vec![Decimals::default(); width];
        let scale = unit(element, bytes);
        if known.iter().any(Option::is_none) {
            rows(&mut |row| {
                for (j, value) in row.chunks_exact(element.size()).enumerate() {
                    if known[j].is_none() {
                        let is_it = |a: f64, _: f64| element.is(a * scale, value);
                        decimals[j].add(element.value(value) / scale, is_it);
                    }
                }
            })?;
        }
        let books = known.into_iter().zip(&decimals);
        Ok(books.map(|(known, decimals)| known.unwrap_or_else(|| decimals.book())).collect())
    }

    /// Bytes of a row.
    fn row_size(&self) -> usize {
        self.books.width() * self.element.size()
    }
}

fn unit(element: Element, bytes: Bytes) -> f64 {
    if element.is_byte() && bytes == Bytes::Levels { 255.0 } else { 1.0 }
}

impl Frame for ArrayFrame {
    fn books(&self) -> &Books {
        &self.books
    }

    fn fields(&self) -> usize {
        if self.masked { self.books.width() } else { 1 }
    }

    fn split(&self, row: &[u8], beside: &mut Vec<u8>) -> Record {
        let (books, mut record) = (&self.books, Record::default());
        for (j, value) in row.chunks_exact(self.element.size()).enumerate() {
            let (mut state, mut number) = (State::Beside, None);
            let x = self.element.value(value) / self.unit;
            if self.masked && self.element.is(NAN, value) {
                state = State::Missing;
            } else if !x.is_nan() {
                let is_it = |a: f64, _: f64| self.element.is(a * self.unit, value);
                number = books.book(j).number(x, &books.columns()[j], is_it);
                if number.is_some() {
                    state = State::Coded;
                }
            }
            if !self.masked && state == State::Beside {
                beside.extend_from_slice(row);
                return Record { states: vec![State::Beside], numbers: vec![None; books.width()] };
            }
            if state == State::Beside {
                beside.extend_from_slice(value);
            }
            record.numbers.push(number);
            if self.masked || j == 0 {
                record.states.push(state);
            }
        }
        record
    }

    fn presence(&self, record: &mut Record) -> bool {
        let state = |j: usize| record.states[if self.masked { j } else { 0 }];
        record.numbers =
            (0..self.books.width()).map(|j| (state(j) == State::Coded).then_some(0)).collect();
        self.masked || record.states[0] == State::Coded
    }

    fn join(
        &self,
        record: &Record,
        beside: &mut &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        if !self.masked && record.states[0] != State::Coded {
            out.extend_from_slice(take(beside, self.row_size())?);
            return Ok(());
        }
        for (j, number) in record.numbers.iter().enumerate() {
            match (number, record.states.get(j)) {
                (Some(k), _) => {
                    let x = self.books.book(j).value(*k, &self.books.columns()[j]);
                    self.element.write(x * self.unit, out);
                }
                (None, Some(State::Missing)) => self.element.write(NAN, out),
                (None, _) => out.extend_from_slice(take(beside, self.element.size())?),
            }
        }
        Ok(())
    }
}
