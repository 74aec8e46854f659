//! Columns of several kinds, and cells that are missing.

use super::columns::{Heads, list};
use super::look::{Look, Reading, Settled, fill_in};
use super::records::{Marks, Record, Records};
use super::survey::{Kind, Survey};
use super::trouble;
use crate::data::input::Input;
use crate::data::reader::ReadOptions;
use crate::data::table::{Cells, Table, TableColumn};
use crate::error::{Error, Result};

/// What the columns of a table are, and how their cells are read.
pub(super) struct Mixed {
    /// All columns that were chosen, also those that are not learned.
    pub(super) table: Table,
    /// Those that are, by their places in the file.
    pub(super) columns: Vec<usize>,
    readings: Vec<Reading>,
    /// Whether a model knew them before.
    is_known: bool,
}

/// Stands for a class that the model does not know.
const UNKNOWN: f64 = -1.0;

impl Mixed {
    /// Looks at the cells of these columns, if they want it: if a model knows of kinds, or the user says some, or one holds
    /// words or missing cells.
    ///
    /// # Errors
    /// If a word stands among numbers, or nothing is left to learn.
    pub(super) fn of(
        input: &Input,
        marks: Marks,
        heads: &Heads<'_>,
        survey: &Survey,
        columns: &[usize],
        options: &ReadOptions,
    ) -> Result<Option<Self>> {
        let missing = options.missing.as_deref();
        if let Some(model) = &options.expected {
            let Some(table) = &model.kinds else { return Ok(None) };
            let missing = missing.or(table.missing.as_deref());
            let readings = table.learned().map(|column| Reading::new(column, missing)).collect();
            let (table, columns) = (table.clone(), columns.to_vec());
            return Ok(Some(Mixed { table, columns, readings, is_known: true }));
        }
        let troubled = columns.iter().any(|&j| {
            let trouble = survey.columns[j].trouble.as_ref();
            trouble.is_some_and(|trouble| matches!(trouble.kind, Kind::Missing | Kind::Word))
        });
        if !options.mixed || !troubled && missing.is_none() && options.kinds.is_none() {
            return Ok(None);
        }
        let kinds = options.kinds.as_deref().unwrap_or_default();
        let kind_of = |j: usize| {
            let named = kinds.iter().find(|(name, _)| heads.is_called(j, name));
            named.map(|(_, kind)| kind.as_str())
        };
        for (name, kind) in kinds {
            if !["number", "class", "date", "key", "text"].contains(&&**kind) {
                let message =
                    format!("`{kind}` is unknown; known are number, class, date, key, text");
                return Err(Error::setting("kinds", message));
            }
            if !columns.iter().any(|j| heads.is_called(*j, name)) {
                return Err(Error::setting(
                    "kinds",
                    format!("no column that is read is called `{name}`"),
                ));
            }
        }
        let mut looks: Vec<Look> = columns.iter().map(|_| Look::new(missing)).collect();
        let mut records = Records::new(input, marks)?;
        if heads.named() {
            records.next()?;
        }
        while let Some(record) = records.next()? {
            for (look, &j) in looks.iter_mut().zip(columns) {
                let cell = std::str::from_utf8(record.cell(j)).unwrap_or("\u{fffd}");
                look.add(cell, record.line());
            }
        }
        let settle = |(look, &j): (&Look, &usize)| {
            match look.settle(&heads.called(j), kind_of(j)) {
            Settled::Column(column) => Ok(column),
            Settled::Slip(line, word) => Err(input.error(format!(
                "line {line}, {}: `{word}` is a word among numbers: if it says that a cell is missing, say --missing \
                 {word}; if these are classes, say --kinds {}=class",
                heads.title(j),
                heads.handle(j)
            ))),
            Settled::NoDate => Err(input.error(format!(
                "{}: no format of dates that is known fits all cells: leave out --kinds {}=date",
                heads.title(j),
                heads.handle(j)
            ))),
        }
        };
        let mut all = looks.iter().zip(columns).map(settle).collect::<Result<Vec<_>>>()?;
        let is_number = |k: &usize| matches!(all[*k].cells, Cells::Number(_));
        let numbers: Vec<usize> = (0..columns.len()).filter(is_number).collect();
        let written: Vec<_> = numbers.iter().map(|k| looks[*k].written(columns[*k])).collect();
        for (k, form) in numbers.into_iter().zip(trouble::decide(heads, &written, marks.delimiter)?)
        {
            looks[k].write_as(form, &mut all[k]);
        }
        let learned = all.iter().zip(columns).filter(|(column, _)| column.is_learned());
        let (learned, places): (Vec<_>, Vec<_>) = learned.map(|(column, j)| (column, *j)).unzip();
        if learned.is_empty() {
            return Err(input.error("no column is left to learn: all are constant, text or keys"));
        }
        let readings = learned.iter().map(|column| Reading::new(column, missing)).collect();
        Ok(Some(Mixed {
            table: Table { columns: all, missing: options.missing.clone() },
            columns: places,
            readings,
            is_known: false,
        }))
    }

    /// The value of the k-th learned column, which is column `j` of the file.
    pub(super) fn value(
        &self,
        table: &super::Table<'_>,
        record: &Record,
        k: usize,
        j: usize,
    ) -> Result<f64> {
        let cell = table.text(record, j)?;
        let of_class =
            || matches!(self.table.learned().nth(k).map(|c| &c.cells), Some(Cells::Class { .. }));
        match self.readings[k].value(cell) {
            Some(value) => Ok(value),
            // The row is refused where it is scored.
            None if self.is_known && of_class() => Ok(UNKNOWN),
            None => Err(table.input.error(format!(
                "line {}, {}: {} cannot be read as the other cells of the column",
                record.line(),
                table.heads.title(j),
                super::shown(cell)
            ))),
        }
    }

    /// The table, with the ranges that these values have, `[N·D]`.
    pub(super) fn settled(mut self, values: &[f64]) -> Table {
        if !self.is_known {
            let width = self.columns.len();
            let learned = self.table.columns.iter_mut().filter(|column| column.is_learned());
            for (k, column) in learned.enumerate() {
                fill_in(column, values.iter().skip(k).step_by(width).copied());
            }
        }
        self.table
    }

    /// What a user should know.
    pub(super) fn notes(&self) -> Vec<String> {
        if self.is_known {
            return Vec::new();
        }
        let of = |is: fn(&TableColumn) -> bool, what: &str| {
            let names = self.table.columns.iter().filter(|c| is(c)).map(|c| c.name.as_str());
            let names: Vec<_> = names.collect();
            let message = || format!("{what}: {}", list(names.iter().copied()));
            (!names.is_empty()).then(message)
        };
        let left = [
            of(|c| matches!(c.cells, Cells::Constant { .. }), "constant, and not learned"),
            of(|c| c.cells == Cells::Key, "left out, for they name or number the rows"),
            of(|c| c.cells == Cells::Text, "left out, for they are text and no classes"),
        ];
        left.into_iter().flatten().collect()
    }
}
