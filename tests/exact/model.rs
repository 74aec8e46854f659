//! A model of the crate, with its numbers.

use super::*;

pub(crate) struct Model {
    pub(crate) vae: Vae<f64>,
    pub(crate) params: Vec<f64>,
}

impl Model {
    /// Writes the linear layer of a network without hidden layers.
    pub(crate) fn set(&mut self, network: &str, layer: Linear) {
        self.set_slot(&format!("{network}.head.weight"), layer.weight.iter());
        self.set_slot(&format!("{network}.head.bias"), layer.bias.iter());
    }

    pub(crate) fn set_slot<'a>(
        &mut self,
        name: &str,
        values: impl ExactSizeIterator<Item = &'a f64>,
    ) {
        let slot = self.vae.layout().slots().iter().find(|s| s.name == name).expect("a slot");
        assert_eq!(slot.len(), values.len(), "{name} is {:?}", slot.shape);
        self.params[slot.range()].iter_mut().zip(values).for_each(|(p, v)| *p = *v);
    }

    /// The lowest conditional's variance is a setting; those above are emitted.
    pub(crate) fn set_decoder(&mut self, l: usize, decoder: &Decoder) {
        let Decoder { w, b, n } = decoder;
        let layer = match l {
            0 => Linear { weight: w.clone(), bias: b.clone() },
            _ => Linear::with_log_variances(w.clone(), b.clone(), n.ln()),
        };
        self.set(&format!("decoder.{l}"), layer);
    }

    /// Runs forward with `samples` draws of each row, into a fresh workspace.
    pub(crate) fn forward(
        &self,
        x: &Array2<f64>,
        samples: usize,
        closed_form: bool,
    ) -> Workspace<f64> {
        let mut ws = Workspace::new(&self.vae, x.nrows(), samples, Pass::Value).unwrap();
        let rows = rows_of(x);
        let noise = Noise::new(noise(0), &rows);
        self.vae.forward(&mut ws, &x.view(), &self.params, noise, closed_form);
        ws
    }

    /// log w = log p(x|z) + log p(z) − log q(z|x) of every draw, `[B, K]`.
    pub(crate) fn log_w(&self, x: &Array2<f64>, samples: usize) -> Array2<f64> {
        let ws = self.forward(x, samples, false);
        let terms = ws.terms(1.0);
        &terms.log_px + &terms.log_prior - terms.log_q
    }

    /// log p(x|z) − KL(q ‖ p) of every draw, `[B, K]`.
    pub(crate) fn closed_form_bound(&self, x: &Array2<f64>, samples: usize) -> Array2<f64> {
        let ws = self.forward(x, samples, true);
        let terms = ws.terms(1.0);
        let kl = terms.kl.expect("asked for").sum_axis(Axis(1));
        &terms.log_px - &kl.insert_axis(Axis(1))
    }

    /// The importance-sampled log p(x) of every row.
    pub(crate) fn estimate(&self, x: &Array2<f64>, samples: usize) -> Vec<LogPx> {
        let mut ws = Workspace::new(&self.vae, x.nrows(), 50, Pass::Value).unwrap();
        let proposal = Proposal::posterior();
        log_px_of(&self.vae, &mut ws, &x.view(), &self.params, samples, &proposal, noise(0))
    }

    /// L_K averaged over the rows, in `repeats` repeats with noise of their own.
    pub(crate) fn bounds(&self, x: &Array2<f64>, samples: usize, repeats: u32) -> Array1<f64> {
        let mut ws = Workspace::new(&self.vae, x.nrows(), samples, Pass::Value).unwrap();
        let (rows, iwae) = (rows_of(x), objective::build(&Spec::new("iwae")).unwrap());
        let bound = |repeat| {
            let noise = Noise::new(noise(repeat), &rows);
            -self.vae.loss(&mut ws, &x.view(), &self.params, noise, &*iwae, 1.0).loss
        };
        (0..repeats).map(bound).collect()
    }

    /// Random encoder weights, as at the start of any training.
    pub(crate) fn forget_encoder(&mut self) {
        let fresh = self.vae.init(Init::Uniform, 0, None);
        for slot in self.vae.layout().slots().iter().filter(|s| s.name.starts_with("encoder")) {
            self.params[slot.range()].copy_from_slice(&fresh[slot.range()]);
        }
    }

    /// Trains the encoder alone, on fresh draws of the chain: the decoder's gradient is dropped.
    pub(crate) fn train_encoder(&mut self, chain: &Chain, objective: &str, samples: usize) {
        const STEPS: u32 = 3000;
        const BATCH: usize = 64;
        let objective = objective::build(&Spec::new(objective)).unwrap();
        let mut ws = Workspace::new(&self.vae, BATCH, samples, Pass::Gradient).unwrap();
        let mut adam = Adam::new(AdamConfig::default(), self.params.len());
        let mut d_params = Gradient::zeros(self.vae.layout());
        let rows: Vec<u64> = (0..BATCH as u64).collect();
        for step in 0..STEPS {
            let x = chain.draw(BATCH, data(step));
            let noise = Noise::new(noise(step), &rows);
            let (x, params) = (&x.view(), &self.params);
            d_params.clear();
            self.vae.loss_and_gradient(&mut d_params, &mut ws, x, params, noise, &*objective, 1.0);
            let mut gradient = d_params.values().to_vec();
            for slot in self.vae.layout().slots().iter().filter(|s| s.name.starts_with("decoder")) {
                gradient[slot.range()].fill(0.0);
            }
            // Down to zero in a line, so that the noise of the last steps averages out.
            let rate = 0.1 * (1.0 - step as f64 / STEPS as f64);
            adam.update(&mut self.params, &gradient, 1.0, rate, None);
        }
    }
}

/// The numbers that address the noise of a batch.
pub(crate) fn rows_of(x: &Array2<f64>) -> Vec<u64> {
    (0..x.nrows() as u64).collect()
}

/// Where the posterior's draws come from.
pub(crate) fn noise(repeat: u32) -> Address {
    Address::new(1, Purpose::Test).epoch(repeat)
}

/// Where data come from: streams of another purpose than the noise's.
pub(crate) fn data(repeat: u32) -> Address {
    Address::new(2, Purpose::Check).epoch(repeat)
}
