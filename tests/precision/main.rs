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
//! `src/simd.rs` promises more between the instruction sets: not closeness, but the same bits. So each
//! operation runs at every level that this machine has, in both types.
//!
//! Members come from their families' own lists: a new one is tested by being there.

use elbo::check::{self, Lists, Shape, Sizes};
use elbo::distribution;
use elbo::math;
use elbo::nn::{self, Activation};
use elbo::objective;
use elbo::penalty;
use elbo::prior;

mod comparison;
mod points;

use comparison::{both, pairs};
use points::{combinations, ordinary};

// Each bound is about twice the worst that was measured (`cargo test --test precision --
// --nocapture` prints the worst of every check), and so small that an operation done in a careless
// order, such as a softmax through a rounded logarithm, exceeds it.

/// Measured 1.5: an elementary function good to 2.5 ulp, then a product or two with the gradient.
const ACTIVATION: f64 = 3.0;

/// Measured 1.7, in a bounded normal at its floor, and 1.1 in sums over coordinates whose log-variances of ±20 cancel.
const DISTRIBUTION: f64 = 2.5;

/// Measured 4.9 in draws, and 6.1 in models: a bounded log-variance may be −4.6 and rounded as such, while the u
/// that it is made of, whose roundings ΔF counts, hardly moves it near a bound.
const BOUNDED: f64 = 12.0;

/// Measured 0.5: squares and their sum, nothing cancels.
const PRIOR: f64 = 1.0;

/// Measured 2.4 in priors and 3.1 in likelihoods: the shares of components are exponentials of differences of log-densities, each rounded as a
/// sum of squares that no rounding of z or η moves apart as far.
const MIXTURE: f64 = 5.0;

/// Measured 2.8: the total correlation is a difference of log-densities, each of which is rounded, and small where
/// latents are independent.
const PENALTY: f64 = 6.0;

/// Measured 0.6: a softmax and one product.
const OBJECTIVE: f64 = 1.0;

/// Measured 3.9: products sum one term after another, and each addition rounds the whole sum so far,
/// for n terms about √n/4 times what rounding the terms does. √257/4 = 4.
const LINEAR: f64 = 8.0;

/// Measured 3.1: a few linear maps in a row, of fewer terms.
const NETWORK: f64 = 6.5;

/// Measured 6.9: two networks in a row, the second on what the first made of z, and gates between them.
const FLOW: f64 = 14.0;

/// Measured 3.9: some ten operations in a row, each on the rounded results of those before it, while
/// ΔF counts only the roundings of the first one's inputs.
const MODEL: f64 = 6.0;

/// Measured 8.9, of models with layer normalisation: rows whose values lie close together are spread out, and with
/// them the rounding that the layer below left in them, which ΔF knows nothing of. And 7.9 of those with a
/// covariance matrix, through whose inverse the rounding of the network's output goes.
const NORMALISED: f64 = 18.0;

/// Measured 62.8, of models with batch normalisation on three rows, in a bias in front of it, and 31.8 elsewhere: what three
/// rows of a unit differ by, a hundredth of a sigmoid's output here, is spread out to variance 1, and every gradient that
/// goes back through it is as much larger than what is left of it in the sum over the rows.
const NORMALISED_OVER_ROWS: f64 = 130.0;

/// Of importance-weighted models, for each nat of the loss, and of mixtures, for each nat of log p: log w, or a component's
/// log p, is rounded in proportion to its size, and that is a relative error of every share, which ΔF knows nothing of.
/// Measured 0.21.
const PER_NAT: f64 = 0.4;

/// Ragged lengths: around the sixteen lanes of a sum and the widths of the registers.
const WIDTHS: [usize; 9] = [1, 2, 3, 7, 16, 17, 31, 33, 257];

#[test]
fn activations() {
    for width in WIDTHS {
        for mut pair in both!(Activation::ALL.map(|f| check::activation(f, width))) {
            for point in combinations(&pair.single.inputs(), 1) {
                pair.check(&point, ACTIVATION);
            }
        }
    }
}

#[test]
fn distributions() {
    // Each row alone, and with rows that are shared.
    let alone = WIDTHS.map(|width| Shape { rows: 1, samples: 1, width });
    for shape in alone.into_iter().chain([Shape { rows: 2, samples: 3, width: 17 }]) {
        let operations = both!(check::distributions(&distribution::members(), shape));
        let means = both!(check::means(&distribution::members(), shape));
        for mut pair in operations.chain(means) {
            // A covariance matrix has D²/2 numbers, and extreme ones multiply from row to row.
            if pair.single.name().contains("full-normal") && shape.width > 7 {
                continue;
            }
            let inputs = pair.single.inputs();
            // Values of such sizes and components of such widths together are beyond single precision; and of
            // ten tensors there are ten thousands of combinations.
            let mixture = pair.single.name().contains(" mixture:");
            let most = if mixture || inputs.len() > 4 { 1 } else { usize::MAX };
            for point in combinations(&inputs, most) {
                // Of a mixture's components each column has shares, and an autoregressive flow is two networks.
                let name = pair.single.name();
                let bound = match () {
                    () if mixture => MIXTURE + PER_NAT * pair.first(&point).abs(),
                    () if name.contains(" iaf:") => FLOW,
                    () if name.contains("draw from bounded-normal") => BOUNDED,
                    () => DISTRIBUTION,
                };
                pair.check(&point, bound);
            }
        }
    }
}

#[test]
fn priors() {
    for width in WIDTHS {
        let shape = Shape { rows: 1, samples: 1, width };
        for mut pair in both!(check::priors(&prior::members(), shape)) {
            // Values of such sizes and components of such widths together are beyond single precision.
            let inputs = pair.single.inputs();
            let mixture = inputs[1..].iter().any(|input| input.len > 0);
            for point in combinations(&inputs, 1) {
                pair.check(&point, if mixture { MIXTURE } else { PRIOR });
            }
        }
    }
}

#[test]
fn penalties() {
    for shape in [(2, 1, 3), (7, 3, 5), (33, 1, 17)] {
        let (rows, samples, width) = shape;
        let shape = Shape { rows, samples, width };
        for mut pair in both!(check::penalties(&penalty::members(), shape)) {
            pair.check(&ordinary(&pair.single.inputs()), PENALTY);
        }
    }
}

/// With rows of log w so far apart that a maximum taken over more than one row would underflow.
#[test]
fn objectives() {
    for (rows, samples) in [(1, 1), (2, 3), (7, 17), (3, 257), (33, 2)] {
        let shape = Shape { rows, samples, width: 3 };
        for mut pair in both!(check::objectives(&objective::members(), shape)) {
            // A row's weights sum to 1/B.
            pair.unit = 1.0 / rows as f64;
            for levels in [&[0.0][..], &[0.0, -700.0, -1e4, 300.0]] {
                let mut point = ordinary(&pair.single.inputs());
                for (row, level) in point[0].chunks_mut(samples).zip(levels.iter().cycle()) {
                    row.iter_mut().for_each(|v| *v += level);
                }
                pair.check(&point, OBJECTIVE);
            }
        }
    }
}

#[test]
fn linear_maps() {
    let shapes = [(1, 1, 1), (1, 257, 10), (2, 3, 7), (17, 31, 33), (3, 257, 16), (33, 2, 257)];
    for mut pair in both!(shapes.map(|(rows, i, o)| check::linear(rows, i, o))) {
        pair.check(&ordinary(&pair.single.inputs()), LINEAR);
    }
}

#[test]
fn layers_and_networks() {
    for (rows, inputs) in [(1, 257), (3, 31), (8, 7)] {
        let layers = both!(check::layers(&nn::members(), &smooth(), rows, inputs));
        let specs = ["", "dense=17", "dense=33 dropout=0.4 dense=7"];
        let networks = both!(specs.map(|layers| check::network(layers, rows, inputs, 3)));
        for mut pair in layers.chain(networks) {
            pair.check(&ordinary(&pair.single.inputs()), NETWORK);
        }
    }
}

/// The loss and its gradient in every parameter, over a pairwise cover of all members.
#[test]
fn whole_models() {
    let lists = Lists::of_all_members(&smooth());
    let sizes = Sizes { rows: 3, width: 33, levels: [(17, 7), (7, 3)] };
    for mut pair in both!(check::models(&lists, &sizes)) {
        // Weights of half the size for some four times as many inputs: sums of the usual size. Larger ones,
        // exponentiated from level to level, leave what single precision can hold.
        let mut inputs = ordinary(&pair.single.inputs());
        inputs.iter_mut().flatten().for_each(|v| *v *= 0.5);
        let name = pair.single.name();
        let weighted =
            name.contains("K = 3") && !["elbo", "stl"].iter().any(|o| name.starts_with(o));
        let loss = pair.first(&inputs).abs();
        let spread_out = name.contains("layer-norm") || name.contains("full-normal");
        if name.contains("batch-norm") {
            // What moves all rows of a unit alike is normalised away: the gradient of a bias in front is what is left
            // of a sum over the rows that is nearly 0, and has the digits of its terms.
            pair.unit = pair.largest_gradient(&inputs).max(1.0);
        }
        let bound = match () {
            () if name.contains("batch-norm") => NORMALISED_OVER_ROWS,
            () if spread_out => NORMALISED,
            () if name.contains("q bounded-normal") => BOUNDED,
            () => MODEL,
        };
        // A flow behind a covariance matrix does both to a rounding (measured 18.8).
        let bound = bound + if name.contains("base=full-normal") { FLOW } else { 0.0 };
        let bound = bound + if weighted { PER_NAT * loss } else { 0.0 };
        pair.check(&inputs, bound);
    }
}

/// The activations without a kink, across which a rounding error would be a jump.
fn smooth() -> Vec<Activation> {
    Activation::ALL.into_iter().filter(|f| !f.has_kink()).collect()
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
