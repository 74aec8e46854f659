//! A little statistics and linear algebra, independent of the crate.

use super::*;

/// A mean and its standard error.
#[derive(Debug)]
pub(crate) struct Mean {
    pub(crate) value: f64,
    pub(crate) error: f64,
}

impl Mean {
    pub(crate) fn of(draws: ArrayView1<f64>) -> Self {
        let n = draws.len() as f64;
        Mean { value: draws.mean().expect("at least one draw"), error: draws.std(1.0) / n.sqrt() }
    }

    pub(crate) fn meets(&self, exact: f64) -> bool {
        (self.value - exact).abs() <= ERRORS * self.error
    }
}

/// N(mean, covariance)
pub(crate) struct Normal {
    pub(crate) mean: Array1<f64>,
    pub(crate) covariance: Array2<f64>,
}

impl Normal {
    /// log N(x; m, C) = −½ (ln |2πC| + ‖L⁻¹(x − m)‖²) with C = LLᵀ, so that ln |C| = 2 Σ ln L_ii.
    pub(crate) fn log_density(&self, x: &ArrayView1<f64>) -> f64 {
        let l = cholesky(&self.covariance);
        let y = forward_substitution(&l, x - &self.mean);
        let ln_2pi = std::f64::consts::TAU.ln();
        -0.5 * (x.len() as f64 * ln_2pi + y.dot(&y)) - l.diag().ln().sum()
    }
}

/// The lower triangular L with LLᵀ = a, row by row.
pub(crate) fn cholesky(a: &Array2<f64>) -> Array2<f64> {
    let mut l = Array2::<f64>::zeros(a.dim());
    for i in 0..a.nrows() {
        for j in 0..=i {
            let rest = a[[i, j]] - (0..j).map(|k| l[[i, k]] * l[[j, k]]).sum::<f64>();
            l[[i, j]] = if i == j { rest.sqrt() } else { rest / l[[j, j]] };
        }
    }
    l
}

/// L⁻¹ b
pub(crate) fn forward_substitution(l: &Array2<f64>, mut b: Array1<f64>) -> Array1<f64> {
    for i in 0..b.len() {
        b[i] = (b[i] - (0..i).map(|k| l[[i, k]] * b[k]).sum::<f64>()) / l[[i, i]];
    }
    b
}

/// a⁻¹ b for a positive definite a = LLᵀ, as L⁻ᵀ (L⁻¹ b) with L⁻¹ written out.
pub(crate) fn solve(a: &Array2<f64>, b: &Array2<f64>) -> Array2<f64> {
    let l = cholesky(a);
    let mut inverse = Array2::eye(a.nrows());
    for mut column in inverse.columns_mut() {
        let solved = forward_substitution(&l, column.to_owned());
        column.assign(&solved);
    }
    inverse.t().dot(&inverse).dot(b)
}

/// Draws from N(0, 1), a matrix of their own for every `row` of the address.
pub(crate) fn normals(rows: usize, columns: usize, row: u64) -> Array2<f64> {
    let mut a = Array2::zeros((rows, columns));
    Address::new(3, Purpose::Check).row(row).fill_normal(a.as_slice_mut().unwrap());
    a
}

/// Takes from each column its parts along those before it (Gram–Schmidt, without normalising).
pub(crate) fn orthogonal_columns(mut a: Array2<f64>) -> Array2<f64> {
    for j in 1..a.ncols() {
        for i in 0..j {
            let (before, column) = (a.column(i).to_owned(), a.column(j).to_owned());
            let along = before.dot(&column) / before.dot(&before);
            a.column_mut(j).assign(&(column - along * &before));
        }
    }
    a
}
