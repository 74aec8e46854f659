//! Tables in text: lines of cells, as a model of columns of several kinds knows them.
//!
//! A cell that is written as the column would write its value is nothing but that value. What is written in another way is a
//! *patch*, if the spelling is to come back; without that, the value alone does. Cells of columns that the model does not
//! learn, and those that it cannot have, are kept as they are; so is a whole line, where it has not as many cells as the others.

use super::{Decimals, Frame, Record, State};
use crate::codec::book::Book;
use crate::codec::bytes::{take, take_u32};
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
    /// The columns that are learned, the fields of a line: where each lies among the model's values, how its cells are read, and
    /// which cell of a line it is.
    fields: Vec<Field>,
    /// Which field each cell of a line is.
    field_of: Vec<Option<usize>>,
}

struct Field {
    place: Place,
    reading: Reading,
    cell: Option<usize>,
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
    let length = take_u32(beside)? as usize;
    take(beside, length)
}

impl TableFrame {
    /// Of a model's table and columns.
    ///
    /// # Errors
    /// If the writing names a column that there is not.
    ///
    /// # Panics
    /// If there are more or fewer books than columns.
    pub fn new(
        table: Table,
        columns: Columns,
        books: Vec<Book>,
        writing: Writing,
    ) -> Result<Self, String> {
        let all = table.columns.len();
        if writing.order.iter().flatten().any(|j| *j >= all)
            || writing.pads.len() != writing.order.len()
        {
            return Err("it has cells of columns that its model has not".to_owned());
        }
        let mut rest_of = vec![None; books.len()];
        let field = |place: Place| {
            if place.has_rest {
                rest_of[place.slot()] = Some(place.atoms.len() as u64);
            }
            let column = &table.columns[place.column];
            let reading = Reading::new(column, table.missing.as_deref());
            let cell = writing.order.iter().position(|j| *j == Some(place.column));
            Field { place, reading, cell }
        };
        let fields: Vec<Field> = table.places().into_iter().map(field).collect();
        let field = |j: &Option<usize>| fields.iter().position(|f| Some(f.place.column) == *j);
        let field_of = writing.order.iter().map(field).collect();
        let books = Books::new(books, columns, rest_of);
        Ok(TableFrame { table, books, writing, fields, field_of })
    }

    /// The books of a likelihood's columns: of densities those that these lines ask for.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn survey<'a>(
        table: Table,
        likelihood: &dyn Likelihood<f32>,
        columns: Columns,
        writing: Writing,
        lines: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Vec<Book>, String> {
        let known: Vec<Option<Book>> =
            (0..columns.width()).map(|j| Book::of_domain(likelihood.facts(j).domain)).collect();
        let mut decimals = vec![Decimals::default(); known.len()];
        let books = |decimals: &[Decimals]| {
            let each = known.iter().zip(decimals);
            each.map(|(known, d)| known.clone().unwrap_or_else(|| d.book())).collect::<Vec<_>>()
        };
        let frame = TableFrame::new(table, columns, books(&decimals), writing)?;
        for line in lines {
            let cells = frame.cells(line);
            for field in &frame.fields {
                let slot = field.place.slot();
                let Some(value) = field.cell.and_then(|cell| field.value(cells.get(cell)?)) else {
                    continue;
                };
                if known[slot].is_none() && !value.is_nan() && !field.place.atoms.contains(&value) {
                    decimals[slot].add(value, |a, b| frame.is_it(field, a, b));
                }
            }
        }
        Ok(books(&decimals))
    }

    /// The cells of a line, without its end.
    fn cells<'l>(&self, line: &'l [u8]) -> Vec<&'l [u8]> {
        let line = line.strip_suffix(self.writing.line_end.as_bytes()).unwrap_or(line);
        raw_cells(line, self.writing.delimiter)
    }

    fn column(&self, field: &Field) -> &TableColumn {
        &self.table.columns[field.place.column]
    }

    /// Whether the text of one value is read as another.
    fn is_it(&self, field: &Field, a: f64, b: f64) -> bool {
        let again = field.reading.value(&written(self.column(field), a));
        again.is_some_and(|v| v.to_bits() == b.to_bits())
    }

    /// The bytes of a cell as they are written.
    fn raw(&self, cell: usize, text: &str) -> Vec<u8> {
        let delimiter = char::from(self.writing.delimiter);
        let needs_quotes = text.contains([delimiter, '"', '\n', '\r']);
        let text = if needs_quotes {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        };
        [self.writing.pads[cell].as_bytes(), text.as_bytes()].concat()
    }

    /// Numbers of a value, in the places of its column; nothing, if it has none.
    fn numbers_of(&self, field: &Field, value: f64, numbers: &mut [Option<u64>]) -> bool {
        let Place { first, atoms, has_rest, .. } = &field.place;
        let is_it = |a: f64, b: f64| self.is_it(field, a, b);
        if let Some(k) = atoms.iter().position(|atom| *atom == value) {
            numbers[*first] = Some(k as u64).filter(|_| is_it(atoms[k], value));
            return numbers[*first].is_some();
        }
        if !atoms.is_empty() && !has_rest {
            return false;
        }
        let slot = field.place.slot();
        numbers[slot] = self.books.book(slot).number(value, &self.books.columns()[slot], is_it);
        if *has_rest && numbers[slot].is_some() {
            numbers[*first] = Some(atoms.len() as u64);
        }
        numbers[slot].is_some()
    }

    /// The value of a column's numbers.
    fn value_of(&self, place: &Place, numbers: &[Option<u64>]) -> f64 {
        let atom = numbers[place.first].and_then(|k| place.atoms.get(k as usize));
        let slot = place.slot();
        match (atom, numbers[slot]) {
            (Some(atom), _) => *atom,
            (None, Some(k)) if place.atoms.is_empty() || place.has_rest => {
                self.books.book(slot).value(k, &self.books.columns()[slot])
            }
            _ => f64::NAN,
        }
    }

    /// The canonical text of each cell of a line; nothing of those that are kept as they are.
    fn texts(&self, record: &Record) -> Vec<Option<String>> {
        let text = |(field, j): (&Option<usize>, &Option<usize>)| match field {
            Some(l) => {
                let field = &self.fields[*l];
                match record.states[*l] {
                    State::Coded => {
                        let value = self.value_of(&field.place, &record.numbers);
                        Some(written(self.column(field), value))
                    }
                    State::Missing => Some(self.column(field).spelled.clone()),
                    State::Beside => None,
                }
            }
            None => match &self.table.columns[(*j)?].cells {
                Cells::Constant { text } => Some(text.clone()),
                _ => None,
            },
        };
        self.field_of.iter().zip(&self.writing.order).map(text).collect()
    }

    /// Whether the value of a cell is all that it says: of a class its very word, since rare ones share a class.
    fn says(&self, field: &Field, text: &str, cell: &[u8]) -> bool {
        let is_class = matches!(self.column(field).cells, Cells::Class { .. });
        let is_missing = field.value(cell).is_some_and(f64::is_nan);
        !is_class || is_missing || cell_text(cell).is_some_and(|word| word == text)
    }

    /// A record of nothing.
    fn nothing(&self) -> Record {
        let fields = self.fields();
        Record { states: vec![State::Beside; fields], numbers: vec![None; self.books.width()] }
    }
}

impl Field {
    /// The value of a cell, if it can be read.
    fn value(&self, cell: &[u8]) -> Option<f64> {
        self.reading.value(&cell_text(cell)?)
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
        self.fields.len()
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
        let cells = self.cells(row);
        if !row.ends_with(self.writing.line_end.as_bytes())
            || cells.len() != self.writing.order.len()
            || cells.len() >= usize::from(WHOLE)
        {
            return whole(beside);
        }
        let mut record = self.nothing();
        for (field, state) in self.fields.iter().zip(&mut record.states) {
            *state = match field.cell.and_then(|cell| field.value(cells[cell])) {
                Some(value) if value.is_nan() => State::Missing,
                Some(value) if self.numbers_of(field, value, &mut record.numbers) => State::Coded,
                _ => State::Beside,
            };
        }
        let texts = self.texts(&record);
        // A cell that is not written as its column would, where that matters: always, if its value does not say all of it.
        let is_patch = |cell: usize| {
            let Some(text) = &texts[cell] else { return false };
            if self.raw(cell, text) == cells[cell] {
                return false;
            }
            let field = self.field_of[cell].map(|l| &self.fields[l]);
            self.writing.spelling || field.is_none_or(|field| !self.says(field, text, cells[cell]))
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
        for (Field { place, .. }, state) in self.fields.iter().zip(&record.states) {
            if *state == State::Coded {
                record.numbers[place.first..=place.slot()].fill(Some(0));
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
