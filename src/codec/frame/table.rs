//! Tables in text: lines of cells, as a model of columns of several kinds knows them.
//!
//! A cell that is written as the column would write its value is nothing but that value. What is written in another way is a
//! *patch*, if the spelling is to come back; without that, the value alone does. Cells of columns that the model does not
//! learn, and those that it cannot have, are kept as they are; so is a whole line, where it has not as many cells as the others.

use super::{Decimals, Frame, Record, State, take};
use crate::codec::book::Book;
use crate::codec::row::Books;
use crate::data::{Cells, Columns, Place, Reading, Table, TableColumn};
use crate::distribution::Likelihood;
use serde::{Deserialize, Serialize};

/// How a table's lines are written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Writing {
    /// What stands between cells.
    pub delimiter: u8,
    /// What ends a line.
    pub line_end: String,
    /// Of each cell of a line: which of the model's columns it is, among all; nothing of others.
    pub order: Vec<Option<usize>>,
    /// What stands before the text of each cell.
    pub pads: Vec<String>,
    /// Whether the spelling comes back, not only the values.
    pub spelling: bool,
}

/// What a line is, in what is kept beside the model.
const PLAIN: u8 = 0;
const WHOLE: u8 = 255;

/// Lines of a table.
pub struct TableFrame {
    table: Table,
    books: Books,
    writing: Writing,
    readings: Vec<Reading>,
}

/// A cell without quotes and the spaces around them.
pub fn cell_text(raw: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(raw).ok()?.trim();
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) if text.len() > 1 => Some(inner.replace("\"\"", "\"").trim().to_owned()),
        _ => Some(text.to_owned()),
    }
}

/// The cells of a line, quotes and spaces and all.
pub fn raw_cells(line: &[u8], delimiter: u8) -> Vec<&[u8]> {
    let mut quoted = false;
    line.split(|byte| {
        quoted ^= *byte == b'"';
        *byte == delimiter && !quoted
    })
    .collect()
}

/// Where each line of a text ends, its end included; the last one may have none.
pub fn line_ends(bytes: &[u8]) -> Vec<usize> {
    let (mut ends, mut quoted) = (Vec::new(), false);
    for (i, byte) in bytes.iter().enumerate() {
        quoted ^= *byte == b'"';
        if *byte == b'\n' && !quoted {
            ends.push(i + 1);
        }
    }
    if ends.last().copied().unwrap_or(0) < bytes.len() {
        ends.push(bytes.len());
    }
    ends
}

/// A length before what it is the length of.
fn put(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend(bytes);
}

fn got<'a>(beside: &mut &'a [u8]) -> Result<&'a [u8], &'static str> {
    let length = take(beside, 4)?;
    take(beside, u32::from_le_bytes(length.try_into().expect("four bytes")) as usize)
}

impl TableFrame {
    /// Of a model's table, columns and books.
    ///
    /// # Errors
    /// If the writing names a column that there is not.
    pub fn new(table: Table, books: Books, writing: Writing) -> Result<Self, String> {
        let columns = table.columns.len();
        if writing.order.iter().flatten().any(|j| *j >= columns)
            || writing.pads.len() != writing.order.len()
        {
            return Err("it has cells of columns that its model has not".to_owned());
        }
        let readings =
            table.columns.iter().map(|c| Reading::new(c, table.missing.as_deref())).collect();
        Ok(TableFrame { table, books, writing, readings })
    }

    /// The books of the columns: of densities those that these lines ask for.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn survey<'a>(
        table: Table,
        likelihood: &dyn Likelihood<f32>,
        columns: Columns,
        writing: Writing,
        lines: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Self, String> {
        let places = table.places();
        let mut rest_of = vec![None; columns.width()];
        for place in places.iter().filter(|place| place.has_rest && !place.atoms.is_empty()) {
            rest_of[place.first + 1] = Some(place.atoms.len() as u64);
        }
        let domain = |j: usize| likelihood.facts(j).domain;
        let empty =
            |j: usize| Book::of_domain(domain(j)).unwrap_or_else(|| Decimals::default().book());
        let books =
            Books::new((0..columns.width()).map(empty).collect(), columns.clone(), rest_of.clone());
        let plain = TableFrame::new(table.clone(), books, writing.clone())?;
        let mut decimals = vec![Decimals::default(); columns.width()];
        for line in lines {
            for (l, place) in places.iter().enumerate() {
                let (slot, Some(value)) = (place.slot(), plain.value(line, l)) else { continue };
                if domain(slot).is_dense() && !value.is_nan() && !place.atoms.contains(&value) {
                    decimals[slot].add(value, |a, b| plain.is_it(place.column, l, a, b));
                }
            }
        }
        let book = |j: usize| Book::of_domain(domain(j)).unwrap_or_else(|| decimals[j].book());
        let books = Books::new((0..columns.width()).map(book).collect(), columns, rest_of);
        TableFrame::new(table, books, writing)
    }

    /// Which columns a model learns, by their numbers among all.
    fn learned(&self) -> impl Iterator<Item = usize> {
        self.table.columns.iter().enumerate().filter(|(_, c)| c.is_learned()).map(|(j, _)| j)
    }

    /// The value of the l-th learned column in a line, if it can be read.
    fn value(&self, line: &[u8], l: usize) -> Option<f64> {
        let j = self.learned().nth(l)?;
        let place = self.writing.order.iter().position(|c| *c == Some(j))?;
        let line = line.strip_suffix(self.writing.line_end.as_bytes()).unwrap_or(line);
        let raw = raw_cells(line, self.writing.delimiter).get(place).copied()?;
        self.readings[j].value(&cell_text(raw)?)
    }

    /// Whether the text of one value is read as another.
    fn is_it(&self, column: &TableColumn, l: usize, a: f64, b: f64) -> bool {
        let j = self.learned().nth(l).expect("a learned column");
        self.readings[j].value(&written(column, a)).is_some_and(|v| v.to_bits() == b.to_bits())
    }

    /// The bytes of a cell as they are written.
    fn raw(&self, place: usize, text: &str) -> Vec<u8> {
        let delimiter = char::from(self.writing.delimiter);
        let needs_quotes = text.contains([delimiter, '"', '\n', '\r']);
        let text = if needs_quotes {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        };
        [self.writing.pads[place].as_bytes(), text.as_bytes()].concat()
    }

    /// Numbers of a value, in the places of its column; nothing, if it has none.
    fn numbers_of(
        &self,
        place: &Place<'_>,
        l: usize,
        value: f64,
        numbers: &mut [Option<u64>],
    ) -> bool {
        let number = |slot: usize| {
            let is_it = |a: f64, b: f64| self.is_it(place.column, l, a, b);
            self.books.book(slot).number(value, &self.books.columns()[slot], is_it)
        };
        let atom = place.atoms.iter().position(|atom| *atom == value);
        match (atom, place.atoms.is_empty(), place.has_rest) {
            (Some(k), ..) if self.is_it(place.column, l, place.atoms[k], value) => {
                numbers[place.first] = Some(k as u64);
                true
            }
            (None, true, _) => {
                numbers[place.first] = number(place.first);
                numbers[place.first].is_some()
            }
            (None, false, true) => {
                let Some(k) = number(place.first + 1) else { return false };
                numbers[place.first] = Some(place.atoms.len() as u64);
                numbers[place.first + 1] = Some(k);
                true
            }
            _ => false,
        }
    }

    /// The value of a column's numbers.
    fn value_of(&self, place: &Place<'_>, numbers: &[Option<u64>]) -> f64 {
        let value = |slot: usize| {
            numbers[slot]
                .map_or(f64::NAN, |k| self.books.book(slot).value(k, &self.books.columns()[slot]))
        };
        match numbers[place.first] {
            Some(k) if !place.atoms.is_empty() => {
                place.atoms.get(k as usize).copied().unwrap_or_else(|| {
                    if place.has_rest { value(place.first + 1) } else { f64::NAN }
                })
            }
            _ => value(place.first),
        }
    }

    /// The canonical text of each cell of a line.
    fn texts(&self, record: &Record) -> Vec<Option<String>> {
        let places = self.table.places();
        let learned: Vec<usize> = self.learned().collect();
        let text = |j: &Option<usize>| {
            let column = &self.table.columns[(*j)?];
            if !column.is_learned() {
                return match &column.cells {
                    Cells::Constant { text } => Some(text.clone()),
                    _ => None,
                };
            }
            let l = learned.iter().position(|place| Some(*place) == *j)?;
            match record.states[l] {
                State::Coded => Some(written(column, self.value_of(&places[l], &record.numbers))),
                State::Missing => Some(column.spelled.clone()),
                State::Beside => None,
            }
        };
        self.writing.order.iter().map(text).collect()
    }

    /// A record of nothing.
    fn nothing(&self) -> Record {
        let fields = self.fields();
        Record { states: vec![State::Beside; fields], numbers: vec![None; self.books.width()] }
    }
}

/// A value as its column writes it, wherever it lies.
fn written(column: &TableColumn, value: f64) -> String {
    match &column.cells {
        Cells::Number(scale) if !value.is_nan() => {
            let text = match scale.decimals {
                Some(decimals) => format!("{value:.*}", usize::from(decimals)),
                None => value.to_string(),
            };
            if scale.comma { text.replace('.', ",") } else { text }
        }
        _ => column.text(value),
    }
}

impl Frame for TableFrame {
    fn books(&self) -> &Books {
        &self.books
    }

    fn fields(&self) -> usize {
        self.learned().count()
    }

    fn is_exact(&self) -> bool {
        self.writing.spelling
    }

    fn split(&self, row: &[u8], beside: &mut Vec<u8>) -> Record {
        let whole = |beside: &mut Vec<u8>| {
            beside.push(WHOLE);
            put(row, beside);
            self.nothing()
        };
        let Some(line) = row.strip_suffix(self.writing.line_end.as_bytes()) else {
            return whole(beside);
        };
        let cells = raw_cells(line, self.writing.delimiter);
        if cells.len() != self.writing.order.len() || cells.len() >= usize::from(WHOLE) {
            return whole(beside);
        }
        let places = self.table.places();
        let mut record = self.nothing();
        for (l, j) in self.learned().enumerate() {
            let place = self.writing.order.iter().position(|c| *c == Some(j));
            let text = place.and_then(|place| cell_text(cells[place]));
            record.states[l] = match text.and_then(|text| self.readings[j].value(&text)) {
                Some(value) if value.is_nan() => State::Missing,
                Some(value) if self.numbers_of(&places[l], l, value, &mut record.numbers) => {
                    State::Coded
                }
                _ => State::Beside,
            };
        }
        let texts = self.texts(&record);
        // A cell that is not written as its column would, where that matters: always, if no value says what it is.
        let is_patch = |place: usize| {
            let Some(text) = &texts[place] else { return false };
            if self.raw(place, text) == cells[place] {
                return false;
            }
            let is_value =
                self.writing.order[place].is_some_and(|j| self.table.columns[j].is_learned());
            self.writing.spelling || !is_value
        };
        let patches: Vec<usize> = (0..cells.len()).filter(|place| is_patch(*place)).collect();
        beside.push(PLAIN + patches.len() as u8);
        for place in patches {
            beside.push(place as u8);
            put(cells[place], beside);
        }
        for (text, cell) in texts.iter().zip(&cells) {
            if text.is_none() {
                put(cell, beside);
            }
        }
        record
    }

    fn presence(&self, record: &mut Record) -> bool {
        record.numbers = vec![None; self.books.width()];
        for (place, state) in self.table.places().iter().zip(&record.states) {
            if *state == State::Coded {
                record.numbers[place.first] = Some(0);
                if place.has_rest && !place.atoms.is_empty() {
                    record.numbers[place.first + 1] = Some(0);
                }
            }
        }
        record.numbers.iter().any(Option::is_some)
    }

    fn join(
        &self,
        record: &Record,
        beside: &mut &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        let kind = take(beside, 1)?[0];
        if kind == WHOLE {
            out.extend_from_slice(got(beside)?);
            return Ok(());
        }
        let mut patches = vec![None; self.writing.order.len()];
        for _ in 0..kind {
            let place = usize::from(take(beside, 1)?[0]);
            let cell = got(beside)?;
            *patches.get_mut(place).ok_or("a patch is of a cell that there is not")? = Some(cell);
        }
        for (place, text) in self.texts(record).iter().enumerate() {
            if place > 0 {
                out.push(self.writing.delimiter);
            }
            match (patches[place], text) {
                (Some(cell), _) => out.extend_from_slice(cell),
                (None, Some(text)) => out.extend(self.raw(place, text)),
                (None, None) => out.extend_from_slice(got(beside)?),
            }
        }
        out.extend_from_slice(self.writing.line_end.as_bytes());
        Ok(())
    }
}
