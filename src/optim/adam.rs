//! Adam, with decoupled weight decay.
//!
//! ```text
//! Shapes    params p, gradient g, first moment m, second moment v: flat, all alike
//! Step t    p ← p (1 − lr·λ)                                   decay, apart from the gradient
//!           m ← β₁ m + (1 − β₁) g
//!           v ← β₂ v + (1 − β₂) g²
//!           p ← p − lr · m̂ / (√v̂ + ε),   m̂ = m/(1 − β₁ᵗ),  v̂ = v/(1 − β₂ᵗ)
//! Start     m = 0, v = 0, which the corrections are for; `start=1` for v as some published runs had it
//! Numerics  the powers and corrections are computed in f64 once a step; with r = √(1 − β₂ᵗ) the last
//!           line is p ← p − s m / (√v + ε r), s = lr r/(1 − β₁ᵗ), so that ε stands beside the
//!           corrected root, as in PyTorch
//! Source    Kingma & Ba 2015, algorithm 1; decoupled decay: Loshchilov & Hutter 2019, with λ times
//!           the scheduled lr, as in PyTorch (their algorithm 2 leaves lr out of it)
//! ```

use super::average::Average;
use crate::aligned::Aligned;
use crate::parallel::{self, RowsMut};
use crate::real::Real;
use crate::settings::heading::OPTIMISATION;
use crate::settings::{NOT_NEGATIVE, Range, settings};
use crate::simd;

settings! {
    #[derive(Copy)]
    /// Adam's constants.
    pub struct AdamConfig {
        /// Adam's decay of the first moment.
        beta1: f64 {
            flag: "adam-beta1" "B1", OPTIMISATION,
            file: "adam_beta1",
            default: 0.9,
            range: DECAY,
            takes: ["0", "0.5"], refuses: ["1", "-0.1"],
        }

        /// Adam's decay of the second moment.
        beta2: f64 {
            flag: "adam-beta2" "B2", OPTIMISATION,
            file: "adam_beta2",
            default: 0.999,
            range: DECAY,
            takes: ["0", "0.5"], refuses: ["1", "nan"],
        }

        /// Adam's ε.
        ///
        /// It is added to the root of the second moment.
        epsilon: f64 {
            flag: "adam-epsilon" "EPS", OPTIMISATION,
            file: "adam_epsilon",
            default: 1e-8,
            range: NORMAL,
            takes: ["1.2e-38", "1"], refuses: ["0", "1e-40", "1e39"],
        }

        /// Adam's second moment before the first step.
        ///
        /// With 1 the first steps are short where gradients are, as in the published runs of Burda et al. 2016.
        start: f64 {
            flag: "adam-start" "V", OPTIMISATION,
            file: "adam_start",
            default: 0.0,
            range: NOT_NEGATIVE,
            takes: ["0", "1"], refuses: ["-1", "inf"],
        }

        /// Decoupled weight decay.
        ///
        /// λ per unit of learning rate; 0 for none.
        weight_decay: f64 {
            flag: "weight-decay" "RATE", OPTIMISATION,
            file: "weight_decay",
            default: 0.0,
            range: NOT_NEGATIVE,
            takes: ["0", "0.01"], refuses: ["-1", "inf"],
        }
    }
}

const DECAY: Range = Range { words: "in [0, 1)", holds: |x| (0.0..1.0).contains(&x) };

/// In single precision a smaller one is 0 beside a root that is 0, and 0/0 is no step.
const NORMAL: Range = Range {
    words: "between 1.1754944e-38 and 3.4028235e38, the normal numbers of single precision",
    holds: |x| (f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX)).contains(&x),
};

/// Adam's state: two moments for every parameter, and the number of steps taken.
#[derive(Clone, Debug)]
pub struct Adam<T> {
    config: AdamConfig,
    /// First and second moments, flat.
    pub(crate) m: Aligned<T>,
    pub(crate) v: Aligned<T>,
    /// Steps taken.
    pub(crate) step: u64,
}

impl<T: Real> Adam<T> {
    /// The state before the first step, for `len` parameters.
    pub fn new(config: AdamConfig, len: usize) -> Self {
        let mut v = Aligned::zeros(len);
        v.fill(T::from_f64(config.start));
        Adam { config, m: Aligned::zeros(len), v, step: 0 }
    }

    /// Goes on with other constants.
    pub(crate) fn configure(&mut self, config: AdamConfig) {
        self.config = config;
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// One step down `gradient · scale`, with learning rate `lr`; tells the average of the new
    /// parameters. The scale is the clipping factor. All of it is one pass, because the buffers are
    /// larger than a core's cache.
    ///
    /// # Panics
    /// If the lengths differ from the state's.
    pub fn update(
        &mut self,
        params: &mut [T],
        gradient: &[T],
        scale: T,
        lr: f64,
        average: Option<&mut Average>,
    ) {
        let n = self.m.len();
        assert!(params.len() == n && gradient.len() == n, "adam: lengths differ");
        self.step += 1;
        let AdamConfig { beta1, beta2, epsilon, weight_decay, .. } = self.config;
        // In f64 and through powf: powi takes only 32 bits of steps.
        let correction = |beta: f64| 1.0 - beta.powf(self.step as f64);
        let root = correction(beta2).sqrt();
        let step_size = T::from_f64(lr * root / correction(beta1));
        let (b1, c1) = (T::from_f64(beta1), T::from_f64(1.0 - beta1));
        let (b2, c2) = (T::from_f64(beta2), T::from_f64(1.0 - beta2));
        // The root of the first steps must not make it vanish.
        let epsilon = T::from_f64(epsilon * root).max(T::MIN_POSITIVE);
        let keep = T::from_f64(1.0 - lr * weight_decay);
        let (sum, update_average) = match average {
            Some(average) => average.start_update(n),
            None => (RowsMut::none(), None),
        };
        let out = (
            (RowsMut::new(params, 1), sum),
            (RowsMut::new(&mut self.m, 1), RowsMut::new(&mut self.v, 1)),
        );
        parallel::rows(out, n, 8, &|first, count, ((p, sum), (m, v))| {
            let (p, m, v) = (p.into_slice(), m.into_slice(), v.into_slice());
            let g = &gradient[first..first + count];
            simd::dispatch(
                #[inline(always)]
                || {
                    for (((p, m), v), &g) in p.iter_mut().zip(m).zip(v).zip(g) {
                        let d = g * scale;
                        *m = normal_or_zero(b1 * *m + c1 * d);
                        *v = normal_or_zero(b2 * *v + c2 * d * d);
                        *p = keep * *p - step_size * *m / (v.sqrt() + epsilon);
                    }
                },
            );
            if let Some(update_average) = update_average {
                update_average.take_in(sum.into_slice(), p);
            }
        });
    }
}

/// `x`, or 0 if it is subnormal. Where a gradient becomes 0 for good, as that of a dead unit, a moment
/// would decay into the subnormals and stay there, and each of them costs the processor dozens of
/// cycles in every later step.
#[inline(always)]
fn normal_or_zero<T: Real>(x: T) -> T {
    // A NaN is not below anything.
    if x.abs() < T::MIN_POSITIVE { T::zero() } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three steps by the definition, written out in scalars.
    #[test]
    fn follows_the_definition() {
        [0.0, 1.0].into_iter().for_each(follows_the_definition_from);
    }

    fn follows_the_definition_from(start: f64) {
        let config = AdamConfig { weight_decay: 0.1, start, ..AdamConfig::default() };
        let (lr, gradients) = (1e-2, [0.5, -1.5, 0.25]);
        let mut adam = Adam::new(config, 1);
        let mut params = [0.3f64];
        let (mut p, mut m, mut v) = (0.3f64, 0.0, start);
        for (t, g) in gradients.into_iter().enumerate() {
            adam.update(&mut params, &[2.0 * g], 0.5, lr, None);
            p -= lr * 0.1 * p;
            m = 0.9 * m + 0.1 * g;
            v = 0.999 * v + 0.001 * g * g;
            let (m_hat, v_hat) =
                (m / (1.0 - 0.9f64.powi(t as i32 + 1)), v / (1.0 - 0.999f64.powi(t as i32 + 1)));
            p -= lr * m_hat / (v_hat.sqrt() + 1e-8);
            assert!((params[0] - p).abs() < 1e-15, "step {t}: {} {p}", params[0]);
        }
    }

    /// Without a gradient the moments reach 0 and not the subnormals; a NaN stays.
    #[test]
    fn moments_do_not_become_subnormal() {
        let (mut adam, mut params) = (Adam::new(AdamConfig::default(), 3), [0f32; 3]);
        adam.update(&mut params, &[1.0, 1e-22, f32::NAN], 1.0, 1e-3, None);
        assert_eq!(adam.v[1], 0.0);
        for _ in 0..900 {
            adam.update(&mut params, &[0.0; 3], 1.0, 1e-3, None);
        }
        assert_eq!(adam.m[..2], [0.0; 2]);
        assert!(adam.v[0].is_normal() && adam.m[2].is_nan());
    }

    /// No step is longer than lr (1 − β₁)/√((1 − β₂)(1 − β₁²/β₂)), 7.27 lr with the usual constants: m is a sum
    /// of g_i with the weights (1 − β₁) β₁ⁱ, and by Cauchy and Schwarz
    /// m² ≤ (1 − β₁)² Σ (β₁²/β₂)ⁱ · Σ β₂ⁱ g_i². It is reached where the bias corrections are over and each
    /// gradient is β₂/β₁ times the one before.
    #[test]
    fn the_longest_step_is_reached_by_growing_gradients() {
        let config = AdamConfig { epsilon: 1e-30, ..AdamConfig::default() };
        let AdamConfig { beta1, beta2, .. } = config;
        let bound = (1.0 - beta1) / ((1.0 - beta2) * (1.0 - beta1 * beta1 / beta2)).sqrt();
        assert!((bound - 7.27).abs() < 0.005, "{bound}");
        let (mut adam, mut params) = (Adam::new(config, 1), [0f64]);
        for _ in 0..30_000 {
            adam.update(&mut params, &[0.0], 1.0, 1.0, None);
        }
        let (mut longest, mut g) = (0.0, 1e-10);
        for _ in 0..300 {
            let before = params[0];
            adam.update(&mut params, &[g], 1.0, 1.0, None);
            longest = f64::max(longest, before - params[0]);
            g *= beta2 / beta1;
        }
        assert!(longest <= bound && longest > bound - 1e-6, "{longest} of {bound}");
    }

    /// The smallest ε still divides: without a gradient nothing moves, at β₂ next to 1 either.
    #[test]
    fn the_smallest_epsilon_is_a_normal_number_of_single_precision() {
        let least = f64::from(f32::MIN_POSITIVE);
        for beta2 in [0.999, 1.0 - 1e-15] {
            let config = AdamConfig { epsilon: least, beta2, ..AdamConfig::default() };
            config.check().unwrap();
            let (mut adam, mut params) = (Adam::new(config, 1), [0.5f32]);
            adam.update(&mut params, &[0.0], 1.0, 1e-3, None);
            assert_eq!(params, [0.5]);
        }
        for epsilon in [1e-39, 0.0, -1e-8, f64::NAN, f64::INFINITY] {
            let refused = AdamConfig { epsilon, ..AdamConfig::default() }.check().unwrap_err();
            let message = refused.to_string();
            assert!(message.contains("adam-epsilon"), "{message}");
            assert!(message.contains("not between 1.1754944e-38 and 3.4028235e38"), "{message}");
        }
    }

    /// The first step has length lr, whatever the gradient's scale.
    #[test]
    fn first_step_is_the_learning_rate() {
        for g in [1e-3f64, 1.0, 1e3] {
            let (mut adam, mut params) = (Adam::new(AdamConfig::default(), 1), [0.0]);
            adam.update(&mut params, &[g], 1.0, 1e-3, None);
            assert!((params[0] + 1e-3).abs() < 1e-7, "{}", params[0]);
        }
    }
}
