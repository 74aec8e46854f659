//! Single precision against double: the path that users run against the one that proofs use.
//!
//! Every operation runs on the same numbers, exact in both types, in `f32` and in `f64`. What error
//! is fair? A computation in `f32` cannot do better than if each of its inputs a_j had first been
//! rounded, by a relative ε = 2⁻²³ say, which moves the result F by about
//!
//! ```text
//! ΔF = ε √ Σ_j (a_j ∂F/∂a_j)²
//! ```
//!
//! where the roundings are independent. Where F is ill-conditioned (a difference of large numbers,
//! the exponential of one), ΔF says so by itself. It is measured, in `f64`, as the root mean square
//! of F's change over random signs of the roundings. The test is then
//!
//! ```text
//! |F₃₂ − F₆₄| ≤ bound · (ε (unit + |F₆₄|) + ΔF)
//! ```
//!
//! The unit is what the result's parts are made of: 1 for most, so that a value that is nearly 0
//! because parts of size 1 cancel (1 − h² of a saturated tanh) owes no relative accuracy. It is also
//! all that a constant such as ln 2π may cost. A sum in sixteen lanes needs no allowance for its
//! length, since ΔF grows with the root of the number of its terms as rounding errors do.
//!
//! `src/simd.rs` promises more between instruction sets: not closeness, but the same bits. So each
//! operation runs with every one that this machine has, in both types.
//!
//! Members come from their families' own lists: a new one is tested by being there.

use elbo::distribution::{self, Distribution, Draw, RowGradient, Support};
use elbo::family::{Member, Spec};
use elbo::gradient::Gradient;
use elbo::math;
use elbo::nn::{Activation, Linear};
use elbo::objective::{self, Terms, Weights};
use elbo::params::Layout;
use elbo::prior::{self, Given, Posteriors, PriorGradient};
use elbo::real::Real;
use elbo::rng::{Address, Purpose};
use elbo::simd::{self, Isa};
use elbo::vae::{LevelConfig, Noise, Pass, Vae, VaeConfig, Workspace};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use std::sync::{Mutex, PoisonError};

mod comparison;
mod operations;

use comparison::*;
use operations::*;

// Each bound is about twice the worst that was measured (`cargo test --test precision --
// --nocapture` prints the worst of every check), and so small that an operation done in a careless
// order, such as a softmax through a rounded logarithm, exceeds it.

/// Measured 1.5: an elementary function good to 2.5 ulp, then a product or two with the gradient.
const ACTIVATION: f64 = 3.0;

/// Measured 1.1, in sums over coordinates whose log-variances of ±20 cancel.
const DISTRIBUTION: f64 = 2.5;

/// Measured 0.4: squares and their sum, nothing cancels.
const PRIOR: f64 = 1.0;

/// Measured 0.5: a softmax and one product.
const OBJECTIVE: f64 = 1.0;

/// Measured 4.0: products sum one term after another, and each addition rounds the whole sum so far,
/// for n terms about √n/4 times what rounding the terms does. √257/4 = 4.
const LINEAR: f64 = 8.0;

/// Measured 2.9: some ten operations in a row, each on the rounded results of those before it, while
/// ΔF counts only the roundings of the first one's inputs.
const MODEL: f64 = 6.0;

/// Ragged lengths: around the sixteen lanes of a sum and the widths of the registers.
const WIDTHS: [usize; 9] = [1, 2, 3, 7, 16, 17, 31, 33, 257];

/// Inputs that textbook formulas fail on: eˣ overflows above 88.7 and is 0 below −104, σ rounds to 1
/// above 17; and nearly or exactly nothing, of either sign.
const EXTREMES: [f32; 16] = [
    1e4, -1e4, 88.0, -88.0, 104.0, -104.0, 88.8, -88.8, 17.5, -17.5, 1.0, -1.0, 1e-30, -1e-30, 0.0,
    -0.0,
];

/// Extreme data, as far as a distribution accepts them.
const VALUES: [f32; 7] = [1e4, -1e4, 1e-30, -0.0, 1.0, 0.0, -1.0];

/// The same for parameters that may be log-variances: σ from 5·10⁻⁵ to 2·10⁴.
const LOG_VARIANCES: [f32; 8] = [20.0, -20.0, 1.0, -1.0, 1e-30, -1e-30, 0.0, -0.0];

#[test]
fn activations() {
    for activation in Activation::ALL {
        for width in WIDTHS {
            let d = normals(width, 1.0, 0);
            for a in [normals(width, 4.0, 1), cycle(width, &EXTREMES)] {
                check(&ActivationPair(activation), &[a, d.clone()], ACTIVATION);
            }
        }
    }
}

#[test]
fn distributions() {
    for spec in examples(distribution::members::<f64>()) {
        let Ok(p) = distribution::build_likelihood::<f64>(&spec) else { continue };
        let extremes = if p.facts(0).domain.is_dense() { &LOG_VARIANCES[..] } else { &EXTREMES };
        for width in WIDTHS {
            let n = Layout::default().scope("own").group(|scope| p.own(scope, width)).len();
            let owns = [normals(n, 1.0, 2), vec![20.0; n], vec![-20.0; n]];
            let n = p.eta_width(width);
            let etas = [normals(n, 2.0, 1), cycle(n, extremes)];
            for (x, eta, own) in triples(&values_for(&*p, width), &etas, &owns) {
                check(&Score(spec.clone()), &[x, eta, own], DISTRIBUTION);
            }
        }
    }
}

#[test]
fn posteriors() {
    for spec in examples(distribution::members::<f64>()) {
        let Ok(q) = distribution::build_posterior::<f64>(&spec) else { continue };
        for width in WIDTHS {
            let noise = q.as_reparameterized().unwrap().noise_width(width);
            let eps = normals(noise, 1.0, 0);
            let [d_z, d_kl] = [1, 2].map(|row| normals(width, 1.0, row));
            let n = q.eta_width(width);
            for eta in [normals(n, 2.0, 3), cycle(n, &LOG_VARIANCES)] {
                let inputs = [eta, eps.clone(), d_z.clone(), d_kl.clone()];
                check(&Posterior(spec.clone()), &inputs, DISTRIBUTION);
            }
        }
    }
}

#[test]
fn priors() {
    for spec in examples(prior::members::<f64>()) {
        for width in WIDTHS {
            let prior = PriorPair(spec.clone());
            let n = prior.others(width);
            let others = [normals(n, 1.0, 1), cycle(n, &LOG_VARIANCES)];
            // Components of such widths and values of such sizes together are beyond single precision.
            let pairs = [(0, 0), (0, 1), (1, 0)];
            let zs = [normals(width, 2.0, 0), cycle(width, &EXTREMES)];
            for (z, others) in pairs.map(|(z, o)| (zs[z].clone(), others[o].clone())) {
                check(&prior, &[z, others], PRIOR);
            }
        }
    }
}

/// With rows of log w so far apart that a maximum taken over more than one row would underflow.
#[test]
fn objectives() {
    for spec in examples(objective::members::<f64>()) {
        let objective = objective::build::<f64>(&spec).unwrap();
        for (rows, samples) in [(1, 1), (2, 3), (7, 17), (3, 257), (33, 2)] {
            let with = objective.uses_closed_form_kl().then_some(true);
            let without = (!objective.needs_closed_form_kl()).then_some(false);
            for closed_form in with.into_iter().chain(without) {
                let operation = Weigh { spec: spec.clone(), rows, samples, closed_form };
                for levels in [&[0.0][..], &[0.0, -700.0, -1e4, 300.0]] {
                    check(&operation, &operation.pieces(levels), OBJECTIVE);
                }
            }
        }
    }
}

#[test]
fn linear_maps() {
    let shapes = [(1, 1, 1), (1, 257, 10), (2, 3, 7), (17, 31, 33), (3, 257, 16), (33, 2, 257)];
    for (rows, inputs, outputs) in shapes {
        let operation = LinearPair { rows, inputs, outputs };
        let x = normals(rows * inputs, 1.0, 0);
        let params = normals((inputs + 1) * outputs, 1.0, 1);
        check(&operation, &[x, params, normals(rows * outputs, 1.0, 2)], LINEAR);
    }
}

/// The loss and its gradient in every parameter.
#[test]
fn whole_models() {
    for model in models() {
        // Not every prior suits every chain.
        let Ok(vae) = Vae::<f64>::new(model.config.clone()) else { continue };
        if vae.check_objective(&*objective::build(&model.objective).unwrap()).is_ok() {
            let [x, _] = values_for(vae.likelihood(), Model::ROWS * Model::WIDTH);
            check(&model, &[x, normals(vae.layout().len(), 0.3, 9)], MODEL);
        }
    }
}

/// Likelihoods × objectives × priors × levels. Activations take turns, without those that have a
/// kink, across which a rounding error would be a jump.
fn models() -> Vec<Model> {
    let levels = [(17, 7), (7, 3)].map(|(h, latent)| LevelConfig::dense(&[h], latent));
    let smooth = Activation::ALL.into_iter().filter(|a| !a.has_kink()).collect::<Vec<_>>();
    let mut models = Vec::new();
    for likelihood in examples(distribution::members::<f64>()) {
        if distribution::build_likelihood::<f64>(&likelihood).is_err() {
            continue;
        }
        for objective in examples(objective::members::<f64>()) {
            for prior in examples(prior::members::<f64>()) {
                for levels in [&levels[..1], &levels] {
                    let config = VaeConfig {
                        levels: levels.to_vec(),
                        likelihood: likelihood.clone(),
                        prior: prior.clone(),
                        activation: smooth[models.len() % smooth.len()],
                        ..VaeConfig::new(Model::WIDTH, &[], 1)
                    };
                    models.push(Model { config, objective: objective.clone() });
                }
            }
        }
    }
    models
}

/// σ and softplus keep relative accuracy where they are nearly nothing, down to the smallest normal
/// number; one unit in the last place is up to ε.
#[test]
fn tails_keep_their_relative_accuracy() {
    let close = |got: f32, exact: f64| {
        let subnormal = f32::MIN_POSITIVE as f64;
        (got as f64 - exact).abs() <= 4.0 * f32::EPSILON as f64 * exact.abs().max(subnormal)
    };
    for x in (-104 * 16..=104 * 16).map(|i| i as f32 / 16.0) {
        let e = (-(x as f64).abs()).exp();
        let sigmoid = if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) };
        let softplus = (x as f64).max(0.0) + e.ln_1p();
        assert!(close(math::sigmoid(x), sigmoid), "σ({x}) = {}, not {sigmoid}", math::sigmoid(x));
        assert!(close(math::softplus(x), softplus), "softplus({x}) = {}", math::softplus(x));
    }
}
