//! Two bounds at once: decoders learn by the bound of all samples, encoders by that of groups of them.
//!
//! ```text
//! Shapes    log p(x|z), log p(z), log q [B, K], in M groups of J neighbouring samples, as in `miwae.rs`
//! Forward   the bound of `iwae.rs`: L_K = log (1/K) Σ_k w_k,   w̃ the softmax of log w over all K
//! Estimator of decoders and prior, the gradient of L_K: Σ_k w̃_k ∂log w_k. Of encoders that of
//!             1/M Σ_m log (1/J) Σ_{k in m} w_k:   Σ_k g_k ∂log w_k,   g_k = w̃_k^m / M, w̃^m over k's group alone
//! Weights   of log p(x|z) −w̃/B, of log p(z) −β w̃/B; the path scaled by g/w̃, which makes −g/B of the one and
//!           −β g/B of the other; and for log q's direct term the same: β g/B
//! Numerics  a draw may count for its group and for nothing among all K: g/w̃ has no w̃ below ε², a share
//!           with which it still changes no digit of a decoder's gradient
//! Source    Rainforth et al. 2018, "Tighter Variational Bounds are Not Necessarily Better"
//! ```
//!
//! A tight bound is what decoders want, and what drowns the encoder's gradient in noise: each is given its own.
//! M = 1 is `iwae`.

use super::{Member, Objective, Spec, Terms, Weights, importance};
use crate::math;
use crate::real::Real;

/// The importance-weighted bound for decoders, the mean over groups of samples for encoders.
#[derive(Clone, Copy, Debug)]
pub struct Piwae {
    groups: usize,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Objective<T>>> {
    Member {
        name: "piwae",
        summary: "`iwae` for the decoder, `miwae` of `groups=M` (2) for the encoder; posteriors such as `normal`",
        build: |spec| {
            spec.only(&["groups"])?;
            Ok(Box::new(Piwae { groups: importance::groups(spec)? }))
        },
        examples: &["piwae:groups=2", "piwae:groups=3"],
    }
}

impl<T: Real> Objective<T> for Piwae {
    fn spec(&self) -> Spec {
        Spec::new("piwae").with("groups", self.groups)
    }

    fn uses_closed_form_kl(&self) -> bool {
        false
    }

    fn takes_log_q_apart(&self) -> bool {
        true
    }

    fn held_out(&self) -> Box<dyn Objective<T>> {
        Box::new(super::iwae::Iwae)
    }

    fn weigh(&self, mut weights: Weights<'_, T>, terms: &Terms<'_, T>) -> f64 {
        let least = T::EPSILON * T::EPSILON;
        let loss = importance::weigh(weights.reborrow(), terms, |log_w| {
            let bound = math::softmax(log_w).to_f64() - (log_w.len() as f64).ln();
            log_w.iter_mut().for_each(|share| *share = if *share < least { least } else { *share });
            bound
        });
        let rows = T::from_f64(terms.log_px.nrows() as f64);
        for (i, mut path) in weights.path.rows_mut().into_iter().enumerate() {
            let path = path.as_slice_mut().expect("weights are in standard layout");
            importance::log_weights(path, terms, i);
            importance::shares_of_groups(path, self.groups);
            for (j, path) in path.iter_mut().enumerate() {
                *path /= -weights.log_px[[i, j]] * rows;
                weights.direct[[i, j]] = -weights.log_prior[[i, j]] * *path;
            }
        }
        loss
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::importance::tests::answer;
    use ndarray::{Array2, arr2};

    fn pieces<T: Real>() -> [Array2<T>; 3] {
        [
            arr2(&[[-3.0, -1.0, -2.5, 0.0], [-7.0, -7.5, -90.0, -94.0f64]]),
            arr2(&[[-1.0, -2.0, 0.5, 0.3], [0.0, 1.0, -1.0, 2.0]]),
            arr2(&[[0.3, -2.0, 0.7, 0.0], [0.1, 0.0, -1.0, 1.0]]),
        ]
        .map(|piece| piece.mapv(T::from_f64))
    }

    fn answer_of<T: Real>(spec: &str) -> (f64, [Array2<T>; 4]) {
        let (objective, pieces) =
            (super::super::build::<T>(&spec.parse().unwrap()).unwrap(), pieces());
        answer(&*objective, [0, 1, 2].map(|i: usize| pieces[i].view()), T::from_f64(0.7))
    }

    /// The value and the decoder's weights are those of `iwae`, what reaches the encoder is weighed by `miwae`,
    /// also where all of a group is nothing among all draws.
    fn both_bounds_meet<T: Real>() {
        let (loss, [of_x, of_prior, direct, path]) = answer_of::<T>("piwae:groups=2");
        let (tight, all) = answer_of::<T>("iwae");
        let (_, grouped) = answer_of::<T>("miwae:groups=2");
        assert_eq!(loss, tight);
        let near =
            |a: T, b: T| (a - b).abs() <= T::from_f64(8.0) * T::EPSILON * b.abs().max(T::EPSILON);
        for at in ndarray::indices(of_x.dim()) {
            assert!((of_x[at] - all[0][at]).abs() <= T::EPSILON, "{at:?}");
            assert!((of_prior[at] - all[1][at]).abs() <= T::EPSILON, "{at:?}");
            assert!(near(of_x[at] * path[at], grouped[0][at]), "{at:?}");
            assert!(near(of_prior[at] * path[at], grouped[1][at]), "{at:?}");
            assert!(near(direct[at], grouped[2][at]), "{at:?}");
        }
        assert!(grouped[0][[1, 2]] < T::from_f64(-0.1), "the second group counts for itself");
    }

    #[test]
    fn each_side_has_its_bound() {
        both_bounds_meet::<f64>();
        both_bounds_meet::<f32>();
    }

    #[test]
    fn one_group_is_the_plain_gradient() {
        let (_, answers) = answer_of::<f64>("piwae:groups=1");
        let (_, plain) = answer_of::<f64>("iwae");
        for (answer, plain) in answers.iter().zip(&plain).take(3) {
            answer.iter().zip(plain).for_each(|(a, b)| assert!((a - b).abs() < 1e-15));
        }
    }
}
