//! The operations of distributions: scoring, drawing, log q at fixed z, the closed-form KL.

use super::operation::{
    Entry, Operation, Outcome, Slots, Tensor, Values, constants, flat, matrix, stream,
};
use super::{Shape, examples};
use crate::distribution::batch::{self, DrawBuffers, Gradients};
use crate::distribution::{Distribution, Domain, Likelihood, Reparameterized};
use crate::family::Member;
use crate::params::{Layout, Scope};
use crate::real::Real;
use ndarray::{Array2, ArrayView2, Axis};
use std::sync::Arc;

/// All that each distribution can do: as a likelihood, and as a posterior.
pub fn distributions<T: Real>(
    members: &[Member<Box<dyn Distribution<T>>>],
    shape: Shape,
) -> Vec<Entry<T>> {
    let mut entries = Vec::new();
    for (file, _, p) in examples(members) {
        let on = On { own: own(&*p, shape.width), p: Arc::from(p), shape };
        let (scores, q) = (on.p.as_likelihood().is_some(), on.p.as_reparameterized());
        let mut list = |entry| entries.push(entry);
        if scores {
            list(Entry::new("distribution", &file, Score(on.clone())));
        }
        if let Some(q) = q {
            list(Entry::new("distribution", &file, Drawn(on.clone())));
            if scores && q.as_separable().is_some() {
                list(Entry::new("distribution", &file, LogQ(on.clone())));
            }
            if q.as_closed_form().is_some() {
                list(Entry::new("distribution", &file, Kl(on.clone())));
            }
        }
    }
    entries
}

/// The tensors of its own that a distribution asks for.
fn own<T: Real>(p: &dyn Distribution<T>, width: usize) -> Arc<Slots> {
    let mut layout = Layout::default();
    layout.scope("own").group(|scope: &mut Scope<'_>| p.own(scope, width));
    Arc::new(Slots(layout))
}

/// A distribution, its own tensors, and the shapes that it is run on.
struct On<T> {
    p: Arc<dyn Distribution<T>>,
    own: Arc<Slots>,
    shape: Shape,
}

impl<T> Clone for On<T> {
    fn clone(&self) -> Self {
        On { p: self.p.clone(), own: self.own.clone(), shape: self.shape }
    }
}

impl<T: Real> On<T> {
    fn eta_width(&self) -> usize {
        self.p.eta_width(self.shape.width)
    }

    fn likelihood(&self) -> &dyn Likelihood<T> {
        self.p.as_likelihood().expect("chosen for that")
    }

    fn posterior(&self) -> &dyn Reparameterized<T> {
        self.p.as_reparameterized().expect("chosen for that")
    }

    /// η of so many rows.
    fn eta(&self, rows: usize) -> Tensor {
        // Of a coin it is the log-odds, which may be anything.
        let values = match self.p.facts(0).domain {
            Domain::Bit => Values::Real(0.8),
            _ => Values::LogVariance(0.8),
        };
        Tensor::new("η", rows * self.eta_width(), values)
    }

    /// Values that it can have, the B rows of x.
    fn x(&self) -> Tensor {
        let Shape { rows, width, .. } = self.shape;
        Tensor::new("x", rows * width, Values::of(&*self.p, width))
    }

    /// Whether x can be moved; other values are given, and some may be missing.
    fn is_smooth(&self) -> bool {
        (0..self.shape.width)
            .map(|column| self.p.facts(column))
            .all(|facts| facts.domain.is_smooth() && !facts.missing)
    }

    /// Its own tensors.
    fn own(&self) -> impl Iterator<Item = Tensor> {
        self.own.inputs(Values::LogVariance(0.5))
    }

    /// ε of every draw, the same in either type.
    fn eps(&self) -> Array2<T> {
        let (n, width) = (self.shape.n(), self.posterior().noise_width(self.shape.width));
        let eps = constants(n * width, 5);
        Array2::from_shape_vec((n, width), eps).expect("as many as it says")
    }

    /// The draws at η, and their buffers.
    fn draw(&self, eta: &ArrayView2<T>, own: &[T]) -> (Array2<T>, DrawBuffers<T>) {
        let (n, width) = (self.shape.n(), self.shape.width);
        let mut z = Array2::zeros((n, width));
        let mut buffers = DrawBuffers::new(self.posterior(), n, width, own.len());
        buffers.eps.assign(&self.eps());
        batch::rsample(z.view_mut(), &mut buffers, self.posterior(), eta, own);
        (z, buffers)
    }
}

/// log p(x|η) with x of B rows and η of B·K, by η, x and the distribution's own tensors.
struct Score<T>(On<T>);

impl<T: Real> Operation<T> for Score<T> {
    fn name(&self) -> String {
        let (Shape { rows: b, width, .. }, n) = (self.0.shape, self.0.shape.n());
        let eta_width = self.0.eta_width();
        format!("log p of {}, x [{b}, {width}], η [{n}, {eta_width}]", self.0.p.spec())
    }

    fn inputs(&self) -> Vec<Tensor> {
        let x = self.0.is_smooth().then(|| self.0.x());
        [self.0.eta(self.0.shape.n())].into_iter().chain(x).chain(self.0.own()).collect()
    }

    fn run(&mut self, inputs: &[Vec<T>], weights: Option<&[Vec<T>]>) -> Outcome<T> {
        let (Shape { rows: b, samples: k, width }, n) = (self.0.shape, self.0.shape.n());
        let smooth = self.0.is_smooth();
        let given = (!smooth).then(|| self.0.x().point(stream("x")));
        let (eta, x) =
            (matrix(&inputs[0], n), matrix(given.as_ref().unwrap_or_else(|| &inputs[1]), b));
        let own = &inputs[1 + usize::from(smooth)..];
        let (p, own) = (self.0.likelihood(), self.0.own.join(own));
        let mut log_p = vec![T::zero(); n];
        let mut kinks = Vec::new();
        batch::kinks(p, &x, &eta, &own, &mut |side| kinks.push(side));
        let Some(weights) = weights else {
            batch::log_prob(&mut log_p, p, &x, &eta, &own);
            return Outcome::of(vec![("log p", log_p)]).at(kinks);
        };
        let weight = &weights[0];
        let (mut d_eta, mut d_x) = (Array2::zeros(eta.dim()), Array2::zeros((n, width)));
        let d = Gradients { d_eta: d_eta.view_mut(), d_x: smooth.then(|| d_x.view_mut()) };
        batch::log_prob_gradient(&mut log_p, d, p, &x, &eta, &own);
        // The engine multiplies rows by weights and adds up what shared a row of x.
        let weighted = |d: Array2<T>| &d * &matrix(weight, n);
        let d_x = weighted(d_x).into_shape_with_order((b, k, width)).expect("n = b·k");
        let d_x = d_x.sum_axis(Axis(1));
        let (mut d_own, mut blocks) =
            (vec![T::zero(); own.len()], Array2::zeros((batch::BLOCKS, own.len())));
        batch::own_backward(&mut d_own, &mut blocks, p, weight, &x, &eta, &own);
        let gradient = [flat(weighted(d_eta))].into_iter().chain(smooth.then(|| flat(d_x)));
        Outcome::of(vec![("log p", log_p)])
            .with(gradient.chain(self.0.own.split(&d_own, T::one())).collect())
    }
}

/// z = g(η, ε) and log q of it, by η and the posterior's own tensors, with K draws of each row.
struct Drawn<T>(On<T>);

impl<T: Real> Operation<T> for Drawn<T> {
    fn name(&self) -> String {
        let (b, eta_width) = (self.0.shape.rows, self.0.eta_width());
        let (n, noise) = (self.0.shape.n(), self.0.posterior().noise_width(self.0.shape.width));
        format!("draw from {}, η [{b}, {eta_width}], ε [{n}, {noise}]", self.0.p.spec())
    }

    fn inputs(&self) -> Vec<Tensor> {
        [self.0.eta(self.0.shape.rows)].into_iter().chain(self.0.own()).collect()
    }

    fn run(&mut self, inputs: &[Vec<T>], weights: Option<&[Vec<T>]>) -> Outcome<T> {
        let (b, n) = (self.0.shape.rows, self.0.shape.n());
        let (eta, own) = (matrix(&inputs[0], b), self.0.own.join(&inputs[1..]));
        let (q, mut log_q) = (self.0.posterior(), vec![T::zero(); n]);
        let (z, mut buffers) = self.0.draw(&eta, &own);
        batch::log_q(&mut log_q, &buffers, q, &eta, &own);
        let outcome = Outcome::of(vec![("z", flat(z)), ("log q", log_q)]);
        let Some([d_z, d_log_q]) = weights else { return outcome };
        let (mut d_eta, mut d_own) = (Array2::zeros(eta.dim()), vec![T::zero(); own.len()]);
        let (d_eta_view, d_z) = (d_eta.view_mut(), matrix(d_z, n));
        let (buffers, d_log_q) = (&mut buffers, Some(&d_log_q[..]));
        batch::draw_backward(d_eta_view, &mut d_own, buffers, q, &d_z, d_log_q, &eta, &own);
        let own = self.0.own.split(&d_own, T::one());
        outcome.with([flat(d_eta)].into_iter().chain(own).collect())
    }
}

/// log q(z|η) of draws z, by η at fixed z (the direct term) and by z. Values come from z, gradients from ε:
/// two forms of one function, at z = g(η, ε).
struct LogQ<T>(On<T>);

impl<T: Real> Operation<T> for LogQ<T> {
    fn name(&self) -> String {
        format!("log q of a draw from {}", self.0.p.spec())
    }

    fn inputs(&self) -> Vec<Tensor> {
        let z = Tensor::new("z", self.0.shape.n() * self.0.shape.width, Values::Real(1.0));
        vec![self.0.eta(self.0.shape.n()), z]
    }

    fn settle(&self, point: &mut [Vec<T>]) {
        let eta = matrix(&point[0], self.0.shape.n());
        point[1] = flat(self.0.draw(&eta, &[]).0);
    }

    fn run(&mut self, inputs: &[Vec<T>], weights: Option<&[Vec<T>]>) -> Outcome<T> {
        let n = self.0.shape.n();
        let (eta, z) = (matrix(&inputs[0], n), matrix(&inputs[1], n));
        let mut log_q = vec![T::zero(); n];
        let Some(weights) = weights else {
            batch::log_prob(&mut log_q, self.0.likelihood(), &z, &eta, &[]);
            return Outcome::of(vec![("log q", log_q)]);
        };
        let (_, draws) = self.0.draw(&eta, &[]);
        let (mut d_eta, mut d_z) = (Array2::zeros(eta.dim()), Array2::zeros(z.dim()));
        let q = self.0.posterior().as_separable().expect("chosen for that");
        batch::log_q(&mut log_q, &draws, q, &eta, &[]);
        batch::log_q_gradient(d_eta.view_mut(), d_z.view_mut(), &draws, q, &eta, &[]);
        let weighted = |d: Array2<T>| flat(&d * &matrix(&weights[0], n));
        Outcome::of(vec![("log q", log_q)]).with(vec![weighted(d_eta), weighted(d_z)])
    }
}

/// The closed-form KL to the standard normal, by η.
struct Kl<T>(On<T>);

impl<T: Real> Operation<T> for Kl<T> {
    fn name(&self) -> String {
        let (b, eta_width) = (self.0.shape.rows, self.0.eta_width());
        format!("KL of {} to N(0, 1), η [{b}, {eta_width}]", self.0.p.spec())
    }

    fn inputs(&self) -> Vec<Tensor> {
        vec![self.0.eta(self.0.shape.rows)]
    }

    fn run(&mut self, inputs: &[Vec<T>], weights: Option<&[Vec<T>]>) -> Outcome<T> {
        let Shape { rows: b, width, .. } = self.0.shape;
        let (eta, mut kl) = (matrix(&inputs[0], b), Array2::zeros((b, width)));
        let q = self.0.posterior().as_closed_form().expect("chosen for that");
        batch::kl(kl.view_mut(), q, &eta);
        let gradient = weights.map(|weights| {
            let mut d_eta = Array2::zeros(eta.dim());
            batch::kl_backward(d_eta.view_mut(), q, &matrix(&weights[0], b), &eta);
            vec![flat(d_eta)]
        });
        Outcome::of(vec![("KL", flat(kl))]).with(gradient.unwrap_or_default())
    }
}

/// What a distribution gives besides: E\[x|η\], which has no backward.
pub fn means<T: Real>(members: &[Member<Box<dyn Distribution<T>>>], shape: Shape) -> Vec<Entry<T>> {
    let on = |p: Box<dyn Distribution<T>>| On { own: own(&*p, shape.width), p: p.into(), shape };
    examples(members).map(|(file, _, p)| Entry::new("distribution", &file, Mean(on(p)))).collect()
}

struct Mean<T>(On<T>);

impl<T: Real> Operation<T> for Mean<T> {
    fn name(&self) -> String {
        format!("mean of {}", self.0.p.spec())
    }

    fn inputs(&self) -> Vec<Tensor> {
        [self.0.eta(self.0.shape.rows)].into_iter().chain(self.0.own()).collect()
    }

    fn run(&mut self, inputs: &[Vec<T>], _: Option<&[Vec<T>]>) -> Outcome<T> {
        let (b, own) = (self.0.shape.rows, self.0.own.join(&inputs[1..]));
        let mut mean = Array2::zeros((b, self.0.shape.width));
        batch::mean(mean.view_mut(), &*self.0.p, &matrix(&inputs[0], b), &own);
        Outcome::of(vec![("mean", flat(mean))])
    }
}
