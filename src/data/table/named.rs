//! Rows of a table for a program: cells by name, in and out.

use super::{Cells, Table, TableColumn};
use crate::error::{Error, Result};

/// A cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing stands there.
    Missing,
    /// A number; of a date the seconds since 1970.
    Number(f64),
    /// A class.
    Class(String),
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        if number.is_nan() { Cell::Missing } else { Cell::Number(number) }
    }
}

impl From<&str> for Cell {
    fn from(class: &str) -> Self {
        Cell::Class(class.to_owned())
    }
}

impl TableColumn {
    /// The value of a cell; nothing of one that the column cannot have.
    fn value_of(&self, cell: &Cell) -> Option<f64> {
        match (cell, &self.cells) {
            (Cell::Missing, _) => Some(f64::NAN),
            (Cell::Number(number), Cells::Number(_) | Cells::Date { .. }) => {
                (number.is_finite() && self.holds(*number)).then_some(*number)
            }
            (Cell::Class(class), Cells::Class { levels, rare }) => {
                let rest = (*rare > 0).then(|| levels.len() - 1);
                levels.iter().position(|l| l == class).or(rest).map(|place| place as f64)
            }
            _ => None,
        }
    }

    /// The cell of a value, within the range and on the steps of the column.
    fn cell_of(&self, value: f64) -> Cell {
        match (&self.cells, self.scale()) {
            _ if value.is_nan() => Cell::Missing,
            (_, Some(scale)) => Cell::Number(scale.nearest(value)),
            _ => Cell::Class(self.text(value)),
        }
    }
}

impl Table {
    /// What a model has of a row, `[D]`, of which these cells are known: the others are missing.
    ///
    /// # Errors
    /// If the table learns no column of a name, one is named twice, or one cannot have its cell.
    pub fn row(&self, cells: &[(&str, Cell)]) -> Result<Vec<f64>> {
        let mut values = vec![f64::NAN; self.learned().count()];
        let mut seen = vec![false; values.len()];
        for (name, cell) in cells {
            let refuse = |message: String| Err(Error::setting(*name, message));
            let Some((j, column)) = self.learned().enumerate().find(|(_, c)| c.name == *name)
            else {
                return refuse("no column that is learned is called so".to_owned());
            };
            if std::mem::replace(&mut seen[j], true) {
                return refuse("is named twice".to_owned());
            }
            let Some(value) = column.value_of(cell) else {
                return refuse(format!("{cell:?} does not stand in it: {}", column.describe()));
            };
            values[j] = value;
        }
        Ok(self.expanded(&values))
    }

    /// The cells of a row, of what a model has of it, `[D]`, by the names of their columns.
    pub fn named(&self, row: &[f64]) -> Vec<(&str, Cell)> {
        let values = self.contracted(row);
        let cells = self.learned().zip(values);
        cells.map(|(column, value)| (column.name.as_str(), column.cell_of(value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::NumberScale;

    fn table() -> Table {
        let column = |name: &str, cells| TableColumn {
            name: name.to_owned(),
            cells,
            missing: 0.1,
            spelled: String::new(),
        };
        let fee = NumberScale {
            least: 0.0,
            most: 1000.0,
            step: 0.5,
            decimals: Some(1),
            comma: false,
            atoms: vec![0.0],
            quantiles: None,
            no_others: false,
        };
        let levels = ["Bonn", "Rome", "other"].map(str::to_owned).to_vec();
        Table {
            columns: vec![
                column("id", Cells::Key),
                column("town", Cells::Class { levels, rare: 7 }),
                column("fee", Cells::Number(fee)),
            ],
            missing: None,
        }
    }

    /// A fee of 0 is an atom, of which there are two values to the model.
    #[test]
    fn cells_go_in_and_come_out_by_name() {
        let table = table();
        let number = |row: &[f64]| {
            row.iter().map(|v| if v.is_nan() { -1.0 } else { *v }).collect::<Vec<_>>()
        };
        for (cells, row) in [
            (vec![("fee", 12.5.into()), ("town", "Rome".into())], [1.0, 1.0, 12.5]),
            (vec![("town", "Ulm".into()), ("fee", 0.0.into())], [2.0, 0.0, -1.0]),
            (vec![("fee", Cell::Missing)], [-1.0; 3]),
        ] {
            let found = table.row(&cells).unwrap();
            assert_eq!(number(&found), row);
            for (name, cell) in cells.iter().filter(|(_, cell)| *cell != "Ulm".into()) {
                assert!(table.named(&found).contains(&(*name, cell.clone())), "{cell:?}");
            }
        }
        // What a model makes comes out as a cell can be.
        let made = table.named(&[2.0, 1.0, 1000.7]);
        assert_eq!(made, [("town", "other".into()), ("fee", Cell::Number(1000.0))]);
        for (cells, says) in [
            (vec![("id", 1.0.into())], "id: no column"),
            (vec![("town", 1.0.into())], "town: Number(1.0) does not stand"),
            (vec![("fee", "much".into())], "fee: Class(\"much\") does not stand"),
            (vec![("fee", f64::INFINITY.into())], "fee: "),
            (vec![("fee", 1.0.into()), ("fee", 1.0.into())], "twice"),
        ] {
            let error = table.row(&cells).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
