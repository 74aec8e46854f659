//! The operations of penalties: their value by the draws and by what the encoder emitted.

use super::operation::{Entry, Operation, Outcome, Tensor, Values, constants, flat, matrix};
use super::{Shape, examples};
use crate::distribution::normal::Normal;
use crate::family::Member;
use crate::penalty::{LatentGradient, Latents, Penalty};
use crate::real::Real;
use ndarray::Array2;

/// Each penalty on latents with a normal posterior.
pub fn penalties<T: Real>(members: &[Member<Box<dyn Penalty<T>>>], shape: Shape) -> Vec<Entry<T>> {
    let entry = |(file, _, penalty): (String, _, Box<dyn Penalty<T>>)| {
        Entry::new("penalty", &file, Laid { penalty, shape })
    };
    examples(members).map(entry).collect()
}

struct Laid<T> {
    penalty: Box<dyn Penalty<T>>,
    shape: Shape,
}

impl<T: Real> Operation<T> for Laid<T> {
    fn name(&self) -> String {
        let Shape { rows, width, .. } = self.shape;
        format!(
            "{}, z [{}, {width}], η [{rows}, {}]",
            self.penalty.spec(),
            self.shape.n(),
            2 * width
        )
    }

    fn inputs(&self) -> Vec<Tensor> {
        let Shape { rows, width, .. } = self.shape;
        let uses = self.penalty.depends_on();
        let z = Tensor::new("z", self.shape.n() * width, Values::Real(1.0));
        let eta = Tensor::new("η", rows * 2 * width, Values::LogVariance(0.7));
        let z = Tensor { zero_gradient: !uses.z, ..z };
        vec![z, Tensor { zero_gradient: !uses.eta, ..eta }]
    }

    fn run(&mut self, inputs: &[Vec<T>], weights: Option<&[Vec<T>]>) -> Outcome<T> {
        let (Shape { rows, width, .. }, n) = (self.shape, self.shape.n());
        let (z, eta) = (matrix(&inputs[0], n), matrix(&inputs[1], rows));
        let prior = constants(n * width, 9);
        let given = Latents { z, q: &Normal::emitted(), eta, own: &[], prior: matrix(&prior, n) };
        let Some(weights) = weights else {
            let value = T::from_f64(self.penalty.value(&given));
            return Outcome::of(vec![("P", vec![value])]);
        };
        let (mut d_z, mut d_eta) = (Array2::zeros(z.dim()), Array2::zeros(eta.dim()));
        let d = LatentGradient { d_z: d_z.view_mut(), d_eta: d_eta.view_mut() };
        let value = T::from_f64(self.penalty.gradient(d, &given));
        let weighted = |d: Array2<T>| flat(d.mapv(|d| d * weights[0][0]));
        Outcome::of(vec![("P", vec![value])]).with(vec![weighted(d_z), weighted(d_eta)])
    }
}
