//! What a model has of the rows of a table: a column whose number has atoms is two values to it, any other is one.

use super::{Cells, Quantiles, Table, TableColumn};
use crate::data::statistics::Statistics;
use crate::data::{Column, ColumnKind, Columns, Unit};
use crate::error::Result;
use std::fmt::Write;
use std::sync::Arc;

/// What a model learns of a column: all of it, or which atom its number is, or the number where it is none.
#[derive(Clone, Copy)]
enum Slot<'a> {
    Whole(&'a TableColumn),
    Atom(&'a TableColumn, u32),
    Rest(&'a TableColumn),
}

/// Where a learned column lies among the values that a model has of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Which column, among all.
    pub column: usize,
    /// The first of its values.
    pub first: usize,
    /// The numbers that are classes of that value; none, if it is all of the column.
    pub atoms: Vec<f64>,
    /// Whether behind it is another, the number where it is none of these.
    pub has_rest: bool,
}

impl Place {
    /// Which value is the number itself, or the class.
    pub fn slot(&self) -> usize {
        self.first + usize::from(self.has_rest)
    }
}

impl Table {
    /// Where the learned columns lie, in order.
    pub fn places(&self) -> Vec<Place> {
        let mut first = 0;
        let learned = self.columns.iter().enumerate().filter(|(_, column)| column.is_learned());
        let place = |(j, column): (usize, &TableColumn)| {
            let atoms = column.atoms().to_vec();
            let has_rest = !atoms.is_empty() && !column.has_no_others();
            let place = Place { column: j, first, atoms, has_rest };
            first = place.slot() + 1;
            place
        };
        learned.map(place).collect()
    }

    /// What a model learns, in order.
    fn slots(&self) -> impl Iterator<Item = Slot<'_>> {
        self.learned().flat_map(|column| {
            let (first, rest) = match column.atoms().len() {
                0 => (Slot::Whole(column), None),
                n if column.has_no_others() => (Slot::Atom(column, n as u32), None),
                n => (Slot::Atom(column, n as u32 + 1), Some(Slot::Rest(column))),
            };
            [Some(first), rest].into_iter().flatten()
        })
    }

    /// How many values a model has of a row.
    pub fn width(&self) -> usize {
        self.slots().count()
    }

    /// The values that a model has of rows of the learned columns: `[N·D]` of `[N·C]`.
    pub fn expanded(&self, values: &[f64]) -> Vec<f64> {
        let (columns, mut all) = (self.learned().count(), Vec::new());
        all.reserve(values.len() / columns.max(1) * self.width());
        for row in values.chunks_exact(columns) {
            for (column, &value) in self.learned().zip(row) {
                match column.atoms() {
                    [] => all.push(column.inside(value)),
                    // Of another number there is no such class, and its row is refused.
                    atoms if column.has_no_others() => {
                        let place = atoms.iter().position(|atom| *atom == value);
                        let place = place.unwrap_or(atoms.len()) as f64;
                        all.push(if value.is_nan() { value } else { place });
                    }
                    _ if value.is_nan() => all.extend([value, value]),
                    atoms => match atoms.iter().position(|atom| *atom == value) {
                        Some(place) => all.extend([place as f64, f64::NAN]),
                        None => all.extend([atoms.len() as f64, column.inside(value)]),
                    },
                }
            }
        }
        all
    }

    /// The values of the learned columns, `[C]`, of what a model has of a row, `[D]`.
    pub fn contracted(&self, row: &[f64]) -> Vec<f64> {
        let mut values = row.iter().copied();
        let mut next = || values.next().unwrap_or(f64::NAN);
        let value = |column: &TableColumn| match column.atoms() {
            [] => column.outside(next()),
            atoms => {
                let which = next();
                // Where there are no others, a number that is none of them is not known any more.
                let number = if column.has_no_others() { f64::NAN } else { column.outside(next()) };
                // Of a missing number the first thing is missing, too.
                let place = which.round().max(0.0) as usize;
                if which.is_nan() { which } else { atoms.get(place).copied().unwrap_or(number) }
            }
        };
        self.learned().map(value).collect()
    }

    /// What a model sees, in its own units.
    pub(crate) fn plain_columns(&self) -> Columns {
        let column = |slot: Slot<'_>| match slot {
            Slot::Whole(column) | Slot::Rest(column) if !column.is_discrete() => {
                Column { map: column.quantiles().cloned().map(Arc::new), ..Column::default() }
            }
            _ => Column { kind: ColumnKind::Discrete, ..Column::default() },
        };
        Columns::each(self.slots().map(column).collect())
    }

    /// The values that have a density and are seen by their spread: by their places in what a model has of a row, and among
    /// the learned columns.
    pub(in crate::data) fn densities(&self) -> Vec<[usize; 2]> {
        let of = self.cells_of_values();
        let has = |slot: Slot<'_>| match slot {
            Slot::Atom(..) => false,
            Slot::Whole(column) | Slot::Rest(column) => {
                let is_number = matches!(column.cells, Cells::Number(_));
                is_number && !column.is_discrete() && column.quantiles().is_none()
            }
        };
        let places = self.slots().zip(of).enumerate().filter(|(_, (slot, _))| has(*slot));
        places.map(|(place, (_, j))| [place, j]).collect()
    }

    /// The same, of which learned column `j`, of numbers, is seen by this map.
    pub(in crate::data) fn with_quantiles(mut self, j: usize, map: Quantiles) -> Self {
        let column = self.columns.iter_mut().filter(|column| column.is_learned()).nth(j);
        if let Some(TableColumn { cells: Cells::Number(scale), .. }) = column {
            scale.quantiles = Some(map);
        }
        self
    }

    /// The share of rows in which each value that a model has is taken from samples, so that cells are missing in them as in
    /// the data, `[D]`. Without the first value of two there is no cell.
    pub fn shares_missing(&self) -> Vec<f64> {
        let share = |slot: Slot<'_>| match slot {
            Slot::Whole(column) | Slot::Atom(column, _) => column.missing,
            Slot::Rest(_) => 0.0,
        };
        self.slots().map(share).collect()
    }

    /// Of which learned column, counted from 0, each value is that a model has of a row, `[D]`.
    pub fn cells_of_values(&self) -> Vec<usize> {
        // A column begins where its number alone does not.
        let begins = self.slots().map(|slot| !matches!(slot, Slot::Rest(_)));
        let count = begins.scan(0, |count, begins| {
            *count += usize::from(begins);
            Some(*count - 1)
        });
        count.collect()
    }

    /// What that is called.
    pub(in crate::data) fn names(&self) -> Vec<String> {
        let name = |slot: Slot<'_>| match slot {
            Slot::Whole(column) | Slot::Rest(column) => column.name.clone(),
            Slot::Atom(column, _) if column.has_no_others() => column.name.clone(),
            Slot::Atom(column, _) => format!("{} (which)", column.name),
        };
        self.slots().map(name).collect()
    }

    /// The units in which a model sees the learned columns.
    ///
    /// # Errors
    /// If a column is spread too widely for double precision.
    pub(in crate::data) fn units(&self, statistics: &Statistics) -> Result<Vec<Unit>> {
        let (means, variances) = (statistics.means(), statistics.variances());
        let of = self.slots().zip(means.iter().zip(&variances));
        let units = of.map(|(slot, (mean, variance))| match slot {
            Slot::Atom(..) => (0.0, 1.0),
            Slot::Whole(column) | Slot::Rest(column) => column.unit(*mean, variance.sqrt()),
        });
        let (shifts, scales): (Vec<_>, Vec<_>) = units.unzip();
        Unit::all(&shifts, &scales)
    }

    /// The likelihood of the learned columns in these units, each with its missing cells left out. Of so many rows, as
    /// many components as they can teach.
    pub fn likelihood(&self, rows: usize) -> String {
        let components = match rows {
            ..500 => 2,
            500..5000 => 3,
            _ => 5,
        };
        let mut text = "columns:".to_owned();
        let count = self.width();
        for (j, slot) in self.slots().enumerate() {
            let range = if j + 1 == count { format!("{}-", j + 1) } else { format!("{}", j + 1) };
            let likelihood = match slot {
                Slot::Atom(_, 2) => "bernoulli".to_owned(),
                Slot::Atom(_, n) => format!("(categorical:classes={n})"),
                Slot::Whole(column) | Slot::Rest(column) => column.likelihood(components),
            };
            let comma = if j > 0 { "," } else { "" };
            let _ = write!(text, "{comma}{range}=(masked:of={likelihood})");
        }
        text
    }
}
