//! The total correlation of the latents: β-TCVAE.
//!
//! ```text
//! Shapes    z [N, Z], η [B, P]; the posterior's columns are independent: q(z|η) = Π_j q_j(z_j|η)
//! Forward   TC = KL( q(z) ‖ Π_j q(z_j) ), with q(z) the mean over the rows of the batch:
//!             a_nm = Σ_j l_nmj,  l_nmj = log q_j(z_nj|η_m)
//!             TC ≈ (1/N) Σ_n [ lse_m a_nm − ln B − Σ_j (lse_m l_nmj − ln B) ]
//! Backward  w_nm = softmax_m a_nm, v_nmj = softmax_m l_nmj:
//!             ∂TC/∂l_nmj = (w_nm − v_nmj)/N, and from there the member's own slopes into η_m and z_n
//! Source    Chen, Li, Grosse & Duvenaud 2018, "Isolating sources of disentanglement", eq. 4
//! ```
//!
//! The bound's KL is the information, the total correlation and the KLs of single latents to the prior (their
//! eq. 2). With weight β − 1 this penalty makes β weigh the middle one alone. They estimate q(z) by the whole data's
//! size (their eq. 5), which is another constant and the same gradient.

use super::{Inputs, LatentGradient, Latents, Member, Penalty, Spec, weight};
use crate::distribution::{Distribution, Factorized, Likelihood, RowGradient};
use crate::math::log_sum_exp;
use crate::real::Real;

/// The total correlation, times a weight.
#[derive(Clone, Copy, Debug)]
pub struct TotalCorrelation {
    weight: f64,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Penalty<T>>> {
    Member {
        name: "tc",
        summary: "the total correlation of the latents, times `weight=W` (1): β-TCVAE with β = 1 + W",
        build: |spec| {
            spec.only(&["weight"])?;
            Ok(Box::new(TotalCorrelation { weight: weight(spec, "weight", 1.0)? }))
        },
        examples: &["tc:weight=3"],
    }
}

fn columns<T: Real>(q: &dyn Distribution<T>) -> Option<&dyn Factorized<T>> {
    q.as_likelihood().and_then(Likelihood::as_factorized)
}

impl TotalCorrelation {
    fn run<T: Real>(&self, mut d: Option<LatentGradient<'_, T>>, given: &Latents<'_, T>) -> f64 {
        let Latents { z, q, eta, own, .. } = given;
        let q = columns(*q).expect("refused otherwise");
        let ((n, width), (b, p)) = (z.dim(), eta.dim());
        let (eta, z) = (eta.as_standard_layout(), z.as_standard_layout());
        let mut log_q = vec![T::zero(); b * width];
        let with = |len: usize| vec![T::zero(); if d.is_some() { len } else { 0 }];
        let (mut units, mut units_z) = (with(b * p), with(b * width));
        let (mut joint, mut marginal) = (vec![T::zero(); b], vec![T::zero(); b]);
        let (ln_b, scale) = ((b as f64).ln(), self.weight / n as f64);
        let mut sum = 0.0;
        for (i, z) in z.rows().into_iter().enumerate() {
            let z = z.to_slice().expect("a row in standard layout");
            for (m, eta) in eta.rows().into_iter().enumerate() {
                let eta = eta.to_slice().expect("a row in standard layout");
                let log_q = &mut log_q[m * width..(m + 1) * width];
                let room = match d.is_some() {
                    true => RowGradient {
                        d_eta: &mut units[m * p..(m + 1) * p],
                        d_x: &mut units_z[m * width..(m + 1) * width],
                    },
                    false => RowGradient { d_eta: &mut [], d_x: &mut [] },
                };
                q.log_probs(log_q, room, z, eta, own);
                joint[m] = log_q.iter().copied().sum();
            }
            let of_joint = log_sum_exp(&joint);
            sum += of_joint.to_f64() - ln_b;
            for j in 0..width {
                (0..b).for_each(|m| marginal[m] = log_q[m * width + j]);
                let of_marginal = log_sum_exp(&marginal);
                sum -= of_marginal.to_f64() - ln_b;
                let Some(d) = &mut d else { continue };
                for m in 0..b {
                    let share = (joint[m] - of_joint).exp() - (marginal[m] - of_marginal).exp();
                    let c = T::from_f64(scale) * share;
                    d.d_z[[i, j]] += c * units_z[m * width + j];
                    for k in (j..p).step_by(width) {
                        d.d_eta[[m, k]] += c * units[m * p + k];
                    }
                }
            }
        }
        scale * sum
    }
}

impl<T: Real> Penalty<T> for TotalCorrelation {
    fn spec(&self) -> Spec {
        Spec::new("tc").with("weight", self.weight)
    }

    fn refuses(&self, q: &dyn Distribution<T>) -> Option<&'static str> {
        columns(q).is_none().then_some(
            "needs a posterior whose latents are independent given x and that can score any, such as `normal`",
        )
    }

    fn depends_on(&self) -> Inputs {
        Inputs { z: true, eta: true }
    }

    fn value(&self, given: &Latents<'_, T>) -> f64 {
        self.run(None, given)
    }

    fn gradient(&self, d: LatentGradient<'_, T>, given: &Latents<'_, T>) -> f64 {
        self.run(Some(d), given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::constants;
    use crate::distribution::normal::Normal;
    use ndarray::Array2;

    /// Of independent means the total correlation is nearly 0, of equal ones it is large.
    #[test]
    fn it_sees_what_latents_share() {
        let rows = 400;
        let noise: Vec<f64> = constants(2 * rows, 1);
        let of = |shared: bool| {
            let mean = |n: usize, j: usize| noise[2 * n + if shared { 0 } else { j }];
            // Posteriors of standard deviation ½ around means of standard deviation 1, and a draw of each.
            let eta = Array2::from_shape_fn((rows, 4), |(n, k)| match k {
                0 | 1 => mean(n, k),
                _ => 2.0 * 0.5f64.ln(),
            });
            let eps = constants::<f64>(2 * rows, 2);
            let z = Array2::from_shape_fn((rows, 2), |(n, j)| mean(n, j) + 0.5 * eps[2 * n + j]);
            let prior = Array2::zeros((0, 2));
            let q = &Normal::emitted();
            let given = Latents { z: z.view(), q, eta: eta.view(), own: &[], prior: prior.view() };
            TotalCorrelation { weight: 1.0 }.value(&given)
        };
        // Two normals of variance 5/4 with the correlation ρ = 4/5: −½ ln(1 − ρ²).
        let (independent, shared) = (of(false), of(true));
        assert!(independent.abs() < 0.1, "{independent}");
        assert!((shared + 0.5 * (1.0f64 - 0.64).ln()).abs() < 0.15, "{shared}");
    }
}
