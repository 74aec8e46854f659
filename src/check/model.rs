//! A whole model as an operation: the loss, by every tensor of its parameters; of an estimator that is no
//! gradient of its loss, what it is the gradient of (`Vae::surrogate`), at a base that the point settles.

use super::objective::BETA;
use super::operation::{Entry, Operation, Outcome, Slots, Tensor, Values, stream};
use crate::batch::{Batch, Exemplars};
use crate::gradient::Gradient;
use crate::objective::Objective;
use crate::real::Real;
use crate::rng::{Address, Purpose};
use crate::vae::{Noise, Pass, Vae, Workspace};
use ndarray::Array2;
use std::sync::Mutex;

/// A model, a batch and an objective.
struct Model<T> {
    name: String,
    vae: Vae<T>,
    objective: Box<dyn Objective<T>>,
    x: Array2<T>,
    condition: Array2<T>,
    /// Rows that a prior retrieved.
    exemplars: Array2<T>,
    parameters: Slots,
    /// Where the weights of an estimator stay; where it is not settled, at the point itself.
    base: Mutex<Option<Vec<T>>>,
    /// One has room for gradients.
    values: Workspace<T>,
    gradients: Workspace<T>,
}

/// The loss of `vae` on so many rows, with so many samples of each.
///
/// # Panics
/// If the objective cannot train the model, or there is not one row and one sample at least.
pub fn model<T: Real>(
    name: String,
    vae: Vae<T>,
    objective: Box<dyn Objective<T>>,
    rows: usize,
    samples: usize,
) -> Entry<T> {
    vae.check_objective(&*objective).expect("an objective that can train the model");
    let data = |kind: &str, rows: usize, stream| {
        let values = Values::of(vae.likelihood(), vae.width());
        let tensor = Tensor::new(kind, rows * vae.width(), values);
        let data = Array2::from_shape_vec((rows, vae.width()), tensor.point(stream));
        data.expect("rows × width values")
    };
    let x = data("x", rows, stream(&name));
    let exemplars = data("exemplars", 3, stream("exemplars"));
    let shape = (rows, vae.condition());
    let condition = Tensor::new("condition", rows * shape.1, Values::Real(1.0));
    let condition = Array2::from_shape_vec(shape, condition.point(stream("condition")));
    let condition = condition.expect("rows × width values");
    let workspace = |pass| Workspace::new(&vae, rows, samples, pass).expect("positive sizes");
    let [values, gradients] = [Pass::Value, Pass::Gradient].map(workspace);
    let parameters = Slots(vae.layout().clone());
    Entry::new(
        "model",
        "vae",
        Model {
            name,
            vae,
            objective,
            x,
            condition,
            exemplars,
            parameters,
            base: Mutex::default(),
            values,
            gradients,
        },
    )
}

impl<T: Real> Operation<T> for Model<T> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn inputs(&self) -> Vec<Tensor> {
        self.parameters.inputs(Values::Real(0.3)).collect()
    }

    fn settle(&self, point: &mut [Vec<T>]) {
        *self.base.lock().expect("no test panics with it") = Some(self.parameters.join(point));
    }

    fn run(&mut self, inputs: &[Vec<T>], weights: Option<&[Vec<T>]>) -> Outcome<T> {
        let base = self.base.get_mut().expect("no test panics with it");
        if let (Some(base), Some(_)) = (&mut *base, weights) {
            *base = self.parameters.join(inputs); // a point that was moved away from a kink
        }
        let base = base.clone();
        let Model { vae, objective, parameters, .. } = self;
        let ws = if weights.is_some() { &mut self.gradients } else { &mut self.values };
        let (rows, params) = (self.x.nrows(), parameters.join(inputs));
        let noise = Noise::new(Address::new(5, Purpose::Check), &[4, 9, 2][..rows]).training();
        // A part of a larger batch, as a machine of several would have.
        let mut batch = Batch::new(self.x.view()).of(rows + 1);
        if vae.condition() > 0 {
            batch = batch.given(self.condition.view());
        }
        let own_places = [1, u32::MAX, 0];
        if vae.exemplar_means().is_some() {
            let x = self.exemplars.view();
            batch = batch.beside(Exemplars { x, own_places: &own_places[..rows] });
        }
        let beta = T::from_f64(BETA);
        let estimated = objective.takes_log_q_apart().then(|| {
            let base = base.as_ref().unwrap_or(&params);
            vae.surrogate(ws, batch, &params, base, noise, &**objective, beta)
        });
        let loss = vae.loss(ws, batch, &params, noise, &**objective, beta).loss;
        let loss = estimated.unwrap_or(T::from_f64(loss));
        let mut kinks = Vec::new();
        vae.kinks(ws, batch, &params, &**objective, beta, &mut |side| kinks.push(side));
        let gradient = weights.map(|weights| {
            let mut d_params = Gradient::zeros(vae.layout());
            vae.backward(&mut d_params, ws, batch, &params);
            parameters.split(d_params.values(), weights[0][0])
        });
        Outcome::of(vec![("loss", vec![loss])]).at(kinks).with(gradient.unwrap_or_default())
    }
}
