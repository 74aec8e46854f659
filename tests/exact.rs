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

use elbo::evaluate::{LogPx, log_px_of};
use elbo::family::Spec;
use elbo::nn::{Activation, Init};
use elbo::objective;
use elbo::optim::{Adam, AdamConfig};
use elbo::rng::{Address, Purpose};
use elbo::vae::{LevelConfig, Noise, Pass, Vae, VaeConfig, Workspace};
use ndarray::{Array1, Array2, ArrayView1, Axis, array, concatenate};

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
    let params = normals(1, vae.layout().len(), 5).into_raw_vec_and_offset().0;
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

// ---------------------------------------------------------------------------------------------
// The linear chain
// ---------------------------------------------------------------------------------------------

/// The decoders of a linear chain, from the data upwards.
struct Chain {
    decoders: Vec<Decoder>,
}

/// p(z_{l−1}|z_l) = N(W z_l + b, diag n)
struct Decoder {
    w: Array2<f64>,
    b: Array1<f64>,
    n: Array1<f64>,
}

impl Chain {
    /// One level, W with orthogonal columns: the posterior's covariance is diagonal.
    fn orthogonal() -> Self {
        let w = orthogonal_columns(normals(WIDTH, 2, 1));
        Chain { decoders: vec![Decoder::new(w, &[0.5; WIDTH])] }
    }

    /// One level, any W.
    fn generic() -> Self {
        Chain { decoders: vec![Decoder::new(normals(WIDTH, 2, 1), &[0.5; WIDTH])] }
    }

    /// Two levels. W₂ is a scaled rotation, which keeps the covariance of z₁, and so that of its
    /// posterior, diagonal.
    fn orthogonal_of_two_levels() -> Self {
        let rotation = array![[0.6, -0.8], [0.8, 0.6]];
        let mut chain = Chain::orthogonal();
        chain.decoders.push(Decoder::new(1.5 * rotation, &[0.3; 2]));
        chain
    }

    /// Two levels, any W₁ and W₂, and another variance for every coordinate of z₁.
    fn generic_of_two_levels() -> Self {
        Chain {
            decoders: vec![
                Decoder::new(normals(WIDTH, 3, 1), &[0.5; WIDTH]),
                Decoder::new(normals(3, 2, 2), &[0.3, 0.8, 0.5]),
            ],
        }
    }

    /// m_l and C_l.
    fn marginal(&self, l: usize) -> Normal {
        let Some(Decoder { w, b, n }) = self.decoders.get(l) else {
            let top = self.decoders[l - 1].w.ncols();
            return Normal { mean: Array1::zeros(top), covariance: Array2::eye(top) };
        };
        let above = self.marginal(l + 1);
        Normal {
            mean: w.dot(&above.mean) + b,
            covariance: w.dot(&above.covariance).dot(&w.t()) + Array2::from_diag(n),
        }
    }

    /// log p(x) of every row.
    fn log_px(&self, x: &Array2<f64>) -> Array1<f64> {
        let p = self.marginal(0);
        x.rows().into_iter().map(|x| p.log_density(&x)).collect()
    }

    /// Draws of x, `[rows, D]`.
    fn draw(&self, rows: usize, address: Address) -> Array2<f64> {
        let Normal { mean, covariance } = self.marginal(0);
        let mut eps = Array2::zeros((rows, mean.len()));
        address.fill_normal(eps.as_slice_mut().unwrap());
        eps.dot(&cholesky(&covariance).t()) + mean
    }

    /// The chain as a model of the crate.
    fn model(&self, encoder: Encoder) -> Model {
        let level = |d: &Decoder| LevelConfig { hidden: vec![], latent: d.w.ncols() };
        let vae = Vae::new(VaeConfig {
            levels: self.decoders.iter().map(level).collect(),
            likelihood: Spec::new("normal").with("variance", self.decoders[0].n[0]),
            ..VaeConfig::new(WIDTH, &[], 1)
        });
        let vae = vae.unwrap();
        let mut model = Model { params: vec![0.0; vae.layout().len()], vae };
        for l in 0..self.decoders.len() {
            model.set_decoder(l, &self.decoders[l]);
            let posterior = encoder.of(self, l);
            model.set(&format!("encoder.{l}"), posterior);
        }
        model
    }

    /// log p(x) − E_q[log w] = KL(q ‖ p(z|x)), averaged over rows.
    fn gap(&self, model: &Model, x: &Array2<f64>) -> Mean {
        let log_px = self.log_px(x).insert_axis(Axis(1));
        let of_rows = (log_px - model.log_w(x, 50)).mean_axis(Axis(1)).expect("draws");
        Mean::of(of_rows.view())
    }
}

impl Decoder {
    fn new(w: Array2<f64>, n: &[f64]) -> Self {
        let b = normals(1, w.nrows(), 3).row(0).to_owned();
        Decoder { w, b, n: Array1::from(n.to_vec()) }
    }
}

/// An encoder relative to the exact posterior.
#[derive(Clone, Copy)]
struct Encoder {
    /// Factor on how far the posterior's mean moves with the data.
    gain: f64,
    /// Factor on the posterior's variances.
    spread: f64,
}

impl Encoder {
    /// The posterior itself, where its covariance is diagonal.
    const EXACT: Encoder = Encoder { gain: 1.0, spread: 1.0 };

    /// Clearly not the posterior, but wider than it, so that the weights' variance is finite.
    const IMPERFECT: Encoder = Encoder { gain: 0.9, spread: 1.5 };

    /// This encoder of z_{l+1} given z_l, as the weight `[2Z, Z_l]` and bias `[2Z]` of a linear layer
    /// that emits [mean; log-variance].
    fn of(self, chain: &Chain, l: usize) -> Linear {
        let (below, above) = (chain.marginal(l), chain.marginal(l + 1));
        let wc = chain.decoders[l].w.dot(&above.covariance);
        let gain = solve(&below.covariance, &wc).reversed_axes(); // C Wᵀ C_below⁻¹, transposed
        let variances = (&above.covariance - &gain.dot(&wc)).into_diag();
        let gain = self.gain * gain;
        let offset = above.mean - gain.dot(&below.mean);
        let log_variances = (self.spread * variances).ln();
        Linear::with_log_variances(gain, offset, log_variances)
    }
}

/// The numbers of a linear layer.
struct Linear {
    weight: Array2<f64>,
    bias: Array1<f64>,
}

impl Linear {
    /// Emits [mean; log-variance], the latter the same for every input.
    fn with_log_variances(w: Array2<f64>, b: Array1<f64>, log_variances: Array1<f64>) -> Self {
        let zeros = Array2::zeros(w.dim());
        Linear {
            weight: concatenate![Axis(0), w, zeros],
            bias: concatenate![Axis(0), b, log_variances],
        }
    }
}

// ---------------------------------------------------------------------------------------------
// A model of the crate, with its numbers
// ---------------------------------------------------------------------------------------------

struct Model {
    vae: Vae<f64>,
    params: Vec<f64>,
}

impl Model {
    /// Writes the linear layer of a network without hidden layers.
    fn set(&mut self, network: &str, layer: Linear) {
        self.set_slot(&format!("{network}.head.weight"), layer.weight.iter());
        self.set_slot(&format!("{network}.head.bias"), layer.bias.iter());
    }

    fn set_slot<'a>(&mut self, name: &str, values: impl ExactSizeIterator<Item = &'a f64>) {
        let slot = self.vae.layout().slots().iter().find(|s| s.name == name).expect("a slot");
        assert_eq!(slot.len(), values.len(), "{name} is {:?}", slot.shape);
        self.params[slot.range()].iter_mut().zip(values).for_each(|(p, v)| *p = *v);
    }

    /// The lowest conditional's variance is a setting; those above are emitted.
    fn set_decoder(&mut self, l: usize, decoder: &Decoder) {
        let Decoder { w, b, n } = decoder;
        let layer = match l {
            0 => Linear { weight: w.clone(), bias: b.clone() },
            _ => Linear::with_log_variances(w.clone(), b.clone(), n.ln()),
        };
        self.set(&format!("decoder.{l}"), layer);
    }

    /// Runs forward with `samples` draws of each row, into a fresh workspace.
    fn forward(&self, x: &Array2<f64>, samples: usize, closed_form: bool) -> Workspace<f64> {
        let mut ws = Workspace::new(&self.vae, x.nrows(), samples, Pass::Value).unwrap();
        let rows = rows_of(x);
        let noise = Noise { address: noise(0), rows: &rows, first_sample: 0 };
        self.vae.forward(&mut ws, &x.view(), &self.params, noise, closed_form);
        ws
    }

    /// log w = log p(x|z) + log p(z) − log q(z|x) of every draw, `[B, K]`.
    fn log_w(&self, x: &Array2<f64>, samples: usize) -> Array2<f64> {
        let ws = self.forward(x, samples, false);
        let terms = ws.terms(1.0);
        &terms.log_px + &terms.log_prior - terms.log_q
    }

    /// log p(x|z) − KL(q ‖ p) of every draw, `[B, K]`.
    fn closed_form_bound(&self, x: &Array2<f64>, samples: usize) -> Array2<f64> {
        let ws = self.forward(x, samples, true);
        let terms = ws.terms(1.0);
        let kl = terms.kl.expect("asked for").sum_axis(Axis(1));
        &terms.log_px - &kl.insert_axis(Axis(1))
    }

    /// The importance-sampled log p(x) of every row.
    fn estimate(&self, x: &Array2<f64>, samples: usize) -> Vec<LogPx> {
        let mut ws = Workspace::new(&self.vae, x.nrows(), 50, Pass::Value).unwrap();
        log_px_of(&self.vae, &mut ws, &x.view(), &self.params, samples, noise(0), &rows_of(x))
    }

    /// L_K averaged over the rows, in `repeats` repeats with noise of their own.
    fn bounds(&self, x: &Array2<f64>, samples: usize, repeats: u32) -> Array1<f64> {
        let mut ws = Workspace::new(&self.vae, x.nrows(), samples, Pass::Value).unwrap();
        let (rows, iwae) = (rows_of(x), objective::build(&Spec::new("iwae")).unwrap());
        let bound = |repeat| {
            let noise = Noise { address: noise(repeat), rows: &rows, first_sample: 0 };
            -self.vae.loss(&mut ws, &x.view(), &self.params, noise, &*iwae, 1.0).loss
        };
        (0..repeats).map(bound).collect()
    }

    /// Random encoder weights, as at the start of any training.
    fn forget_encoder(&mut self) {
        let fresh = self.vae.init(Init::Uniform, 0, None);
        for slot in self.vae.layout().slots().iter().filter(|s| s.name.starts_with("encoder")) {
            self.params[slot.range()].copy_from_slice(&fresh[slot.range()]);
        }
    }

    /// Trains the encoder alone, on fresh draws of the chain: the decoder's gradient is dropped.
    fn train_encoder(&mut self, chain: &Chain, objective: &str, samples: usize) {
        const STEPS: u32 = 3000;
        const BATCH: usize = 64;
        let objective = objective::build(&Spec::new(objective)).unwrap();
        let mut ws = Workspace::new(&self.vae, BATCH, samples, Pass::Gradient).unwrap();
        let mut adam = Adam::new(AdamConfig::default(), self.params.len());
        let mut gradient = vec![0.0; self.params.len()];
        let rows: Vec<usize> = (0..BATCH).collect();
        for step in 0..STEPS {
            let x = chain.draw(BATCH, data(step));
            let noise = Noise { address: noise(step), rows: &rows, first_sample: 0 };
            let (x, params) = (&x.view(), &self.params);
            gradient.fill(0.0);
            self.vae.loss_and_gradient(&mut gradient, &mut ws, x, params, noise, &*objective, 1.0);
            for slot in self.vae.layout().slots().iter().filter(|s| s.name.starts_with("decoder")) {
                gradient[slot.range()].fill(0.0);
            }
            // Down to zero in a line, so that the noise of the last steps averages out.
            let rate = 0.1 * (1.0 - step as f64 / STEPS as f64);
            adam.update(&mut self.params, &gradient, 1.0, rate);
        }
    }
}

/// The dataset rows that address the noise of a batch.
fn rows_of(x: &Array2<f64>) -> Vec<usize> {
    (0..x.nrows()).collect()
}

/// Where the posterior's draws come from.
fn noise(repeat: u32) -> Address {
    Address::new(1, Purpose::Test).epoch(repeat)
}

/// Where data come from: streams of another purpose than the noise's.
fn data(repeat: u32) -> Address {
    Address::new(2, Purpose::Check).epoch(repeat)
}

// ---------------------------------------------------------------------------------------------
// A little statistics and linear algebra
// ---------------------------------------------------------------------------------------------

/// A mean and its standard error.
#[derive(Debug)]
struct Mean {
    value: f64,
    error: f64,
}

impl Mean {
    fn of(draws: ArrayView1<f64>) -> Self {
        let n = draws.len() as f64;
        Mean { value: draws.mean().expect("at least one draw"), error: draws.std(1.0) / n.sqrt() }
    }

    fn meets(&self, exact: f64) -> bool {
        (self.value - exact).abs() <= ERRORS * self.error
    }
}

/// N(mean, covariance)
struct Normal {
    mean: Array1<f64>,
    covariance: Array2<f64>,
}

impl Normal {
    /// log N(x; m, C) = −½ (ln |2πC| + ‖L⁻¹(x − m)‖²) with C = LLᵀ, so that ln |C| = 2 Σ ln L_ii.
    fn log_density(&self, x: &ArrayView1<f64>) -> f64 {
        let l = cholesky(&self.covariance);
        let y = forward_substitution(&l, x - &self.mean);
        let ln_2pi = std::f64::consts::TAU.ln();
        -0.5 * (x.len() as f64 * ln_2pi + y.dot(&y)) - l.diag().ln().sum()
    }
}

/// The lower triangular L with LLᵀ = a, row by row.
fn cholesky(a: &Array2<f64>) -> Array2<f64> {
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
fn forward_substitution(l: &Array2<f64>, mut b: Array1<f64>) -> Array1<f64> {
    for i in 0..b.len() {
        b[i] = (b[i] - (0..i).map(|k| l[[i, k]] * b[k]).sum::<f64>()) / l[[i, i]];
    }
    b
}

/// a⁻¹ b for a positive definite a = LLᵀ, as L⁻ᵀ (L⁻¹ b) with L⁻¹ written out.
fn solve(a: &Array2<f64>, b: &Array2<f64>) -> Array2<f64> {
    let l = cholesky(a);
    let mut inverse = Array2::eye(a.nrows());
    for mut column in inverse.columns_mut() {
        let solved = forward_substitution(&l, column.to_owned());
        column.assign(&solved);
    }
    inverse.t().dot(&inverse).dot(b)
}

/// Draws from N(0, 1), a matrix of their own for every `row` of the address.
fn normals(rows: usize, columns: usize, row: u64) -> Array2<f64> {
    let mut a = Array2::zeros((rows, columns));
    Address::new(3, Purpose::Check).row(row).fill_normal(a.as_slice_mut().unwrap());
    a
}

/// Takes from each column its parts along those before it (Gram–Schmidt, without normalising).
fn orthogonal_columns(mut a: Array2<f64>) -> Array2<f64> {
    for j in 1..a.ncols() {
        for i in 0..j {
            let (before, column) = (a.column(i).to_owned(), a.column(j).to_owned());
            let along = before.dot(&column) / before.dot(&before);
            a.column_mut(j).assign(&(column - along * &before));
        }
    }
    a
}
