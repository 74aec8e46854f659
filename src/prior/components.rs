//! What mixture priors have in common: log Σ_c π_c p(z|η_c), and its gradient.
//!
//! ```text
//! Shapes    z [N, Z]   η [C, P]   logits l [C], or none, when all π_c are alike   r [N, C]
//! Forward   π = softmax(l) or 1/C;   log p(z_n) = log Σ_c π_c p(z_n|η_c)
//! Backward  r_nc = π_c p(z_n|η_c)/p(z_n), the share of component c in z_n, a softmax over c:
//!             ∂log p(z_n)/∂z_n = Σ_c r_nc ∂log p(z_n|η_c)/∂z_n
//!             ∂log p(z_n)/∂η_c = r_nc ∂log p(z_n|η_c)/∂η_c
//!             ∂log p(z_n)/∂l_c = r_nc − π_c            since ∂log π_j/∂l_c = [j = c] − π_c
//! Numerics  log-sum-exp by the maximum over c. A share below ε²/C counts as 0. (Not below ε/C: with t the
//!           distance from the component, r is some e^{−t²/2}, but its gradients grow with t².)
//! Source    Bishop 2006, Pattern Recognition and Machine Learning, section 9.2
//! ```

use super::Sequential;
use super::in_turn::InTurn;
use crate::distribution::{At, Below, Likelihood, RowGradient, exponentials};
use crate::math;
use crate::parallel::{self, Rows, RowsMut};
use crate::real::Real;
use ndarray::{ArrayView2, ArrayViewMut2};

/// Components of one family.
#[derive(Clone, Copy)]
pub(super) struct Components<'a, T> {
    /// p(z|η)
    pub(super) p: &'a dyn Likelihood<T>,
    /// `[C, P]`
    pub(super) eta: ArrayView2<'a, T>,
    /// The own tensors of p.
    pub(super) own: &'a [T],
    /// Log-odds of the components, `[C]`, or none.
    pub(super) logits: Option<&'a [T]>,
}

/// Elements to work on N rows: the shares, and for each row and each component one gradient.
pub(super) fn work(n: usize, latent: usize, components: usize, eta: usize) -> usize {
    n * components + (n + components) * (eta + latent)
}

/// Rough cost of one element of one component, in additions, for the decision to use a second thread.
const COST: usize = 8;

impl<'a, T: Real> Components<'a, T> {
    fn count(&self) -> usize {
        self.eta.nrows()
    }

    /// log π_c
    fn log_weight(&self) -> impl Fn(usize) -> T + Sync {
        let (logits, even) = (self.logits, T::from_f64(-(self.count() as f64).ln()));
        let sum = logits.map(math::log_sum_exp);
        move |c| match (logits, sum) {
            (Some(logits), Some(sum)) => logits[c] - sum,
            _ => even,
        }
    }

    /// `log_p_n ← log p(z_n)`, `r_nc` its shares.
    pub(super) fn log_prob(&self, log_p: &mut [T], r: &mut [T], z: &ArrayView2<T>) {
        let (n, count) = (log_p.len(), self.count());
        let (cost, z) = (COST * count * z.ncols(), Rows::new(z, n));
        let (eta, log_weight) = (Rows::new(&self.eta, count), self.log_weight());
        let vanishing = T::EPSILON * T::EPSILON / T::from_f64(count as f64);
        let out = (RowsMut::new(log_p, 1), RowsMut::new(r, count));
        parallel::rows(out, n, cost, &|first, rows, (mut log_p, mut r)| {
            for i in 0..rows {
                let (r, z) = (r.row(i), z.row(first + i));
                for (c, r) in r.iter_mut().enumerate() {
                    *r = log_weight(c) + self.p.log_prob(z, eta.row(c), self.own);
                }
                log_p.row(i)[0] = math::softmax(r);
                // A NaN stays one.
                r.iter_mut().filter(|r| **r < vanishing).for_each(|r| *r = T::zero());
            }
        });
    }

    /// The same, with `d_z ← ∂log p/∂z`.
    pub(super) fn log_prob_gradient(
        &self,
        log_p: &mut [T],
        d_z: ArrayViewMut2<T>,
        z: &ArrayView2<T>,
        work: &mut [T],
    ) {
        let (n, count, width) = (log_p.len(), self.count(), z.ncols());
        let (r, gradients) = work.split_at_mut(n * count);
        self.log_prob(log_p, r, z);
        let per_row = self.eta.ncols() + width;
        let gradients = RowsMut::new(&mut gradients[..n * per_row], per_row);
        let (cost, z) = (COST * count * width, Rows::new(z, n));
        let eta = Rows::new(&self.eta, count);
        let out = (RowsMut::of(d_z), gradients);
        parallel::rows(out, n, cost, &|first, rows, (mut d_z, mut gradients)| {
            for i in 0..rows {
                let (d_z, r) = (d_z.row(i), &r[(first + i) * count..][..count]);
                let (d_eta, d_x) = gradients.row(i).split_at_mut(per_row - width);
                d_z.fill(T::zero());
                for (c, &r) in r.iter().enumerate().filter(|(_, r)| **r != T::zero()) {
                    let d = RowGradient { d_eta, d_x };
                    self.p.log_prob_gradient(d, z.row(first + i), eta.row(c), self.own);
                    d_z.iter_mut().zip(&*d_x).for_each(|(d_z, &d)| *d_z += r * d);
                }
            }
        });
    }

    /// Of Σ_n weight_n log p(z_n): adds to `d_eta: [C, P]` and to `d_logits: [C]`, where there are such.
    pub(super) fn backward(
        &self,
        d_eta: ArrayViewMut2<T>,
        d_logits: &mut [T],
        weight: &[T],
        z: &ArrayView2<T>,
        work: &mut [T],
    ) {
        let (n, count, width) = (weight.len(), self.count(), z.ncols());
        let (r, gradients) = work.split_at_mut(n * count);
        let share = |n: usize, c: usize| r[n * count + c];
        let log_weight = self.log_weight();
        for (c, d_logit) in d_logits.iter_mut().enumerate() {
            let pi = log_weight(c).exp();
            for (n, &w) in weight.iter().enumerate().filter(|(_, w)| **w != T::zero()) {
                *d_logit += w * (share(n, c) - pi);
            }
        }
        let per_row = self.eta.ncols() + width;
        let gradients = RowsMut::new(&mut gradients[..count * per_row], per_row);
        let (cost, z) = (COST * n * width, Rows::new(z, n));
        let eta = Rows::new(&self.eta, count);
        // Threads divide the components; each sums over the rows in order.
        let out = (RowsMut::of(d_eta), gradients);
        parallel::rows(out, count, cost, &|first, rows, (mut d_eta, mut gradients)| {
            for i in 0..rows {
                let (unit, _) = gradients.row(i).split_at_mut(per_row - width);
                for (n, &weight) in weight.iter().enumerate() {
                    let w = weight * share(n, first + i);
                    if weight == T::zero() || w == T::zero() {
                        continue;
                    }
                    let d = RowGradient { d_eta: unit, d_x: &mut [] };
                    self.p.log_prob_gradient(d, z.row(n), eta.row(first + i), self.own);
                    d_eta.row(i).iter_mut().zip(&*unit).for_each(|(d, &u)| *d += w * u);
                }
            }
        });
    }

    /// Its law of one latent of `width` after another; none, if the components' cannot be coded.
    pub(super) fn in_turn(self, width: usize) -> Option<Box<dyn Sequential + 'a>> {
        let (coded, count) = (self.p.as_coded()?, self.count());
        let weights = match self.logits {
            Some(logits) => {
                let (weights, sum) = exponentials(logits.iter().map(|l| l.to_f64()));
                weights.into_iter().map(|weight| weight / sum).collect()
            }
            None => vec![1.0 / count as f64; count],
        };
        let law = move |c: usize, at: At<'_, T>, with: &mut dyn FnMut(&Below<'_>)| {
            let eta = self.eta.row(c).to_slice().expect("components are in standard layout");
            coded.law(At { eta, own: self.own, ..at }, with);
        };
        Some(Box::new(InTurn::new(weights, width, Box::new(law))))
    }

    /// A component, drawn with its probability.
    pub(super) fn pick(&self, rng: &mut crate::rng::ChaCha8Rng) -> usize {
        use rand::RngExt;
        let (log_weight, mut left) = (self.log_weight(), rng.random::<f64>());
        for c in 0..self.count() - 1 {
            left -= log_weight(c).to_f64().exp();
            if left < 0.0 {
                return c;
            }
        }
        self.count() - 1
    }

    /// `z ← a draw`, its distance from its component's mean `temperature` times that of the component.
    pub(super) fn sample(&self, z: &mut [T], temperature: T, rng: &mut crate::rng::ChaCha8Rng) {
        let c = self.pick(rng);
        let eta = self.eta.row(c).to_slice().expect("components are in standard layout");
        self.p.sample(z, eta, self.own, rng);
        if temperature != T::one() {
            let mut mean = vec![T::zero(); z.len()];
            self.p.mean(&mut mean, eta, self.own);
            z.iter_mut().zip(&mean).for_each(|(z, &m)| *z = m + temperature * (*z - m));
        }
    }
}
