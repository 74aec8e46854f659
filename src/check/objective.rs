//! The operation of objectives: the loss.

use super::operation::{
    Entry, Operation, Outcome, Tensor, Values, constants, matrix, scaled, stream,
};
use super::{Shape, examples};
use crate::family::Member;
use crate::objective::{Objective, Terms, Weights};
use crate::real::Real;
use ndarray::Array2;

/// β is not 1, so that one forgotten shows; and the same number in either type.
pub(super) const BETA: f64 = 0.75;

/// The loss of every objective, of B rows with K samples and latents of that width; with the closed-form KL
/// and without, as it can.
pub fn objectives<T: Real>(
    members: &[Member<Box<dyn Objective<T>>>],
    shape: Shape,
) -> Vec<Entry<T>> {
    let mut entries = Vec::new();
    for closed_form in [true, false] {
        for (file, _, objective) in examples(members) {
            let can = match closed_form {
                true => objective.uses_closed_form_kl(),
                false => !objective.needs_closed_form_kl(),
            };
            if can {
                let loss = Loss { objective, shape, closed_form };
                entries.push(Entry::new("objective", &file, loss));
            }
        }
    }
    entries
}

/// The loss by each piece of log w, and by the closed-form KL where it is used.
struct Loss<T> {
    objective: Box<dyn Objective<T>>,
    shape: Shape,
    closed_form: bool,
}

impl<T: Real> Operation<T> for Loss<T> {
    fn name(&self) -> String {
        let Shape { rows, samples, .. } = self.shape;
        let kind = if self.closed_form { "closed-form KL" } else { "sampled KL" };
        format!("{}, [B, K] = [{rows}, {samples}], {kind}", self.objective.spec())
    }

    fn inputs(&self) -> Vec<Tensor> {
        let piece = |name, zero_gradient| {
            let tensor = Tensor::new(name, self.shape.n(), Values::Real(1.0));
            Tensor { zero_gradient, ..tensor }
        };
        let kl = if self.closed_form { self.shape.rows * self.shape.width } else { 0 };
        // The KL stands for log p(z) and log q. Of an estimator that weighs log q's two ways apart, whole models
        // show what its weights make of log q (`Vae::surrogate`).
        let mut inputs = vec![
            piece("log p(x|z)", false),
            piece("log p(z)", self.closed_form),
            piece("log q", self.closed_form),
            Tensor::new("KL", kl, Values::Positive),
        ];
        if self.objective.takes_log_q_apart() {
            inputs.truncate(2);
        }
        inputs
    }

    fn run(&mut self, inputs: &[Vec<T>], weights: Option<&[Vec<T>]>) -> Outcome<T> {
        let Shape { rows: b, samples: k, width } = self.shape;
        let apart = self.objective.takes_log_q_apart();
        let given = apart.then(|| constants(b * k, stream("log q")));
        let log_q = given.as_ref().unwrap_or_else(|| &inputs[2]);
        let terms = Terms {
            log_px: matrix(&inputs[0], b),
            log_prior: matrix(&inputs[1], b),
            log_q: matrix(log_q, b),
            kl: self.closed_form.then(|| matrix(&inputs[3], b)),
            beta: T::from_f64(BETA),
        };
        let [mut log_px, mut log_prior, mut direct, mut path] =
            [(); 4].map(|()| Array2::zeros((b, k)));
        let mut kl = Array2::zeros((b, if self.closed_form { width } else { 0 }));
        let of = Weights {
            log_px: log_px.view_mut(),
            log_prior: log_prior.view_mut(),
            direct: direct.view_mut(),
            path: path.view_mut(),
            kl: kl.view_mut(),
        };
        let loss = self.objective.weigh(of, &terms);
        let mut kinks = Vec::new();
        self.objective.kinks(&terms, &mut |side| kinks.push(side));
        let plain = path.iter().all(|path| *path == T::one());
        assert!(plain || apart, "a plain gradient goes through z unscaled");
        let gradient = weights.map(|weights| {
            let all = [&log_px, &log_prior, &direct, &kl];
            let all = &all[..if apart { 2 } else { 4 }];
            all.iter().map(|a| scaled(a.as_slice().expect("fresh"), weights[0][0])).collect()
        });
        Outcome::of(vec![("loss", vec![T::from_f64(loss)])])
            .at(kinks)
            .with(gradient.unwrap_or_default())
    }
}
