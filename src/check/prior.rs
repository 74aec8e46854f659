//! The operation of priors: log p(z).

use super::operation::{Entry, Operation, Outcome, Slots, Tensor, Values, flat, matrix};
use super::{Shape, examples};
use crate::distribution::{self, Distribution};
use crate::family::{Member, Spec};
use crate::params::Layout;
use crate::prior::{Given, Posteriors, Prior, PriorGradient};
use crate::real::Real;
use ndarray::Array2;

/// log p of every prior, of B·K latents.
pub fn priors<T: Real>(members: &[Member<Box<dyn Prior<T>>>], shape: Shape) -> Vec<Entry<T>> {
    let mut entries = Vec::new();
    for (file, _, prior) in examples(members) {
        let q = distribution::build::<T>(&Spec::new("normal")).expect("a member of the list");
        let mut layout = Layout::default();
        // Pseudo-inputs reach log p through the encoder alone, which is no part of this: η stands for them.
        if prior.pseudo_inputs() == 0 {
            layout.scope("prior").group(|scope| prior.own(scope, shape.width, 1));
        }
        let (n, eta_width) = (shape.n(), q.eta_width(shape.width));
        let work = vec![T::zero(); prior.work(n, shape.width, eta_width)];
        entries.push(Entry::new(
            "prior",
            &file,
            LogP { prior, q, own: Slots(layout), work, n, width: shape.width },
        ));
    }
    entries
}

/// log p(z) by z, the prior's own tensors, and η of the posteriors at its pseudo-inputs.
struct LogP<T> {
    prior: Box<dyn Prior<T>>,
    /// The posterior at pseudo-inputs.
    q: Box<dyn Distribution<T>>,
    own: Slots,
    work: Vec<T>,
    n: usize,
    width: usize,
}

impl<T: Real> LogP<T> {
    /// How many posteriors the prior is given.
    fn components(&self) -> usize {
        self.prior.retrieval().map_or(self.prior.pseudo_inputs(), |retrieval| retrieval.count)
    }
}

impl<T: Real> Operation<T> for LogP<T> {
    fn name(&self) -> String {
        format!("log p of {}, z [{}, {}]", self.prior.spec(), self.n, self.width)
    }

    fn inputs(&self) -> Vec<Tensor> {
        let other = Values::LogVariance(0.7);
        let eta = self.components() * self.q.eta_width(self.width);
        let z = Tensor::new("z", self.n * self.width, Values::Real(1.0));
        [z, Tensor::new("η", eta, other.clone())]
            .into_iter()
            .chain(self.own.inputs(other))
            .collect()
    }

    fn run(&mut self, inputs: &[Vec<T>], weights: Option<&[Vec<T>]>) -> Outcome<T> {
        let count = self.components();
        let LogP { prior, q, own, work, n, width } = self;
        let z = matrix(&inputs[0], *n);
        let posteriors =
            (count > 0).then(|| Posteriors { q: &**q, eta: matrix(&inputs[1], count), own: &[] });
        let own_values = own.join(&inputs[2..]);
        // Row 0 is the second of the retrieved ones, the others are none of them.
        let places: Vec<u32> = (0..*n).map(|row| if row == 0 { 1 } else { u32::MAX }).collect();
        let own_places = prior.retrieval().map(|_| &places[..]);
        let given = Given { own: &own_values, posteriors, own_places };
        let mut log_p = vec![T::zero(); *n];
        let Some(weights) = weights else {
            prior.log_prob(&mut log_p, &z, given, work);
            return Outcome::of(vec![("log p", log_p)]);
        };
        let mut d_z = Array2::zeros(z.dim());
        prior.log_prob_gradient(&mut log_p, d_z.view_mut(), &z, given, work);
        let (mut d_own, mut d_eta) =
            (vec![T::zero(); own_values.len()], Array2::zeros((count, q.eta_width(*width))));
        let d = PriorGradient { d_own: &mut d_own, d_eta: d_eta.view_mut() };
        prior.backward(d, &weights[0], &z, given, work);
        let d_z = flat(&d_z * &matrix(&weights[0], *n));
        let gradient = [d_z, flat(d_eta)].into_iter().chain(own.split(&d_own, T::one()));
        Outcome::of(vec![("log p", log_p)]).with(gradient.collect())
    }
}
