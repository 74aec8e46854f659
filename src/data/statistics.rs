//! What the values of each column have in common: mean, spread and range, in one pass.
//!
//! ```text
//! Shapes    x [D]; mean, variance [D]
//! Numerics  mean and spread by Welford's recurrence in f64, which does not cancel for columns like 10⁹ ± 1
//! Source    Welford 1962
//! ```

use super::column::Unit;
use super::part::LoneCell;
use crate::error::Result;

/// What is known of the values of some rows' columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    rows: usize,
    /// How many cells of each column are missing.
    gaps: Vec<usize>,
    sum: Vec<f64>,
    mean: Vec<f64>,
    squares: Vec<f64>,
    least: Vec<f64>,
    largest: Vec<f64>,
}

impl Statistics {
    /// Nothing, of rows of `width` values.
    pub(super) fn new(width: usize) -> Self {
        Statistics {
            rows: 0,
            gaps: vec![0; width],
            sum: vec![0.0; width],
            mean: vec![0.0; width],
            squares: vec![0.0; width],
            least: vec![f64::INFINITY; width],
            largest: vec![f64::NEG_INFINITY; width],
        }
    }

    /// One more row, `[D]`; NaN is a missing cell, which does not count.
    pub(super) fn add(&mut self, row: &[f64]) {
        self.rows += 1;
        if row.iter().any(|v| v.is_nan()) || self.gaps.iter().any(|gaps| *gaps > 0) {
            row.iter().enumerate().for_each(|(j, v)| self.add_cell(j, *v));
            return;
        }
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

    fn add_cell(&mut self, j: usize, v: f64) {
        if v.is_nan() {
            self.gaps[j] += 1;
            return;
        }
        self.sum[j] += v;
        let away = v - self.mean[j];
        self.mean[j] += away / (self.rows - self.gaps[j]) as f64;
        self.squares[j] += away * (v - self.mean[j]);
        self.least[j] = self.least[j].min(v);
        self.largest[j] = self.largest[j].max(v);
    }

    /// How many cells of a column there are; of one without any, 1.
    fn cells(&self, j: usize) -> f64 {
        (self.rows - self.gaps[j]).max(1) as f64
    }

    /// The mean of each column, `[D]`; 0 of one without cells.
    pub fn means(&self) -> Vec<f64> {
        self.sum.iter().enumerate().map(|(j, s)| s / self.cells(j)).collect()
    }

    /// The variance of each column, `[D]`.
    pub fn variances(&self) -> Vec<f64> {
        self.squares.iter().enumerate().map(|(j, s)| s / self.cells(j)).collect()
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

    /// The units of each column's spread around its mean; a constant column, which has none, keeps its scale.
    ///
    /// # Errors
    /// If a column is spread too widely for double precision.
    pub fn units(&self) -> Result<Vec<Unit>> {
        let mut scales: Vec<f64> = self.variances().into_iter().map(f64::sqrt).collect();
        for j in self.constant() {
            scales[j] = 1.0;
        }
        Unit::all(&self.mean, &scales)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(rows: &[[f64; 3]]) -> Statistics {
        let mut statistics = Statistics::new(3);
        rows.iter().for_each(|r| statistics.add(r));
        statistics
    }

    #[test]
    fn mean_and_spread_survive_a_large_offset() {
        let found = statistics(&[[1e9, -1.0, 5.0], [1e9 + 1.0, 0.0, 5.0], [1e9 + 2.0, 1.0, 5.0]]);
        let units = found.units().unwrap();
        let [shifts, scales] = [Unit::shift, Unit::scale]
            .map(|of: fn(&Unit) -> f64| units.iter().map(of).collect::<Vec<_>>());
        let spread = (2f64 / 3.0).sqrt();
        assert_eq!(shifts, [1e9 + 1.0, 0.0, 5.0]);
        assert!((scales[0] - spread).abs() < 1e-12, "{units:?}");
        assert!((scales[1] - spread).abs() < 1e-15);
        assert_eq!(scales[2], 1.0);
        assert_eq!(found.constant(), [2]);
        assert_eq!(found.means(), [1e9 + 1.0, 0.0, 5.0]);
    }

    /// A column of 177 zeros with a 2 in it; one that is spread evenly; one without any spread.
    #[test]
    fn a_cell_that_is_its_columns_variance_is_found() {
        let mut rows = vec![[0.0, 0.0, 5.0]; 178];
        rows.iter_mut().enumerate().for_each(|(i, row)| row[1] = i as f64);
        rows[40][0] = 2.0;
        let cells = statistics(&rows).lone_cells();
        let [cell] = cells[..] else { panic!("{cells:?}") };
        assert_eq!((cell.column, cell.value), (0, 2.0));
        assert!((cell.spreads - 177f64.sqrt()).abs() < 1e-9 && (cell.share - 1.0).abs() < 1e-9);
        // Two such cells share it, and of a few rows one is always far out.
        rows[41][0] = 2.0;
        assert!(statistics(&rows).lone_cells().is_empty());
        assert!(statistics(&rows[100..110]).lone_cells().is_empty());
        rows[100][0] = 2.0;
        assert!(statistics(&rows[100..110]).lone_cells().is_empty());
    }

    #[test]
    fn a_spread_beyond_double_precision_is_refused() {
        let wide = statistics(&[[1e300, 0.0, 0.0], [-1e300, 0.0, 0.0]]);
        assert!(wide.units().unwrap_err().to_string().contains("column 1 "));
    }
}
