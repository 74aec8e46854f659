//! Columns in their own units, and in units of their spread.
//!
//! ```text
//! Shapes    x, u [D]; mean m, scale s > 0 [D]
//! Forward   u_j = (x_j − m_j) / s_j                     what the model sees
//! Inverse   x_j = m_j + s_j u_j                         what a person sees
//! Density   log p(x) = log p(u) − Σ_j ln s_j            du/dx is diagonal with 1/s_j
//! Fit       m = mean, s = standard deviation of the column over the training rows; a constant
//!           column has no spread and keeps s = 1
//! Numerics  mean and spread by Welford's recurrence in f64, which does not cancel for columns
//!           like 10⁹ ± 1; u is rounded to the model's precision only after the subtraction
//! Source    change of variables; Welford 1962
//! ```
//!
//! A likelihood of independent columns then treats a column in millimetres and one in tonnes alike,
//! and the densities that are reported are those of the data's own units all the same.

use super::part::LoneCell;
use crate::error::{Error, Result};

/// What is known of the columns of some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    rows: usize,
    sum: Vec<f64>,
    mean: Vec<f64>,
    squares: Vec<f64>,
    least: Vec<f64>,
    largest: Vec<f64>,
}

impl Columns {
    /// Nothing, of rows of `width` values.
    pub(super) fn new(width: usize) -> Self {
        Columns {
            rows: 0,
            sum: vec![0.0; width],
            mean: vec![0.0; width],
            squares: vec![0.0; width],
            least: vec![f64::INFINITY; width],
            largest: vec![f64::NEG_INFINITY; width],
        }
    }

    /// One more row, `[D]`.
    pub(super) fn add(&mut self, row: &[f64]) {
        self.rows += 1;
        let share = 1.0 / self.rows as f64;
        let width = row.len();
        let (sum, mean, squares) =
            (&mut self.sum[..width], &mut self.mean[..width], &mut self.squares[..width]);
        let (least, largest) = (&mut self.least[..width], &mut self.largest[..width]);
        for (j, &v) in row.iter().enumerate() {
            sum[j] += v;
            let away = v - mean[j];
            mean[j] += away * share;
            squares[j] += away * (v - mean[j]);
            least[j] = least[j].min(v);
            largest[j] = largest[j].max(v);
        }
    }

    /// The mean of each column, `[D]`.
    pub fn means(&self) -> Vec<f64> {
        self.sum.iter().map(|s| s / self.rows as f64).collect()
    }

    /// The variance of each column, `[D]`.
    pub fn variances(&self) -> Vec<f64> {
        self.squares.iter().map(|s| s / self.rows as f64).collect()
    }

    /// The cells without which their columns' variance would be less than half; their rows are not known
    /// here, and 0. Nearer than five spreads to the mean there is none: of few rows, one is always a large
    /// share.
    pub(super) fn lone_cells(&self) -> Vec<LoneCell> {
        let n = self.rows as f64;
        let extremes = self.least.iter().zip(&self.largest).enumerate();
        let cells = extremes.flat_map(|(column, (&least, &largest))| {
            let (mean, squares) = (self.mean[column], self.squares[column]);
            [least, largest].map(|value| LoneCell {
                row: 0,
                column,
                value,
                spreads: (value - mean).abs() / (squares / n).sqrt(),
                // Σ (x − m)² loses (v − m)² n/(n − 1) with v, the mean moving too.
                share: ((value - mean) / squares) * (value - mean) * (n / (n - 1.0)),
            })
        });
        cells.filter(|cell| cell.share > 0.5 && cell.spreads >= 5.0).collect()
    }

    /// The columns that have the same value in every row.
    pub fn constant(&self) -> Vec<usize> {
        let columns = self.least.iter().zip(&self.largest).enumerate();
        columns.filter(|(_, (least, largest))| least == largest).map(|(j, _)| j).collect()
    }
}

/// The units in which a model sees its columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaler {
    mean: Vec<f64>,
    scale: Vec<f64>,
}

impl Scaler {
    /// Units of `scale` around `mean`, `[D]` each.
    ///
    /// # Errors
    /// If the two differ in length, a number is not finite, or a scale is not above 0.
    pub fn new(mean: Vec<f64>, scale: Vec<f64>) -> Result<Self> {
        let bad = |message: String| Err(Error::setting("standardize", message));
        if mean.len() != scale.len() {
            return bad(format!("{} means for {} scales", mean.len(), scale.len()));
        }
        // A subnormal scale has no reciprocal.
        match mean
            .iter()
            .zip(&scale)
            .position(|(m, s)| !(m.is_finite() && s.is_normal() && *s > 0.0))
        {
            None => Ok(Scaler { mean, scale }),
            Some(j) => bad(format!(
                "column {} has mean {:e} and spread {:e}, which cannot be standardised: rescale \
                 it, or leave it out",
                j + 1,
                mean[j],
                scale[j]
            )),
        }
    }

    /// Mean and standard deviation of each column; constant columns keep their unit.
    ///
    /// # Errors
    /// If a column is spread too widely for double precision.
    pub fn fit(columns: &Columns) -> Result<Self> {
        let mut scale: Vec<f64> = columns.variances().into_iter().map(f64::sqrt).collect();
        for j in columns.constant() {
            scale[j] = 1.0;
        }
        Scaler::new(columns.mean.clone(), scale)
    }

    /// Width D of a row.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// The columns' means, `[D]`.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The columns' scales, `[D]`.
    pub fn scale(&self) -> &[f64] {
        &self.scale
    }

    /// u of column `j`'s value `x`.
    #[inline(always)]
    pub fn apply(&self, j: usize, x: f64) -> f64 {
        (x - self.mean[j]) / self.scale[j]
    }

    /// x of column `j`'s value `u`.
    #[inline(always)]
    pub fn undo(&self, j: usize, u: f64) -> f64 {
        self.mean[j] + self.scale[j] * u
    }

    /// Σ_j ln s_j in nats: what a log-density in the model's units has too much.
    pub fn log_volume(&self) -> f64 {
        self.scale.iter().map(|s| s.ln()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(rows: &[[f64; 3]]) -> Columns {
        let mut columns = Columns::new(3);
        rows.iter().for_each(|r| columns.add(r));
        columns
    }

    #[test]
    fn mean_and_spread_survive_a_large_offset() {
        let found = columns(&[[1e9, -1.0, 5.0], [1e9 + 1.0, 0.0, 5.0], [1e9 + 2.0, 1.0, 5.0]]);
        let scaler = Scaler::fit(&found).unwrap();
        let spread = (2f64 / 3.0).sqrt();
        assert_eq!(scaler.mean(), [1e9 + 1.0, 0.0, 5.0]);
        assert!((scaler.scale()[0] - spread).abs() < 1e-12, "{scaler:?}");
        assert!((scaler.scale()[1] - spread).abs() < 1e-15);
        assert_eq!(scaler.scale()[2], 1.0);
        assert_eq!(found.constant(), [2]);
        assert_eq!(found.means(), [1e9 + 1.0, 0.0, 5.0]);
    }

    /// A column of 177 zeros with a 2 in it; one that is spread evenly; one without any spread.
    #[test]
    fn a_cell_that_is_its_columns_variance_is_found() {
        let mut rows = vec![[0.0, 0.0, 5.0]; 178];
        rows.iter_mut().enumerate().for_each(|(i, row)| row[1] = i as f64);
        rows[40][0] = 2.0;
        let cells = columns(&rows).lone_cells();
        let [cell] = cells[..] else { panic!("{cells:?}") };
        assert_eq!((cell.column, cell.value), (0, 2.0));
        assert!((cell.spreads - 177f64.sqrt()).abs() < 1e-9 && (cell.share - 1.0).abs() < 1e-9);
        // Two such cells share it, and of a few rows one is always far out.
        rows[41][0] = 2.0;
        assert!(columns(&rows).lone_cells().is_empty());
        assert!(columns(&rows[100..110]).lone_cells().is_empty());
        rows[100][0] = 2.0;
        assert!(columns(&rows[100..110]).lone_cells().is_empty());
    }

    #[test]
    fn undoing_is_the_inverse_and_the_volume_is_its_logarithm() {
        let scaler = Scaler::new(vec![3.0, -2.0], vec![4.0, 0.5]).unwrap();
        assert_eq!([scaler.apply(0, 11.0), scaler.undo(0, 2.0)], [2.0, 11.0]);
        assert!((scaler.log_volume() - 2f64.ln()).abs() < 1e-15);
    }

    #[test]
    fn what_has_no_unit_is_refused() {
        let refused = |m, s| Scaler::new(vec![m], vec![s]).unwrap_err().to_string();
        for (m, s) in
            [(f64::NAN, 1.0), (0.0, 0.0), (0.0, -1.0), (0.0, f64::INFINITY), (0.0, 1e-310)]
        {
            assert!(refused(m, s).contains("column 1 "));
        }
        assert!(Scaler::new(vec![1.0], vec![]).is_err());
        let wide = columns(&[[1e300, 0.0, 0.0], [-1e300, 0.0, 0.0]]);
        assert!(Scaler::fit(&wide).is_err());
    }
}
