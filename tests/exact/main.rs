//! Models whose log p(x) is known without drawing a sample.
//!
//! **The linear chain.** Linear decoders with normal noise,
//!
//! ```text
//! z_L ~ N(0, I)     z_{l−1} = W_l z_l + b_l + N(0, diag n_l)     x = z₀
//! ```
//!
//! make every z_l normal, with moments that follow from the top down, and every posterior as well
//! (Bishop 2006, eqs. 2.115–2.117):
//!
//! ```text
//! m_L = 0   m_{l−1} = W_l m_l + b_l                 log p(x) = log N(x; m₀, C₀)
//! C_L = I   C_{l−1} = W_l C_l W_lᵀ + diag n_l
//! p(z_l | z_{l−1}) = N(m_l + G_l (z_{l−1} − m_{l−1}), C_l − G_l W_l C_l)     G_l = C_l W_lᵀ C_{l−1}⁻¹
//! ```
//!
//! For L = 1 this is probabilistic PCA, log p(x) = log N(x; b, WWᵀ + σ²I). Such an encoder is linear,
//! so a network without hidden layers can be it, and where the columns of W are orthogonal the
//! posterior's covariance is diagonal, so that nothing is left to approximate:
//!
//! * with the exact posterior, w = p(x, z)/p(z|x) = p(x) for **every** draw z;
//! * log p(x) − E_q[log w] = KL(q ‖ p(z|x)), which training an encoder brings to 0;
//! * with any other encoder, the mean of w is p(x) and L_K = E[log (1/K) Σ_k w_k] rises to log p(x).
//!
//! **The tiny Bernoulli model.** With one latent, p(x) = ∫ p(x|z) N(z; 0, 1) dz is a quadrature, and
//! with four pixels there are only sixteen x, whose probabilities sum to one.
//!
//! The matrices here are the test's own; of the crate they use nothing but the noise. Statistical
//! claims are held to four standard errors. All seeds are fixed: a test that passes, passes always.

use elbo::evaluate::{LogPx, Proposal, log_px_of};
use elbo::family::Spec;
use elbo::gradient::Gradient;
use elbo::nn::Activation;
use elbo::objective;
use elbo::optim::{Adam, AdamConfig};
use elbo::params::Init;
use elbo::rng::{Address, Purpose};
use elbo::vae::{LevelConfig, Noise, Pass, Vae, VaeConfig, Workspace};
use ndarray::{Array1, Array2, ArrayView1, Axis, array, concatenate};

mod blame;
mod chain;
mod covariance;
mod estimators;
mod intervals;
mod missing;
mod model;
mod statistics;
mod top_down;

use chain::*;
use model::*;
use statistics::*;

/// Width of x in the linear chains.
const WIDTH: usize = 5;

/// How many standard errors a correct estimate may be off.
const ERRORS: f64 = 4.0;

// ---------------------------------------------------------------------------------------------
// With the exact posterior, nothing is random
// ---------------------------------------------------------------------------------------------

#[test]
fn with_the_exact_posterior_every_draw_weighs_log_px() {
    for chain in [Chain::orthogonal(), Chain::orthogonal_of_two_levels()] {
        let model = chain.model(Encoder::EXACT);
        let x = chain.draw(7, data(0));
        for (log_w, log_px) in model.log_w(&x, 20).rows().into_iter().zip(chain.log_px(&x)) {
            for log_w in log_w {
                assert!((log_w - log_px).abs() < 1e-10, "{log_w} is not {log_px}");
            }
        }
    }
}

/// log p(x|z) − KL still depends on the draw; its mean is log p(x).
#[test]
fn with_the_exact_posterior_the_closed_form_bound_is_log_px() {
    let chain = Chain::orthogonal();
    let model = chain.model(Encoder::EXACT);
    let x = chain.draw(8, data(0));
    let bounds = model.closed_form_bound(&x, 5000);
    for (bound, log_px) in bounds.rows().into_iter().zip(chain.log_px(&x)) {
        let bound = Mean::of(bound);
        assert!(bound.error > 0.0 && bound.meets(log_px), "{bound:?} is not {log_px}");
    }
}

/// With any posterior, the closed form of the KL and the draw's own log q − log p have one mean.
#[test]
fn the_closed_form_bound_and_log_w_agree_on_average() {
    let chain = Chain::generic();
    let model = chain.model(Encoder::IMPERFECT);
    let x = chain.draw(8, data(0));
    let difference = model.closed_form_bound(&x, 5000) - model.log_w(&x, 5000);
    for difference in difference.rows() {
        let difference = Mean::of(difference);
        assert!(difference.error > 0.0 && difference.meets(0.0), "{difference:?} is not 0");
    }
}

/// From random weights to a gap of at most 0.01 nats, under the textbook's bound and the
/// importance-weighted one. The gap's estimate needs few draws: log p(x) − log w has no variance
/// where q is the posterior, and little nearby.
#[test]
fn a_trained_encoder_closes_the_gap() {
    let chain = Chain::orthogonal();
    let held_out = chain.draw(200, data(u32::MAX));
    for (objective, samples) in [("elbo", 1), ("iwae", 5)] {
        let mut model = chain.model(Encoder::EXACT);
        model.forget_encoder();
        let before = chain.gap(&model, &held_out);
        model.train_encoder(&chain, objective, samples);
        let after = chain.gap(&model, &held_out);
        println!("{objective}: the gap was {before:?}, is {after:?}");
        assert!(before.value > 1.0, "{objective}: {before:?} leaves nothing to train");
        assert!(after.value <= 0.01, "{objective}: {after:?}");
        assert!(after.value >= -ERRORS * after.error, "{objective}: {after:?}, though a KL");
    }
}

// ---------------------------------------------------------------------------------------------
// With an imperfect posterior, importance sampling finds log p(x)
// ---------------------------------------------------------------------------------------------

#[test]
fn importance_sampling_finds_log_px() {
    for chain in [Chain::generic(), Chain::generic_of_two_levels()] {
        let model = chain.model(Encoder::IMPERFECT);
        let x = chain.draw(8, data(0));
        for (found, log_px) in model.estimate(&x, 100_000).iter().zip(chain.log_px(&x)) {
            // Neither an exact encoder nor a useless one would test anything.
            assert!((1e-4..0.05).contains(&found.standard_error), "{found:?}");
            let off = (found.estimate - log_px).abs();
            assert!(off <= ERRORS * found.standard_error, "{found:?} is not {log_px}");
        }
    }
}

/// In units of the stated standard error, errors have mean square 1: not below either, where
/// "within four standard errors" would be an empty promise.
#[test]
fn standard_errors_are_honest() {
    let chain = Chain::generic();
    let model = chain.model(Encoder::IMPERFECT);
    let x = chain.draw(200, data(0));
    let estimates = model.estimate(&x, 2000);
    let squares = estimates.iter().zip(chain.log_px(&x));
    let squares = squares.map(|(e, log_px)| ((e.estimate - log_px) / e.standard_error).powi(2));
    let square = Mean::of(squares.collect::<Array1<_>>().view());
    assert!(square.meets(1.0), "{square:?} is not 1");
}

/// L_K ≤ L_{K+1} ≤ log p(x) (Burda et al. 2016, theorem 1). The K samples of one bound are among
/// those of the next, so each rise is a difference of pairs.
#[test]
fn the_bound_rises_with_the_samples() {
    const SAMPLES: [usize; 5] = [1, 2, 5, 20, 50];
    let chain = Chain::generic();
    let model = chain.model(Encoder::IMPERFECT);
    let x = chain.draw(20, data(0));
    let bounds = SAMPLES.map(|samples| model.bounds(&x, samples, 200));

    for (fewer, more) in bounds.iter().zip(&bounds[1..]) {
        let rise = Mean::of((more - fewer).view());
        assert!(rise.value >= -ERRORS * rise.error, "a rise of {rise:?}");
    }
    let rise = Mean::of((&bounds[4] - &bounds[0]).view());
    assert!(rise.value > ERRORS * rise.error, "in all a rise of {rise:?}");

    let log_px = chain.log_px(&x).mean().unwrap();
    for bound in bounds.iter().map(|b| Mean::of(b.view())) {
        assert!(bound.value <= log_px + ERRORS * bound.error, "{bound:?} is above {log_px}");
    }
}

// ---------------------------------------------------------------------------------------------
// All inputs of a tiny Bernoulli model
// ---------------------------------------------------------------------------------------------

#[test]
fn estimates_of_all_inputs_meet_quadrature_and_sum_to_one() {
    let (model, x) = (tiny_bernoulli(), all_inputs());
    let exact = quadrature(&model, &x);
    assert!((exact.sum() - 1.0).abs() < 1e-10, "by quadrature {}", exact.sum());

    let estimates = model.estimate(&x, 20_000);
    for (found, p) in estimates.iter().zip(&exact) {
        let off = (found.estimate - p.ln()).abs();
        assert!(off <= ERRORS * found.standard_error, "{found:?} is not {}", p.ln());
    }
    // The delta method once more: the error of p = e^{log p} is p times that of log p.
    let p = estimates.iter().map(|e| e.estimate.exp());
    let errors = estimates.iter().map(|e| e.estimate.exp() * e.standard_error);
    let sum = Mean { value: p.sum(), error: errors.map(|e| e * e).sum::<f64>().sqrt() };
    assert!(sum.error < 0.01 && sum.meets(1.0), "{sum:?} is not 1");
}

/// Z = 1, D = 4, one hidden layer, weights from N(0, 1).
fn tiny_bernoulli() -> Model {
    let config = VaeConfig { activation: Activation::Tanh, ..VaeConfig::new(4, &[3], 1) };
    let vae = Vae::new(config).unwrap();
    let params = normals(1, vae.layout().parameters(), 5).into_raw_vec_and_offset().0;
    let params = vae.layout().spread(&params);
    Model { vae, params }
}

/// {0, 1}⁴, `[16, 4]`.
fn all_inputs() -> Array2<f64> {
    Array2::from_shape_fn((16, 4), |(i, bit)| (i >> bit & 1) as f64)
}

/// p(x) = ∫ p(x|z) N(z; 0, 1) dz by the trapezoidal rule, whose error for a smooth integrand that
/// falls off like this one is far below rounding (Trefethen & Weideman 2014).
fn quadrature(model: &Model, x: &Array2<f64>) -> Array1<f64> {
    let step = 1.0 / 64.0;
    let z = Array1::range(-10.0, 10.0 + step, step).insert_axis(Axis(1));
    let density = z.mapv(|z: f64| (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt());
    let mut coins = Array2::zeros((z.nrows(), x.ncols()));
    let mut ws = Workspace::new(&model.vae, z.nrows(), 1, Pass::Value).unwrap();
    model.vae.decode(coins.view_mut(), &mut ws, &z.view(), &model.params);
    let probability = |x: ArrayView1<f64>| {
        let nodes = coins.rows().into_iter().zip(&density);
        nodes.map(|(coins, density)| step * density * toss(x, coins)).sum::<f64>()
    };
    x.rows().into_iter().map(probability).collect()
}

/// The probability that coins which fall 1 with probabilities `coins` fall as `x` says.
fn toss(x: ArrayView1<f64>, coins: ArrayView1<f64>) -> f64 {
    x.iter().zip(coins).map(|(&x, &p)| if x == 1.0 { p } else { 1.0 - p }).product()
}
