//! What a dataset's columns are: their names, what their values are, and the units in which a model sees
//! them.
//!
//! ```text
//! Shapes    x, u [D]; of each column a shift m and a scale s > 0
//! Forward   u_j = (x_j − m_j) / s_j                     what the model sees
//! Inverse   x_j = m_j + s_j u_j                         what a person sees
//! Density   log p(x) = log p(u) − Σ_j ln s_j            du/dx is diagonal with 1/s_j; of the values that are there
//! Numerics  u is rounded to the model's precision only after the subtraction
//! Source    change of variables
//! ```
//!
//! A likelihood of independent columns then treats a column in millimetres and one in tonnes alike, and the
//! densities that are reported are those of the data's own units all the same.

use super::table::Quantiles;
use crate::error::{Error, Result};
use crate::real::Real;
use ndarray::{ArrayView1, ArrayView2};
use std::ops::Index;
use std::sync::Arc;

/// A column of a dataset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Column {
    /// What it is called.
    pub name: Name,
    /// What its values are.
    pub kind: ColumnKind,
    /// The unit in which the model sees it, if not in its own.
    pub unit: Option<Unit>,
    /// The map that made its values of those of a table, if these are seen by their quantiles.
    pub map: Option<Arc<Quantiles>>,
}

/// What a column is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Name {
    /// Its place among the others says which it is.
    #[default]
    Place,
    /// The text above it in its file.
    Text(String),
    /// Its number from 1 in its file, a table without names, of which not all columns need be here.
    Number(usize),
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColumnKind {
    /// Numbers of any size.
    #[default]
    Number,
    /// Pixels from 0 to 1: bytes, or numbers from pictures of more bits.
    Pixel,
    /// Classes, or numbers on a lattice, that a likelihood gives probabilities, in whatever unit.
    Discrete,
}

/// A unit: u = (x − shift) / scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    shift: f64,
    scale: f64,
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Name::Text(text)
    }
}

impl From<usize> for Name {
    fn from(number: usize) -> Self {
        Name::Number(number)
    }
}

impl Unit {
    /// The units of columns with these shifts and scales, `[D]` each.
    ///
    /// # Errors
    /// If the two differ in length, a number is not finite, or a scale is not above 0.
    pub fn all(shifts: &[f64], scales: &[f64]) -> Result<Vec<Self>> {
        let bad = |message: String| Err(Error::setting("standardize", message));
        if shifts.len() != scales.len() {
            return bad(format!("{} means for {} scales", shifts.len(), scales.len()));
        }
        let units = shifts.iter().zip(scales).map(|(&shift, &scale)| Unit { shift, scale });
        let units = units.collect::<Vec<_>>();
        // A subnormal scale has no reciprocal.
        let sound = |u: &Unit| u.shift.is_finite() && u.scale.is_normal() && u.scale > 0.0;
        match units.iter().position(|unit| !sound(unit)) {
            None => Ok(units),
            Some(j) => bad(format!(
                "column {} has mean {:e} and spread {:e}, which cannot be standardised: rescale \
                 it, or leave it out",
                j + 1,
                units[j].shift,
                units[j].scale
            )),
        }
    }

    /// m, the x that is 0 to the model.
    pub fn shift(&self) -> f64 {
        self.shift
    }

    /// s, how far apart the x are that are 0 and 1 to the model.
    pub fn scale(&self) -> f64 {
        self.scale
    }
}

impl Column {
    /// u of the value `x`: what the model sees.
    #[inline(always)]
    pub fn apply(&self, x: f64) -> f64 {
        self.unit.map_or(x, |unit| (x - unit.shift) / unit.scale)
    }

    /// x of what the model sees as `u`.
    #[inline(always)]
    pub fn undo(&self, u: f64) -> f64 {
        self.unit.map_or(u, |unit| unit.shift + unit.scale * u)
    }

    /// The text that it is called by, if it is called so.
    pub fn text(&self) -> Option<&str> {
        match &self.name {
            Name::Text(text) => Some(text),
            Name::Place | Name::Number(_) => None,
        }
    }
}

/// The columns of some rows, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    width: usize,
    /// One for each; or one that stands for all, where nothing tells them apart: a picture may have millions.
    each: Vec<Column>,
}

impl Columns {
    /// `width` columns that nothing tells apart.
    pub fn alike(width: usize, kind: ColumnKind) -> Self {
        Columns { width, each: vec![Column { kind, ..Column::default() }] }
    }

    /// These columns.
    pub fn each(each: Vec<Column>) -> Self {
        Columns { width: each.len(), each }
    }

    /// The same columns with these names.
    ///
    /// # Errors
    /// If there are more or fewer names than columns.
    pub fn with_names<N: Into<Name>>(mut self, names: Vec<N>) -> Result<Self> {
        if names.len() != self.width {
            let message = format!("{} names for {} columns", names.len(), self.width);
            return Err(Error::setting("data", message));
        }
        self.apart().iter_mut().zip(names).for_each(|(column, name)| column.name = name.into());
        Ok(self)
    }

    /// The same columns in these units.
    ///
    /// # Errors
    /// If there are more or fewer units than columns.
    pub fn with_units(mut self, units: &[Unit]) -> Result<Self> {
        if units.len() != self.width {
            let (found, wanted) = (self.width, units.len());
            let message = format!("rows of {found} values do not fit {wanted} columns' units");
            return Err(Error::setting("standardize", message));
        }
        self.apart().iter_mut().zip(units).for_each(|(column, unit)| column.unit = Some(*unit));
        Ok(self)
    }

    /// The same columns, whose values are all of this kind.
    #[cfg(feature = "cli")] // pictures alone need it
    pub(super) fn of_kind(mut self, kind: ColumnKind) -> Self {
        self.each.iter_mut().for_each(|column| column.kind = kind);
        self
    }

    /// One for each.
    fn apart(&mut self) -> &mut [Column] {
        if self.each.len() != self.width {
            self.each = vec![self.each[0].clone(); self.width];
        }
        &mut self.each
    }

    /// How many there are, the width D of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Column> {
        (0..self.width).map(|j| &self[j])
    }

    /// The texts that they are called by, if all are called so.
    pub fn texts(&self) -> Option<Vec<&str>> {
        self.iter().map(Column::text).collect()
    }

    /// Their numbers from 1 in their file, if these are what they are called.
    pub fn numbers(&self) -> Option<Vec<usize>> {
        let number = |column: &Column| match column.name {
            Name::Number(number) => Some(number),
            Name::Place | Name::Text(_) => None,
        };
        self.iter().map(number).collect()
    }

    /// The units in which the model sees them, if not in their own.
    pub fn units(&self) -> Option<Vec<Unit>> {
        self.iter().map(|column| column.unit).collect()
    }

    /// Whether the model sees them in other units than their own: all of them or none.
    pub fn have_units(&self) -> bool {
        self.each.first().is_some_and(|column| column.unit.is_some())
    }

    /// The same columns, if they [have units](Self::have_units): where there are none, no value need ask.
    pub(crate) fn scaled(&self) -> Option<&Self> {
        Some(self).filter(|columns| columns.have_units())
    }

    /// Whether all are pixels.
    pub fn are_pixels(&self) -> bool {
        self.each.iter().all(|column| column.kind == ColumnKind::Pixel)
    }

    /// What log-densities of rows in the model's units are too large by.
    pub fn volume(&self) -> Volume {
        let dense = self.iter().enumerate().filter(|(_, c)| c.kind != ColumnKind::Discrete);
        let changed = dense.filter(|(_, column)| column.unit.is_some() || column.map.is_some());
        let volume = |(j, column): (usize, &Column)| {
            (j, column.unit.map_or(0.0, |unit| unit.scale.ln()), column.clone())
        };
        let is_any = self.each.iter().any(|c| c.unit.is_some() || c.map.is_some());
        Volume { columns: if is_any { changed.map(volume).collect() } else { Vec::new() } }
    }
}

/// What log-densities of rows in the model's units are too large by: Σ_j ln s_j over the columns that have a density, and
/// of these the values that are not missing; of a column that is seen by its quantiles less ln du/dx of the map.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// Places, ln s and columns.
    columns: Vec<(usize, f64, Column)>,
}

impl Volume {
    /// Of a row, `[D]`, in nats.
    pub fn of_row<T: Real>(&self, row: &[T]) -> f64 {
        self.of_values(row, |_| true)
    }

    /// Of the values of a row, `[D]`, at these places, in nats.
    pub fn of_values<T: Real>(&self, row: &[T], are: impl Fn(usize) -> bool) -> f64 {
        let there = self.columns.iter().filter(|(j, ..)| are(*j) && !row[*j].is_nan());
        let of = |(j, log_scale, column): &(usize, f64, Column)| match &column.map {
            None => *log_scale,
            Some(map) => log_scale - map.log_derivative(map.undo(column.undo(row[*j].to_f64()))),
        };
        there.map(of).sum()
    }

    /// The mean of these rows, `[N, D]`, in nats.
    ///
    /// # Panics
    /// If the rows are not in standard layout.
    pub fn of_rows<T: Real>(&self, rows: &ArrayView2<T>) -> f64 {
        if self.columns.is_empty() {
            return 0.0;
        }
        let rows = rows.rows().into_iter();
        let count = rows.len() as f64;
        let of =
            |row: ArrayView1<T>| self.of_row(row.to_slice().expect("rows are in standard layout"));
        rows.map(of).sum::<f64>() / count
    }
}

impl Index<usize> for Columns {
    type Output = Column;

    /// Column `j`, from 0.
    #[inline(always)]
    fn index(&self, j: usize) -> &Column {
        debug_assert!(j < self.width, "column {j} of {}", self.width);
        if let [all] = &self.each[..] { all } else { &self.each[j] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn two(shifts: [f64; 2], scales: [f64; 2]) -> Columns {
        let units = Unit::all(&shifts, &scales).unwrap();
        Columns::alike(2, ColumnKind::Number).with_units(&units).unwrap()
    }

    #[test]
    fn undoing_is_the_inverse_and_the_volume_is_its_logarithm() {
        let columns = two([3.0, -2.0], [4.0, 0.5]);
        assert_eq!([columns[0].apply(11.0), columns[0].undo(2.0)], [2.0, 11.0]);
        assert_eq!([columns[1].apply(-1.0), columns[1].undo(2.0)], [2.0, -1.0]);
        let volume = columns.volume();
        assert!((volume.of_row(&[1.0, 2.0]) - 2f64.ln()).abs() < 1e-15);
        // A value that is missing has no density.
        let of_gap = [4f64.ln(), 0.5f64.ln(), 0.0];
        for (row, right) in [[1.0, f64::NAN], [f64::NAN, 1.0], [f64::NAN; 2]].iter().zip(of_gap) {
            assert_eq!(volume.of_row(row), right);
        }
        let rows = array![[1.0, 2.0], [1.0, f64::NAN]];
        assert!((volume.of_rows(&rows.view()) - 0.5 * (2f64.ln() + 4f64.ln())).abs() < 1e-15);
        // In its own unit a column is what it is.
        let own = Column::default();
        assert_eq!([own.apply(11.0), own.undo(-0.5)], [11.0, -0.5]);
        assert_eq!(Columns::alike(3, ColumnKind::Pixel).volume().of_row(&[0.5; 3]), 0.0);
    }

    #[test]
    fn what_has_no_unit_is_refused() {
        let refused = |m, s| Unit::all(&[m], &[s]).unwrap_err().to_string();
        for (m, s) in
            [(f64::NAN, 1.0), (0.0, 0.0), (0.0, -1.0), (0.0, f64::INFINITY), (0.0, 1e-310)]
        {
            assert!(refused(m, s).contains("column 1 "));
        }
        assert!(Unit::all(&[1.0], &[]).is_err());
        let one = Unit::all(&[0.0], &[1.0]).unwrap();
        let error = Columns::alike(2, ColumnKind::Number).with_units(&one).unwrap_err();
        assert!(error.to_string().contains("rows of 2 values do not fit 1 columns"), "{error}");
    }

    #[test]
    fn columns_are_told_apart_by_what_they_get() {
        let alike = Columns::alike(2, ColumnKind::Pixel);
        assert!(alike.are_pixels() && !alike.have_units() && alike.units().is_none());
        assert_eq!((alike.texts(), alike.numbers(), alike.iter().count()), (None, None, 2));
        let named = alike.clone().with_names(vec!["a".to_owned(), "b".to_owned()]).unwrap();
        assert_eq!((named.texts(), named[1].text()), (Some(vec!["a", "b"]), Some("b")));
        assert!(named.are_pixels() && named.numbers().is_none());
        let numbered = alike.clone().with_names(vec![4, 1]).unwrap();
        assert_eq!((numbered.texts(), numbered.numbers()), (None, Some(vec![4, 1])));
        let both = named.with_units(&Unit::all(&[0.0; 2], &[1.0; 2]).unwrap()).unwrap();
        assert!(both.have_units() && both.texts().is_some() && both.units().unwrap().len() == 2);
        assert!(alike.with_names(vec![1]).is_err());
    }
}
