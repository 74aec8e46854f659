//! Posteriors that are a flow of another: one-to-one maps behind a draw.
//!
//! ```text
//! Shapes    η = [the base's; the flow's]   own = the flow's
//! Draw      z_0 = g(η, ε), the base's draw;  z = F(z_0)
//! log q     q(z) dz = q_0(z_0) dz_0, so log q(z) = log q_0(z_0) − ln |det ∂F/∂z_0|
//! Backward  of f(z) + λ log q: the flow turns ∂/∂z, and λ, into ∂/∂z_0 and its own parameters' part; what reaches
//!           z_0, and λ log q_0, go the base's way
//! ```
//!
//! log q of a draw is known because its z_0 is. Of any other z it would take the inverse, which these flows do
//! not have in closed form: they score nothing but their own draws.

use super::{Distribution, Domain, Draw, Facts, Reparameterized, build_posterior};
use crate::error::{Error, Result};
use crate::family::Spec;
use crate::params::{Layout, Scope};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use std::ops::Range;

/// A one-to-one map of rows, with parameters that a network emits and others of its own.
pub trait Flow<T: Real>: Send + Sync {
    /// Its name and settings.
    fn spec(&self) -> Spec;

    /// How many parameters the network emits for it.
    fn eta_width(&self, width: usize) -> usize;

    /// Asks for its own tensors.
    fn own(&self, _scope: &mut Scope<'_>, _width: usize) {}

    /// How much it keeps of the way.
    fn kept_width(&self, width: usize) -> usize;

    /// `z ← F(z)`; what is to be kept of the way is written to `kept`.
    fn forward(&self, z: &mut [T], kept: &mut [T], eta: &[T], own: &[T]);

    /// ln |det ∂F/∂z| of the way that was kept, of rows of that width.
    fn ln_det(&self, width: usize, kept: &[T], eta: &[T]) -> T;

    /// Of f(F(z)) + `d_log_q` · log q: `d ← ∂/∂z`, from ∂/∂F(z) in it, and adds to `d_eta` and `d_own`.
    fn backward(&self, gradient: Gradient<'_, T>, kept: &[T], d_log_q: T, eta: &[T], own: &[T]);
}

/// Where a flow's gradient goes.
pub struct Gradient<'a, T> {
    /// ∂/∂F(z), and then ∂/∂z. `[Z]`
    pub d: &'a mut [T],
    /// Of what the network emitted for the flow.
    pub d_eta: &'a mut [T],
    /// Of its own tensors.
    pub d_own: &'a mut [T],
}

/// A flow behind the draws of a base.
pub struct Flowing<T, F> {
    base: Box<dyn Distribution<T>>,
    flow: F,
}

impl<T: Real, F: Flow<T>> Flowing<T, F> {
    /// `flow` behind the base that `spec` names, a normal unless it does.
    ///
    /// # Errors
    /// If that cannot be drawn from differentiably, or has tensors of its own.
    pub fn new(flow: F, spec: &Spec) -> Result<Self> {
        let base = build_posterior(&spec.spec("base")?.unwrap_or_else(|| Spec::new("normal")))?;
        let mut layout = Layout::default();
        base.own(&mut layout.scope("base"), 1);
        if !layout.is_empty() {
            let message = format!("`{}` has parameters of its own; use `normal`", base.spec());
            return Err(Error::setting(format!("{}:base", spec.name()), message));
        }
        Ok(Flowing { base, flow })
    }

    fn q(&self) -> &dyn Reparameterized<T> {
        self.base.as_reparameterized().expect("checked when it was made")
    }

    /// The base's draw.
    fn base_draw<'a>(&self, draw: Draw<'a, T>, width: usize) -> (Draw<'a, T>, &'a [T]) {
        let (eta, of_flow) = draw.eta.split_at(self.base.eta_width(width));
        (Draw { eta, own: &[], ..draw }, of_flow)
    }

    /// Moves z along the flow, and forgets the way.
    fn follow(&self, z: &mut [T], eta: &[T], own: &[T]) {
        let mut kept = vec![T::zero(); self.flow.kept_width(z.len())];
        self.flow.forward(z, &mut kept, &eta[self.base.eta_width(z.len())..], own);
    }
}

impl<T: Real, F: Flow<T>> Distribution<T> for Flowing<T, F> {
    fn spec(&self) -> Spec {
        let (spec, base) = (self.flow.spec(), self.base.spec());
        if base == Spec::new("normal") { spec } else { spec.with_spec("base", &base) }
    }

    fn eta_width(&self, width: usize) -> usize {
        self.base.eta_width(width) + self.flow.eta_width(width)
    }

    fn zero_at_start(&self, width: usize) -> Range<usize> {
        self.base.zero_at_start(width)
    }

    fn own(&self, scope: &mut Scope<'_>, width: usize) {
        self.flow.own(scope, width);
    }

    fn facts(&self, _column: usize) -> Facts {
        Facts { location_scale: false, learns_spread: true, ..Facts::of(Domain::Real) }
    }

    fn mean(&self, mean: &mut [T], eta: &[T], own: &[T]) {
        self.base.mean(mean, &eta[..self.base.eta_width(mean.len())], &[]);
        self.follow(mean, eta, own);
    }

    fn sample(&self, x: &mut [T], eta: &[T], own: &[T], rng: &mut ChaCha8Rng) {
        self.base.sample(x, &eta[..self.base.eta_width(x.len())], &[], rng);
        self.follow(x, eta, own);
    }

    fn as_reparameterized(&self) -> Option<&dyn Reparameterized<T>> {
        Some(self)
    }
}

impl<T: Real, F: Flow<T>> Reparameterized<T> for Flowing<T, F> {
    fn noise_width(&self, width: usize) -> usize {
        self.q().noise_width(width)
    }

    /// What the base keeps, what the flow keeps, and room for ∂/∂z.
    fn kept_width(&self, width: usize) -> usize {
        self.q().kept_width(width) + self.flow.kept_width(width) + width
    }

    fn rsample(&self, z: &mut [T], kept: &mut [T], draw: Draw<'_, T>) {
        let ((base, eta), own) = (self.base_draw(draw, z.len()), draw.own);
        let (of_base, rest) = kept.split_at_mut(self.q().kept_width(z.len()));
        self.q().rsample(z, of_base, base);
        self.flow.forward(z, &mut rest[..self.flow.kept_width(z.len())], eta, own);
    }

    fn log_q(&self, kept: &[T], draw: Draw<'_, T>) -> T {
        let width = draw.eps.len(); // of every base there is
        let (base, eta) = self.base_draw(draw, width);
        let (of_base, rest) = kept.split_at(self.q().kept_width(width));
        let rest = &rest[..self.flow.kept_width(width)];
        self.q().log_q(of_base, base) - self.flow.ln_det(width, rest, eta)
    }

    fn backward(
        &self,
        d_eta: &mut [T],
        d_own: &mut [T],
        kept: &mut [T],
        d_z: &[T],
        d_log_q: T,
        draw: Draw<'_, T>,
    ) {
        let width = d_z.len();
        let (base, eta) = self.base_draw(draw, width);
        let (d_base, d_flow) = d_eta.split_at_mut(base.eta.len());
        let (of_base, rest) = kept.split_at_mut(self.q().kept_width(width));
        let (of_flow, d) = rest.split_at_mut(self.flow.kept_width(width));
        d.copy_from_slice(d_z);
        let gradient = Gradient { d: &mut *d, d_eta: d_flow, d_own };
        self.flow.backward(gradient, of_flow, d_log_q, eta, draw.own);
        self.q().backward(d_base, &mut [], of_base, d, d_log_q, base);
    }
}
