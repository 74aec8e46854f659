//! Likelihoods of columns that are independent given η, each of which can be scored by itself: what mixtures
//! of columns and rows with missing values are made of.

use super::{Likelihood, RowGradient};
use crate::math;
use crate::real::Real;

/// A likelihood of independent columns, log p(x|η) = Σ_i log p(x_i|η_i).
///
/// Its η and its own tensors are blocks of D: the k-th number of column i stands at k·D + i (unless all
/// columns share its own). What is written here scores a column as a row of one, and makes room for that on
/// each call; a member that is used on wide rows has better.
pub trait Factorized<T: Real>: Likelihood<T> {
    /// Whether all columns have the same of its own tensors, instead of one each.
    fn shares_own(&self) -> bool {
        false
    }

    /// `log_p_i ← log p(x_i|η_i)`, `[D]`, and `d.d_eta_ki ← ∂log p_i/∂η_ki`, `d.d_x_i ← ∂log p_i/∂x_i` where
    /// there is room for them.
    fn log_probs(&self, log_p: &mut [T], d: RowGradient<'_, T>, x: &[T], eta: &[T], own: &[T]) {
        let n = x.len();
        let mut d_eta = vec![T::zero(); eta.len() / n];
        for (i, log_p) in log_p.iter_mut().enumerate() {
            let (eta, own) = (column(eta, i, n), self.own_of(own, i, n));
            if d.d_eta.is_empty() {
                *log_p = self.log_prob(&x[i..=i], &eta, &own);
                continue;
            }
            let at_x = i.min(d.d_x.len())..(i + 1).min(d.d_x.len());
            let of_column = RowGradient { d_eta: &mut d_eta, d_x: &mut d.d_x[at_x] };
            *log_p = self.log_prob_gradient(of_column, &x[i..=i], &eta, &own);
            d_eta.iter().enumerate().for_each(|(k, v)| d.d_eta[k * n + i] = *v);
        }
    }

    /// `d_own += Σ_i weight_i ∂log p(x_i|η_i)/∂own`; columns of weight 0 are left out, whatever stands in them.
    fn own_backward_each(&self, d_own: &mut [T], weight: &[T], x: &[T], eta: &[T], own: &[T]) {
        let n = x.len();
        if d_own.is_empty() {
            return;
        }
        for i in (0..n).filter(|i| weight[*i] != T::zero()) {
            let (eta, own) = (column(eta, i, n), self.own_of(own, i, n));
            if self.shares_own() {
                self.own_backward(d_own, weight[i], &x[i..=i], &eta, &own);
                continue;
            }
            let mut d = vec![T::zero(); own.len()];
            self.own_backward(&mut d, weight[i], &x[i..=i], &eta, &own);
            d.into_iter().enumerate().for_each(|(k, v)| d_own[k * n + i] += v);
        }
    }

    /// The part of its own tensors that column i of n has.
    fn own_of(&self, own: &[T], i: usize, n: usize) -> Vec<T> {
        if self.shares_own() { own.to_vec() } else { column(own, i, n) }
    }
}

/// log p of a row from those of its columns, and its gradient where there is room: what a member is made of that
/// is written column by column.
pub(super) fn log_prob_of_row<T: Real>(
    p: &dyn Factorized<T>,
    d: RowGradient<'_, T>,
    x: &[T],
    eta: &[T],
    own: &[T],
) -> T {
    let mut each = vec![T::zero(); x.len()];
    p.log_probs(&mut each, d, x, eta, own);
    math::sum(&each)
}

/// The numbers of column i in blocks of n.
pub(super) fn column<T: Real>(blocks: &[T], i: usize, n: usize) -> Vec<T> {
    blocks.iter().skip(i).step_by(n).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{constants, specs, stream};
    use crate::distribution::{Domain, build, members};
    use crate::params::Layout;
    use crate::rng::{Address, Purpose};

    /// Every member that says so: columns add up to the row, and so do their gradients, with a column left out
    /// as if its weight were 0.
    #[test]
    fn columns_add_up_to_the_row() {
        const N: usize = 18;
        let mut count = 0;
        for spec in specs(&members::<f64>()) {
            let p = build::<f64>(&spec).unwrap();
            let Some(likelihood) = p.as_likelihood() else { continue };
            let Some(factorized) = likelihood.as_factorized() else { continue };
            count += 1;
            let mut layout = Layout::default();
            layout.scope("own").group(|scope| p.own(scope, N));
            let own: Vec<f64> =
                layout.slots().iter().flat_map(|s| constants(s.len(), stream(&s.name))).collect();
            let (eta, mut x) = (constants(p.eta_width(N), 1), [0.0; N]);
            p.sample(&mut x, &eta, &own, &mut Address::new(0, Purpose::Check).rng());
            let smooth = if p.facts(0).domain == Domain::Real { N } else { 0 };

            let (mut row_eta, mut row_x) = (vec![0.0; eta.len()], vec![0.0; smooth]);
            let d = RowGradient { d_eta: &mut row_eta, d_x: &mut row_x };
            let log_p = likelihood.log_prob_gradient(d, &x, &eta, &own);
            let (mut d_eta, mut d_x) = (vec![0.0; eta.len()], vec![0.0; smooth]);
            let (mut each, mut values) = ([0.0; N], [0.0; N]);
            let d = RowGradient { d_eta: &mut d_eta, d_x: &mut d_x };
            factorized.log_probs(&mut each, d, &x, &eta, &own);
            factorized.log_probs(&mut values, RowGradient::none(), &x, &eta, &own);

            let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * (1.0 + a.abs());
            let alike = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| close(*a, *b));
            assert!(close(each.iter().sum(), log_p), "{spec}: {each:?} {log_p}");
            assert!(alike(&values, &each), "{spec}");
            assert!(alike(&d_eta, &row_eta) && alike(&d_x, &row_x), "{spec}");

            let (mut row, mut sum) = (vec![0.0; own.len()], vec![0.0; own.len()]);
            if own.is_empty() {
                continue;
            }
            likelihood.own_backward(&mut row, 0.7, &x, &eta, &own);
            for left_out in [0, 1] {
                let weight = std::array::from_fn::<_, N, _>(|i| match i % 2 == left_out {
                    true => 0.7,
                    false => 0.0,
                });
                let broken = |i: usize| if weight[i] == 0.0 { f64::NAN } else { x[i] };
                let x = std::array::from_fn::<_, N, _>(broken);
                factorized.own_backward_each(&mut sum, &weight, &x, &eta, &own);
            }
            assert!(alike(&sum, &row), "{spec}: {sum:?} {row:?}");
        }
        assert!(count > 20, "{count}");
    }
}
