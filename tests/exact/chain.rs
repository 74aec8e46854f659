//! The linear chain: its decoders, its exact posterior, and encoders relative to it.

use super::*;

/// The decoders of a linear chain, from the data upwards.
pub(crate) struct Chain {
    pub(crate) decoders: Vec<Decoder>,
}

/// p(z_{l−1}|z_l) = N(W z_l + b, diag n)
pub(crate) struct Decoder {
    pub(crate) w: Array2<f64>,
    pub(crate) b: Array1<f64>,
    pub(crate) n: Array1<f64>,
}

impl Chain {
    /// One level, W with orthogonal columns: the posterior's covariance is diagonal.
    pub(crate) fn orthogonal() -> Self {
        let w = orthogonal_columns(normals(WIDTH, 2, 1));
        Chain { decoders: vec![Decoder::new(w, &[0.5; WIDTH])] }
    }

    /// One level, any W.
    pub(crate) fn generic() -> Self {
        Chain { decoders: vec![Decoder::new(normals(WIDTH, 2, 1), &[0.5; WIDTH])] }
    }

    /// One level, W with columns that nearly point the same way.
    pub(crate) fn correlated() -> Self {
        let mut w = normals(WIDTH, 2, 1);
        let first = w.column(0).to_owned();
        w.column_mut(1).zip_mut_with(&first, |b, a| *b = 0.3 * *b + a);
        Chain { decoders: vec![Decoder::new(w, &[0.5; WIDTH])] }
    }

    /// Two levels. W₂ is a scaled rotation, which keeps the covariance of z₁, and so that of its
    /// posterior, diagonal.
    pub(crate) fn orthogonal_of_two_levels() -> Self {
        let rotation = array![[0.6, -0.8], [0.8, 0.6]];
        let mut chain = Chain::orthogonal();
        chain.decoders.push(Decoder::new(1.5 * rotation, &[0.3; 2]));
        chain
    }

    /// Two levels, any W₁ and W₂, and another variance for every coordinate of z₁.
    pub(crate) fn generic_of_two_levels() -> Self {
        Chain {
            decoders: vec![
                Decoder::new(normals(WIDTH, 3, 1), &[0.5; WIDTH]),
                Decoder::new(normals(3, 2, 2), &[0.3, 0.8, 0.5]),
            ],
        }
    }

    /// m_l and C_l.
    pub(crate) fn marginal(&self, l: usize) -> Normal {
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
    pub(crate) fn log_px(&self, x: &Array2<f64>) -> Array1<f64> {
        let p = self.marginal(0);
        x.rows().into_iter().map(|x| p.log_density(&x)).collect()
    }

    /// Draws of x, `[rows, D]`.
    pub(crate) fn draw(&self, rows: usize, address: Address) -> Array2<f64> {
        let Normal { mean, covariance } = self.marginal(0);
        let mut eps = Array2::zeros((rows, mean.len()));
        address.fill_normal(eps.as_slice_mut().unwrap());
        eps.dot(&cholesky(&covariance).t()) + mean
    }

    /// The chain as a model of the crate.
    pub(crate) fn model(&self, encoder: Encoder) -> Model {
        let level = |d: &Decoder| LevelConfig::dense(&[], d.w.ncols());
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

    /// The same with this posterior, of a chain of one level, before any training.
    pub(crate) fn untrained(&self, posterior: &str) -> Model {
        let of_normals = self.model(Encoder::EXACT);
        let posterior = posterior.parse().unwrap();
        let vae = Vae::new(VaeConfig { posterior, ..of_normals.vae.config().clone() }).unwrap();
        let mut model = Model { params: vae.init(Init::Uniform, 0, None), vae };
        model.set_decoder(0, &self.decoders[0]);
        model
    }

    /// log p(x) − E_q[log w] = KL(q ‖ p(z|x)), averaged over rows.
    pub(crate) fn gap(&self, model: &Model, x: &Array2<f64>) -> Mean {
        let log_px = self.log_px(x).insert_axis(Axis(1));
        let of_rows = (log_px - model.log_w(x, 50)).mean_axis(Axis(1)).expect("draws");
        Mean::of(of_rows.view())
    }
}

impl Decoder {
    pub(crate) fn new(w: Array2<f64>, n: &[f64]) -> Self {
        let b = normals(1, w.nrows(), 3).row(0).to_owned();
        Decoder { w, b, n: Array1::from(n.to_vec()) }
    }
}

/// An encoder relative to the exact posterior.
#[derive(Clone, Copy)]
pub(crate) struct Encoder {
    /// Factor on how far the posterior's mean moves with the data.
    pub(crate) gain: f64,
    /// Factor on the posterior's variances.
    pub(crate) spread: f64,
}

impl Encoder {
    /// The posterior itself, where its covariance is diagonal.
    pub(crate) const EXACT: Encoder = Encoder { gain: 1.0, spread: 1.0 };

    /// Clearly not the posterior, but wider than it, so that the weights' variance is finite.
    pub(crate) const IMPERFECT: Encoder = Encoder { gain: 0.9, spread: 1.5 };

    /// This encoder of z_{l+1} given z_l, as the weight `[2Z, Z_l]` and bias `[2Z]` of a linear layer
    /// that emits [mean; log-variance].
    pub(crate) fn of(self, chain: &Chain, l: usize) -> Linear {
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
pub(crate) struct Linear {
    pub(crate) weight: Array2<f64>,
    pub(crate) bias: Array1<f64>,
}

impl Linear {
    /// Emits [mean; log-variance], the latter the same for every input.
    pub(crate) fn with_log_variances(
        w: Array2<f64>,
        b: Array1<f64>,
        log_variances: Array1<f64>,
    ) -> Self {
        let zeros = Array2::zeros(w.dim());
        Linear {
            weight: concatenate![Axis(0), w, zeros],
            bias: concatenate![Axis(0), b, log_variances],
        }
    }
}
