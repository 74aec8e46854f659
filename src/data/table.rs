//! A table as people have it: columns of numbers, classes and dates, with cells that are missing.
//!
//! What a column is, how its cells become numbers and how numbers become cells again is said in one place, a
//! [`TableColumn`]. In memory a cell is an `f64`: the number, the place of its class among the levels, the seconds
//! since 1970 of a date; NaN where it is missing. From these follow the units in which a model sees the
//! columns ([`Table::units`]) and the likelihood that scores them ([`Table::likelihood`]):
//!
//! ```text
//! classes, and numbers of few steps      categorical:classes=K                    a probability
//! numbers on a lattice                   mixture:of=(discretized-logistic:…)      a probability of each step
//! other numbers                          mixture:of=logistic                      a density
//! ```
//!
//! A number on a lattice has steps that all cells are multiples of: whole numbers, prices in cents, round thousands. Where
//! some numbers come again and again (92 % zeros), a column is two to the model: which of these *atoms* it is, or none, a
//! class; and the number, which is missing where it is one. Then log p(x) = ln P(atom), or ln P(none) + log p(x|none). Few numbers
//! far apart that come often each are all atoms. Numbers with a density may be seen by their quantiles, where these describe
//! them better ([`Quantiles`]). What follows from a column for the model is in `slots.rs`.

#[cfg(feature = "cli")]
pub(super) mod dates;
mod named;
mod quantiles;
mod slots;

pub use named::Cell;
pub use quantiles::Quantiles;
pub use slots::Place;

use crate::error::{Error, Result};
use std::fmt::Write;

/// What a table's columns are.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "model-file", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "model-file", serde(deny_unknown_fields))]
pub struct Table {
    /// The columns, in the order of the file, those that are not learned among them.
    pub columns: Vec<TableColumn>,
    /// What stands in missing cells, if the user said it.
    #[cfg_attr(feature = "model-file", serde(default, skip_serializing_if = "Option::is_none"))]
    pub missing: Option<Vec<String>>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "model-file", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "model-file", serde(deny_unknown_fields))]
pub struct TableColumn {
    /// What stands above it.
    pub name: String,
    /// What its cells are.
    pub cells: Cells,
    /// The share of rows whose cell is missing.
    pub missing: f64,
    /// How a missing cell is written.
    pub spelled: String,
}

/// What the cells of a column are.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "model-file", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "model-file", serde(rename_all = "kebab-case", deny_unknown_fields))]
pub enum Cells {
    /// Numbers.
    Number(NumberScale),
    /// One of these; the last stands for rare ones, where these are so many.
    Class {
        /// What can stand in a cell.
        levels: Vec<String>,
        /// How many different rare ones the last level stands for; 0 for none.
        rare: u64,
    },
    /// Dates, or dates and times, in this format of `strftime`.
    Date {
        /// The format.
        format: String,
        /// In seconds since 1970.
        scale: NumberScale,
    },
    /// The same in every row; not learned, but written again.
    Constant {
        /// What stands there.
        text: String,
    },
    /// Names or numbers the rows; not learned.
    Key,
    /// Text that is no class; not learned.
    Text,
}

/// The numbers of a column.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "model-file", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "model-file", serde(deny_unknown_fields))]
pub struct NumberScale {
    /// The least number.
    pub least: f64,
    /// The largest number.
    pub most: f64,
    /// What all are the least plus a multiple of; 0 if there is nothing to speak of.
    pub step: f64,
    /// Digits behind the point, if all are written with so many at most.
    pub decimals: Option<u8>,
    /// Whether the point is a comma.
    pub comma: bool,
    /// The numbers that come so often that they have a probability of their own, in order.
    pub atoms: Vec<f64>,
    /// Whether there are no other numbers than the atoms.
    #[cfg_attr(feature = "model-file", serde(default, skip_serializing_if = "std::ops::Not::not"))]
    pub no_others: bool,
    /// By what the model sees them, where that describes them better than their spread.
    #[cfg_attr(feature = "model-file", serde(default, skip_serializing_if = "Option::is_none"))]
    pub quantiles: Option<Quantiles>,
}

/// Steps up to which numbers are scored as classes, and up to which as masses on a lattice.
const FEW: f64 = 20.0;
const MANY: f64 = 65_536.0;

impl NumberScale {
    /// How many numbers there are from the least to the largest, if they are on a lattice of not too many.
    fn levels(&self) -> Option<u32> {
        let levels = (self.most - self.least) / self.step + 1.0;
        (self.step > 0.0 && (2.0..=MANY).contains(&levels.round())).then(|| levels.round() as u32)
    }

    /// The number nearest to this that a cell can hold.
    fn nearest(&self, value: f64) -> f64 {
        let value = value.clamp(self.least, self.most);
        match self.step > 0.0 {
            true => self.least + ((value - self.least) / self.step).round() * self.step,
            false => value,
        }
    }

    fn text(&self, value: f64) -> String {
        let value = self.nearest(value);
        let text = match self.decimals {
            Some(decimals) => format!("{value:.*}", usize::from(decimals)),
            None => (value as f32).to_string(),
        };
        // Minus nothing is nothing.
        let text = if text.trim_start_matches('-').chars().all(|c| matches!(c, '0' | '.')) {
            text.trim_start_matches('-').to_owned()
        } else {
            text
        };
        if self.comma { text.replace('.', ",") } else { text }
    }
}

impl TableColumn {
    /// Whether a model learns it.
    pub fn is_learned(&self) -> bool {
        self.scale().is_some() || matches!(self.cells, Cells::Class { .. })
    }

    /// Its numbers, if it has such.
    fn scale(&self) -> Option<&NumberScale> {
        match &self.cells {
            Cells::Number(scale) | Cells::Date { scale, .. } => Some(scale),
            _ => None,
        }
    }

    /// How many classes there are; numbers have none.
    pub fn levels(&self) -> Option<usize> {
        match &self.cells {
            Cells::Class { levels, .. } => Some(levels.len()),
            _ => None,
        }
    }

    /// How many classes there are, or numbers that are as few.
    fn classes(&self) -> Option<u32> {
        match &self.cells {
            Cells::Class { levels, .. } => Some(levels.len() as u32),
            _ => self.scale()?.levels().filter(|levels| f64::from(*levels) <= FEW),
        }
    }

    /// Whether it is one of its atoms in every row.
    fn has_no_others(&self) -> bool {
        self.scale().is_some_and(|scale| scale.no_others) && !self.atoms().is_empty()
    }

    /// Whether a cell can hold this number: any, or one of those that there are.
    pub fn holds(&self, number: f64) -> bool {
        !self.has_no_others() || self.atoms().contains(&number)
    }

    /// Its atoms.
    fn atoms(&self) -> &[f64] {
        self.scale().filter(|_| self.classes().is_none()).map_or(&[], |scale| &scale.atoms)
    }

    /// Whether its likelihood is a probability, and no density.
    fn is_discrete(&self) -> bool {
        self.classes().is_some() || self.scale().is_some_and(|scale| scale.levels().is_some())
    }

    /// The map that a model sees its numbers by, if they have a density and one was found to be better.
    fn quantiles(&self) -> Option<&Quantiles> {
        self.scale()?.quantiles.as_ref().filter(|_| !self.is_discrete())
    }

    /// The number as it is inside, and as it is in the file.
    fn inside(&self, number: f64) -> f64 {
        self.quantiles().map_or(number, |map| map.apply(number))
    }

    fn outside(&self, number: f64) -> f64 {
        self.quantiles().map_or(number, |map| map.undo(number))
    }

    /// The unit in which a model sees it: classes by their place, a lattice from 0 to 1, other numbers by their spread.
    fn unit(&self, mean: f64, spread: f64) -> (f64, f64) {
        match (&self.cells, self.scale()) {
            (Cells::Class { .. }, _) | (_, None) => (0.0, 1.0),
            (_, Some(scale)) if self.classes().is_some() => (scale.least, scale.step),
            (_, Some(scale)) if scale.levels().is_some() => (scale.least, scale.most - scale.least),
            (_, Some(_)) => (mean, if spread > 0.0 { spread } else { 1.0 }),
        }
    }

    /// The likelihood of its values in these units.
    fn likelihood(&self, components: usize) -> String {
        match (self.classes(), self.scale().and_then(NumberScale::levels)) {
            (Some(2), _) => "bernoulli".to_owned(),
            (Some(n), _) => format!("(categorical:classes={n})"),
            (None, Some(n)) => {
                format!("(mixture:of=(discretized-logistic:levels={n}),components={components})")
            }
            (None, None) => format!("(mixture:of=logistic,components={components})"),
        }
    }

    /// The cell of a value, NaN for a missing one.
    pub fn text(&self, value: f64) -> String {
        match &self.cells {
            Cells::Constant { text } => text.clone(),
            Cells::Key | Cells::Text => String::new(),
            _ if value.is_nan() => self.spelled.clone(),
            Cells::Number(scale) => scale.text(value),
            Cells::Class { levels, .. } => {
                let last = levels.len().saturating_sub(1);
                levels[(value.round().max(0.0) as usize).min(last)].clone()
            }
            #[cfg(feature = "cli")]
            Cells::Date { format, scale } => dates::text(scale.nearest(value), format),
            #[cfg(not(feature = "cli"))]
            Cells::Date { scale, .. } => scale.text(value),
        }
    }

    /// What it is, for a person.
    pub fn describe(&self) -> String {
        let from_to = |scale: &NumberScale, text: &dyn Fn(f64) -> String| {
            let steps = match scale.levels() {
                Some(levels) => format!(", {levels} steps"),
                None => String::new(),
            };
            let often = match self.atoms() {
                [] => String::new(),
                atoms if self.has_no_others() => format!(", {} different ones", atoms.len()),
                atoms => {
                    let atoms: Vec<String> = atoms.iter().map(|v| text(*v)).collect();
                    format!(", often {}", atoms.join(", "))
                }
            };
            let seen = if self.quantiles().is_some() { ", seen by its quantiles" } else { "" };
            format!("{} … {}{steps}{often}{seen}", text(scale.least), text(scale.most))
        };
        match &self.cells {
            Cells::Number(scale) => {
                let kind = match scale.decimals {
                    Some(0) => "integer",
                    Some(n) => &format!("number of {n} decimals"),
                    None => "number",
                };
                format!("{kind}, {}", from_to(scale, &|v| scale.text(v)))
            }
            Cells::Class { levels, rare } => {
                const SHOWN: usize = 6;
                let mut text = format!("{} classes: ", levels.len());
                text += &levels.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
                if levels.len() > SHOWN {
                    text += ", …";
                }
                if *rare > 0 {
                    let _ = write!(text, " (the last stands for {rare} rare ones)");
                }
                text
            }
            Cells::Date { format, scale } => {
                format!("date ({format}), {}", from_to(scale, &|v| self.text(v)))
            }
            Cells::Constant { text } => format!("constant: {text}"),
            Cells::Key => "key: names or numbers the rows, not learned".to_owned(),
            Cells::Text => "text: no classes, not learned".to_owned(),
        }
    }
}

impl Table {
    /// The columns that a model learns, in order.
    pub fn learned(&self) -> impl Iterator<Item = &TableColumn> {
        self.columns.iter().filter(|column| column.is_learned())
    }

    /// The columns that can be written again: all but keys and text.
    pub fn written(&self) -> impl Iterator<Item = &TableColumn> {
        self.columns.iter().filter(|column| !matches!(column.cells, Cells::Key | Cells::Text))
    }

    /// Which learned columns of numbers or dates have missing cells, counted from 0.
    pub fn with_intervals(&self) -> Vec<usize> {
        let has =
            |(_, column): &(usize, &TableColumn)| column.scale().is_some() && column.missing > 0.0;
        self.learned().enumerate().filter(has).map(|(j, _)| j).collect()
    }

    /// The cells of a row, of what a model has of it, `[D]`.
    pub fn cells(&self, row: &[f64]) -> Vec<String> {
        self.cells_of(&self.contracted(row))
    }

    /// The cells of a row, of the values of the learned columns, `[C]`.
    pub fn cells_of(&self, values: &[f64]) -> Vec<String> {
        self.cells_in(self.written(), values, "")
    }

    /// The columns of [`Self::cells_with_keys`]: all but text.
    pub fn with_keys(&self) -> impl Iterator<Item = &TableColumn> {
        self.columns.iter().filter(|column| column.cells != Cells::Text)
    }

    /// The cells of a row, of what a model has of it, `[D]`, with this key in the columns that name or number rows.
    pub fn cells_with_keys(&self, row: &[f64], key: &str) -> Vec<String> {
        self.cells_in(self.with_keys(), &self.contracted(row), key)
    }

    fn cells_in<'a>(
        &self,
        columns: impl Iterator<Item = &'a TableColumn>,
        values: &[f64],
        key: &str,
    ) -> Vec<String> {
        let mut values = values.iter().copied();
        let cell = |column: &TableColumn| match column.cells {
            Cells::Key => key.to_owned(),
            _ if column.is_learned() => column.text(values.next().unwrap_or(f64::NAN)),
            _ => column.text(f64::NAN),
        };
        columns.map(cell).collect()
    }

    /// Checks that the numbers are such: of a file that may be forged.
    ///
    /// # Errors
    /// Names the first column that is none.
    pub fn check(&self) -> Result<()> {
        let sound = |column: &&TableColumn| match (&column.cells, column.scale()) {
            (Cells::Class { levels, .. }, _) => !levels.is_empty(),
            #[cfg(feature = "cli")]
            (Cells::Date { format, .. }, _) if !dates::FORMATS.contains(&&**format) => false,
            (_, Some(s)) => {
                [s.least, s.most, s.step].iter().all(|v| v.is_finite())
                    && s.least <= s.most
                    && s.step >= 0.0
                    && s.quantiles.as_ref().is_none_or(|map| map.check().is_ok())
            }
            _ => true,
        };
        match self.columns.iter().find(|column| !sound(column)) {
            None => Ok(()),
            Some(column) => {
                let message = format!("the column `{}` has no cells that can be", column.name);
                Err(Error::setting("table", message))
            }
        }
    }
}
