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
//! `src/simd.rs` promises more between the SIMD levels: not closeness, but the same bits. So each
//! operation runs at every level that this machine has, in both types.
//!
//! Members come from their families' own lists: a new one is tested by being there.

use elbo::distribution::{self, Distribution, RowGradient, Support};
use elbo::family::{Member, Spec};
use elbo::math;
use elbo::nn::{Activation, Dense};
use elbo::objective::{self, Terms, Weights};
use elbo::params::Layout;
use elbo::prior;
use elbo::real::Real;
use elbo::rng::{Address, Purpose};
use elbo::simd::{self, Level};
use elbo::vae::{LevelConfig, Noise, Pass, Vae, VaeConfig, Workspace};
use ndarray::{Array2, ArrayView2};
use std::sync::{Mutex, PoisonError};

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
const DENSE: f64 = 8.0;

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

// ---------------------------------------------------------------------------------------------
// The members
// ---------------------------------------------------------------------------------------------

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
        let p = distribution::build::<f64>(&spec).unwrap();
        let extremes = if p.is_density() { &LOG_VARIANCES[..] } else { &EXTREMES };
        let n = p.own_parameters().len();
        let owns = [normals(n, 1.0, 2), vec![20.0; n], vec![-20.0; n]];
        for width in WIDTHS {
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
            let [eps, d_z, d_kl] = [0, 1, 2].map(|row| normals(width, 1.0, row));
            let n = q.eta_width(width);
            for eta in [normals(n, 2.0, 3), cycle(n, &LOG_VARIANCES)] {
                let inputs = [eta, eps.clone(), d_z.clone(), d_kl.clone()];
                check(&Draw(spec.clone()), &inputs, DISTRIBUTION);
            }
        }
    }
}

#[test]
fn priors() {
    for spec in examples(prior::members::<f64>()) {
        for width in WIDTHS {
            for z in [normals(width, 2.0, 0), cycle(width, &EXTREMES)] {
                check(&PriorPair(spec.clone()), &[z], PRIOR);
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
fn dense_layers() {
    let shapes = [(1, 1, 1), (2, 3, 7), (17, 31, 33), (3, 257, 16), (33, 2, 257)];
    for (rows, inputs, outputs) in shapes {
        let operation = DensePair { rows, inputs, outputs };
        let x = normals(rows * inputs, 1.0, 0);
        let params = normals((inputs + 1) * outputs, 1.0, 1);
        check(&operation, &[x, params, normals(rows * outputs, 1.0, 2)], DENSE);
    }
}

/// The loss and its gradient in every parameter.
#[test]
fn whole_models() {
    for model in models() {
        let vae = Vae::<f64>::new(model.config.clone()).unwrap();
        if vae.check_objective(&*objective::build(&model.objective).unwrap()).is_ok() {
            let [x, _] = values_for(vae.likelihood(), Model::ROWS * Model::WIDTH);
            check(&model, &[x, normals(vae.layout().len(), 0.3, 9)], MODEL);
        }
    }
}

/// Likelihoods × objectives × priors × levels. Activations take turns, without those that have a
/// kink, across which a rounding error would be a jump.
fn models() -> Vec<Model> {
    let levels = [(17, 7), (7, 3)].map(|(h, latent)| LevelConfig { hidden: vec![h], latent });
    let smooth = Activation::ALL.into_iter().filter(|a| !a.has_kink()).collect::<Vec<_>>();
    let mut models = Vec::new();
    for likelihood in examples(distribution::members::<f64>()) {
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

// ---------------------------------------------------------------------------------------------
// The check
// ---------------------------------------------------------------------------------------------

/// Something that can be computed in either precision.
trait Operation {
    fn name(&self) -> String;
    fn run<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Output<T>>;

    /// The size below which a result owes no relative accuracy.
    fn unit(&self) -> f64 {
        1.0
    }
}

/// A tensor that an operation wrote.
type Output<T> = (&'static str, Vec<T>);

/// Runs `operation` at all levels in both precisions, and holds `f32` to the bound (see above).
fn check(operation: &impl Operation, inputs: &[Vec<f32>], bound: f64) {
    const EPSILON: f64 = f32::EPSILON as f64;
    let exact_inputs = widen(inputs);
    let single = at_every_level(operation, inputs);
    let double = at_every_level(operation, &exact_inputs);
    let condition = condition(operation, &exact_inputs, &double);
    let (unit, mut worst) = (operation.unit(), (0.0, String::new()));
    for ((single, double), condition) in single.iter().zip(&double).zip(condition) {
        for (i, ((&got, &want), moved)) in single.1.iter().zip(&double.1).zip(condition).enumerate()
        {
            if want.abs() > f32::MAX as f64 {
                continue; // f32 has no such number
            }
            let error = (got as f64 - want).abs();
            let excess = error / (EPSILON * (unit + want.abs()) + moved).max(f64::MIN_POSITIVE);
            let place = || format!("{} {}[{i}]: {got:e}, not {want:e}", operation.name(), double.0);
            assert!(excess <= bound, "{}, {excess:.2} > {bound}", place());
            if excess > worst.0 {
                worst = (excess, place());
            }
        }
    }
    println!("{:.2} {}", worst.0, worst.1);
}

/// ΔF of every output: how far roundings of the inputs would move it.
fn condition(
    operation: &impl Operation,
    inputs: &[Vec<f64>],
    base: &[Output<f64>],
) -> Vec<Vec<f64>> {
    const DRAWS: usize = 16;
    let mut squares: Vec<Vec<f64>> = base.iter().map(|(_, v)| vec![0.0; v.len()]).collect();
    for draw in 0..DRAWS {
        let rounded: Vec<_> = inputs.iter().enumerate().map(|(i, a)| round(a, i, draw)).collect();
        for ((sums, base), moved) in squares.iter_mut().zip(base).zip(operation.run(&rounded)) {
            for ((sum, base), moved) in sums.iter_mut().zip(&base.1).zip(moved.1) {
                *sum += (moved - base).powi(2);
            }
        }
    }
    let root_mean = |sums: Vec<f64>| sums.into_iter().map(|s| (s / DRAWS as f64).sqrt()).collect();
    squares.into_iter().map(root_mean).collect()
}

/// Every number moved by a relative ±ε, with signs of tensor `tensor` in draw `draw`.
fn round(a: &[f64], tensor: usize, draw: usize) -> Vec<f64> {
    let mut signs = vec![0.0f64; a.len()];
    let address = Address::new(7, Purpose::Check).level(tensor).sample(draw as u32);
    address.fill_normal(&mut signs);
    a.iter().zip(signs).map(|(a, s)| a * (1.0 + s.signum() * f32::EPSILON as f64)).collect()
}

/// Forcing a level holds for the whole process, and the tests of a file share one.
static FORCING: Mutex<()> = Mutex::new(());

/// What `operation` gives at the portable level, after every other has given the same bits.
fn at_every_level<T: Real>(operation: &impl Operation, inputs: &[Vec<T>]) -> Vec<Output<T>> {
    let _guard = FORCING.lock().unwrap_or_else(PoisonError::into_inner);
    let run = |level| {
        simd::force(Some(level));
        operation.run(inputs)
    };
    let portable = run(Level::Portable);
    for level in simd::available() {
        for ((name, a), (_, b)) in portable.iter().zip(run(level)) {
            let same = a.iter().zip(&b).all(|(a, b)| a.to_f64().to_bits() == b.to_f64().to_bits());
            assert!(
                same,
                "{} {name}: {level:?} gives other bits, in {}",
                operation.name(),
                T::NAME
            );
        }
    }
    simd::force(None);
    portable
}

// ---------------------------------------------------------------------------------------------
// The operations
// ---------------------------------------------------------------------------------------------

/// [a, d_h] → [h, d_a]
struct ActivationPair(Activation);

impl Operation for ActivationPair {
    fn name(&self) -> String {
        self.0.name().to_owned()
    }

    fn run<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Output<T>> {
        let [a, d] = inputs else { panic!("a and d_h") };
        let (mut h, mut d) = (zeros(a.len()), d.clone());
        self.0.forward(&mut h, a);
        self.0.backward(&mut d, a, &h);
        vec![("h", h), ("d_a", d)]
    }
}

/// [x, η, own] → log p and its gradients, and the mean
struct Score(Spec);

impl Operation for Score {
    fn name(&self) -> String {
        self.0.to_string()
    }

    fn run<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Output<T>> {
        let [x, eta, own] = inputs else { panic!("x, η and own") };
        let p = distribution::build::<T>(&self.0).unwrap();
        let (mut d_eta, mut d_x, mut d_own) = (zeros(eta.len()), zeros(x.len()), zeros(own.len()));
        let d = RowGradient { d_eta: &mut d_eta, d_x: &mut d_x, d_own: &mut d_own };
        let log_p = [p.log_prob(x, eta, own), p.log_prob_gradient(d, x, eta, own)];
        let mut mean = zeros(x.len());
        p.mean(&mut mean, eta, own);
        vec![
            ("log p", log_p.to_vec()),
            ("d_η", d_eta),
            ("d_x", d_x),
            ("d_own", d_own),
            ("mean", mean),
        ]
    }
}

/// [η, ε, d_z, d_KL] → the draw, log q, the closed-form KL, and their backward passes
struct Draw(Spec);

impl Operation for Draw {
    fn name(&self) -> String {
        format!("draw from {}", self.0)
    }

    fn run<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Output<T>> {
        let [eta, eps, d_z, d_kl] = inputs else { panic!("η, ε, d_z and d_KL") };
        let q = distribution::build_posterior::<T>(&self.0).unwrap();
        let q = q.as_reparameterized().expect("a posterior");
        let of_z = || zeros(eps.len());
        let of_eta = || zeros(eta.len());

        let (mut z, mut path) = (of_z(), of_eta());
        q.rsample(&mut z, eta, eps);
        q.rsample_backward(&mut path, d_z, eta, eps);

        let (mut direct, mut d_log_q) = (of_eta(), of_z());
        let log_q = [q.log_q(eta, eps), q.log_q_gradient(&mut direct, &mut d_log_q, eta, eps)];

        let (mut kl, mut d_eta_kl) = (of_z(), of_eta());
        q.kl(&mut kl, eta);
        q.kl_backward(&mut d_eta_kl, d_kl, eta);
        vec![
            ("z", z),
            ("d_η through z", path),
            ("log q", log_q.to_vec()),
            ("d_η of log q", direct),
            ("d_z of log q", d_log_q),
            ("KL", kl),
            ("d_η of KL", d_eta_kl),
        ]
    }
}

/// [z] → log p(z) and its gradient
struct PriorPair(Spec);

impl Operation for PriorPair {
    fn name(&self) -> String {
        self.0.to_string()
    }

    fn run<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Output<T>> {
        let [z] = inputs else { panic!("z") };
        let p = prior::build::<T>(&self.0).unwrap();
        let mut d_z = zeros(z.len());
        let log_p = [p.log_prob(z), p.log_prob_gradient(&mut d_z, z)];
        vec![("log p", log_p.to_vec()), ("d_z", d_z)]
    }
}

/// [log p(x|z), log p(z), log q, KL] → the loss and its weights
struct Weigh {
    spec: Spec,
    rows: usize,
    samples: usize,
    closed_form: bool,
}

impl Weigh {
    const LATENT: usize = 3;

    /// Inputs whose row b lies around `levels[b % len]`.
    fn pieces(&self, levels: &[f32]) -> [Vec<f32>; 4] {
        let [mut log_px, log_prior, log_q] =
            [0, 1, 2].map(|row| normals(self.rows * self.samples, 3.0, row));
        for (row, level) in log_px.chunks_mut(self.samples).zip(levels.iter().cycle()) {
            row.iter_mut().for_each(|v| *v += level);
        }
        let kl = normals(self.rows * Self::LATENT, 1.0, 3).into_iter().map(f32::abs);
        [log_px, log_prior, log_q, kl.collect()]
    }
}

impl Operation for Weigh {
    fn name(&self) -> String {
        format!("{} of {} rows, {} samples", self.spec, self.rows, self.samples)
    }

    /// A row's weights sum to 1/B.
    fn unit(&self) -> f64 {
        1.0 / self.rows as f64
    }

    fn run<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Output<T>> {
        let [log_px, log_prior, log_q, kl] = inputs else { panic!("the pieces of log w") };
        let objective = objective::build::<T>(&self.spec).unwrap();
        let terms = Terms {
            log_px: matrix(log_px, self.rows),
            log_prior: matrix(log_prior, self.rows),
            log_q: matrix(log_q, self.rows),
            kl: self.closed_form.then(|| matrix(kl, self.rows)),
            beta: T::from_f64(0.75),
        };
        let per_draw = || Array2::zeros((self.rows, self.samples));
        let [mut d_px, mut d_prior, mut direct, mut path] = [(); 4].map(|()| per_draw());
        let mut d_kl = Array2::zeros((self.rows, Self::LATENT));
        let weights = Weights {
            log_px: d_px.view_mut(),
            log_prior: d_prior.view_mut(),
            direct: direct.view_mut(),
            path: path.view_mut(),
            kl: d_kl.view_mut(),
        };
        let loss = T::from_f64(objective.weigh(weights, &terms));
        vec![
            ("loss", vec![loss]),
            ("weight of log p(x|z)", flat(d_px)),
            ("weight of log p(z)", flat(d_prior)),
            ("weight of log q", flat(direct)),
            ("scale of the path", flat(path)),
            ("weight of KL", flat(d_kl)),
        ]
    }
}

/// [x, parameters, d_y] → [y, d_x, d_parameters]
struct DensePair {
    rows: usize,
    inputs: usize,
    outputs: usize,
}

impl Operation for DensePair {
    fn name(&self) -> String {
        format!("dense {} → {}, {} rows", self.inputs, self.outputs, self.rows)
    }

    fn run<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Output<T>> {
        let [x, params, d_y] = inputs else { panic!("x, parameters and d_y") };
        let mut layout = Layout::default();
        let dense = Dense::new(&mut layout, "dense", self.inputs, self.outputs);
        let (x, d_y) = (matrix(x, self.rows), matrix(d_y, self.rows));
        let mut y = Array2::zeros((self.rows, self.outputs));
        let (mut d_x, mut d_params) = (Array2::zeros(x.dim()), zeros(params.len()));
        dense.forward(&mut y.view_mut(), &x, params);
        dense.backward(&mut d_params, Some(&mut d_x.view_mut()), &d_y, &x, params);
        vec![("y", flat(y)), ("d_x", flat(d_x)), ("d_parameters", d_params)]
    }
}

/// [x, parameters] → the loss, and its gradient
struct Model {
    config: VaeConfig,
    objective: Spec,
}

impl Model {
    const WIDTH: usize = 33;
    const ROWS: usize = 3;
    const SAMPLES: usize = 2;
}

impl Operation for Model {
    fn name(&self) -> String {
        let VaeConfig { likelihood, levels, activation, .. } = &self.config;
        format!("{} of {likelihood}, L = {}, {}", self.objective, levels.len(), activation.name())
    }

    fn run<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Output<T>> {
        let [x, params] = inputs else { panic!("x and parameters") };
        let vae = Vae::<T>::new(self.config.clone()).unwrap();
        let objective = objective::build::<T>(&self.objective).unwrap();
        let mut ws = Workspace::new(&vae, Self::ROWS, Self::SAMPLES, Pass::Gradient).unwrap();
        let noise =
            Noise { address: Address::new(1, Purpose::Check), rows: &[4, 9, 2], first_sample: 0 };
        let (x, mut d) = (matrix(x, Self::ROWS), zeros(params.len()));
        let score =
            vae.loss_and_gradient(&mut d, &mut ws, &x, params, noise, &*objective, T::one());
        vec![("loss", vec![T::from_f64(score.loss)]), ("gradient", d)]
    }
}

// ---------------------------------------------------------------------------------------------
// Numbers
// ---------------------------------------------------------------------------------------------

/// Every example of every member, which together reach every branch of their code.
fn examples<O>(members: Vec<Member<O>>) -> Vec<Spec> {
    let examples = members.iter().flat_map(|m| m.examples);
    examples.map(|e| e.parse().expect("an example is a spec")).collect()
}

/// `n` draws from N(0, scale²), a sequence of their own for every `row`.
fn normals(n: usize, scale: f32, row: u64) -> Vec<f32> {
    let mut values = zeros::<f32>(n);
    Address::new(0, Purpose::Check).row(row).fill_normal(&mut values);
    values.iter_mut().for_each(|v| *v *= scale);
    values
}

/// Every combination of one of each.
fn triples<A: Clone, B: Clone, C: Clone>(a: &[A], b: &[B], c: &[C]) -> Vec<(A, B, C)> {
    let mut triples = Vec::with_capacity(a.len() * b.len() * c.len());
    for a in a {
        for b in b {
            triples.extend(c.iter().map(|c| (a.clone(), b.clone(), c.clone())));
        }
    }
    triples
}

/// `n` of these values, over and over.
fn cycle(n: usize, values: &[f32]) -> Vec<f32> {
    values.iter().copied().cycle().take(n).collect()
}

/// `n` values that `p` accepts, ordinary and extreme: a real number, or one in (0, 1), or a count.
fn values_for(p: &dyn Distribution<f64>, n: usize) -> [Vec<f32>; 2] {
    let accepted = |v: &f32| !matches!(p.support(*v as f64), Support::Outside(_));
    let ordinary =
        |v: f32| [v, 1.0 / (1.0 + (-v).exp()), v.abs().round()].into_iter().find(accepted);
    let extreme: Vec<_> = VALUES.into_iter().filter(accepted).collect();
    [
        normals(n, 1.0, 5).into_iter().map(|v| ordinary(v).expect("one of the three")).collect(),
        cycle(n, &extreme),
    ]
}

fn widen(inputs: &[Vec<f32>]) -> Vec<Vec<f64>> {
    inputs.iter().map(|a| a.iter().map(|&v| v as f64).collect()).collect()
}

fn zeros<T: Real>(n: usize) -> Vec<T> {
    vec![T::zero(); n]
}

/// A flat tensor as a matrix of `rows` rows.
fn matrix<T: Real>(values: &[T], rows: usize) -> ArrayView2<'_, T> {
    ArrayView2::from_shape((rows, values.len() / rows), values).expect("a whole number of rows")
}

/// A matrix as a flat tensor.
fn flat<T: Real>(a: Array2<T>) -> Vec<T> {
    a.into_raw_vec_and_offset().0
}
