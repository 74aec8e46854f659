//! A mixture of normals with learned parts.
//!
//! ```text
//! Shapes    z [N, Z]   own = [logits l [C]; components [C, 2Z]], a component's row [μ; s]
//! Forward   log p(z) = log Σ_c softmax(l)_c N(z; μ_c, e^{s_c})
//! Backward  `components.rs`, with the normal's of `distribution/normal.rs`
//! Source    Dilokthanakul et al. 2016, arXiv:1611.02648, as a prior without labels; Tomczak & Welling
//!           2018, section 3 ("MoG")
//! ```
//!
//! Components start as N(μ_c, ~1), apart from each other by draws, because equal ones would stay equal.

use super::components::{self, Components};
use super::{Given, Member, Prior, PriorGradient, Spec};
use crate::distribution::{self, Distribution};
use crate::error::{Error, Result};
use crate::params::{Scope, Start};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use ndarray::{ArrayView2, ArrayViewMut2};

/// A mixture of normals with diagonal covariances.
pub struct Mixture<T> {
    components: usize,
    /// Their distribution.
    normal: Box<dyn Distribution<T>>,
}

/// The spread of what components start as.
const START: f64 = 0.5;

pub(super) fn member<T: Real>() -> Member<Box<dyn Prior<T>>> {
    Member {
        name: "mixture",
        summary: "a mixture of `components=C` (10) normals, which are learned",
        build: |spec| {
            spec.only(&["components"])?;
            let normal = distribution::build_likelihood(&Spec::new("normal"))?;
            Ok(Box::new(Mixture { components: count(spec, "components", 10)?, normal }))
        },
        examples: &["mixture:components=3"],
    }
}

/// A number of components from 1 on, or this one.
pub(super) fn count(spec: &Spec, key: &str, default: usize) -> Result<usize> {
    const MOST: f64 = 1e6;
    match spec.number(key)? {
        None => Ok(default),
        Some(c) if c.fract() == 0.0 && (1.0..=MOST).contains(&c) => Ok(c as usize),
        Some(_) => {
            let message = format!("must be a whole number from 1 to {MOST}");
            Err(Error::setting(format!("{}:{key}", spec.name()), message))
        }
    }
}

impl<T: Real> Mixture<T> {
    fn components<'a>(&'a self, own: &'a [T]) -> Components<'a, T> {
        let (logits, eta) = own.split_at(self.components);
        let shape = (self.components, eta.len() / self.components);
        let eta = ArrayView2::from_shape(shape, eta).expect("as it was asked for");
        let p = self.normal.as_likelihood().expect("it was built as one");
        Components { p, eta, own: &[], logits: Some(logits) }
    }
}

impl<T: Real> Prior<T> for Mixture<T> {
    fn spec(&self) -> Spec {
        Spec::new("mixture").with("components", self.components)
    }

    fn own(&self, scope: &mut Scope<'_>, latent: usize, _data: usize) {
        scope.tensor("logits", &[self.components], Start::Constant(0.0));
        scope.tensor("components", &[self.components, 2 * latent], Start::Normal(START));
    }

    fn work(&self, rows: usize, latent: usize, _eta: usize) -> usize {
        components::work(rows, latent, self.components, 2 * latent)
    }

    fn log_prob(&self, log_p: &mut [T], z: &ArrayView2<T>, given: Given<'_, T>, work: &mut [T]) {
        let r = &mut work[..log_p.len() * self.components];
        self.components(given.own).log_prob(log_p, r, z);
    }

    fn log_prob_gradient(
        &self,
        log_p: &mut [T],
        d_z: ArrayViewMut2<T>,
        z: &ArrayView2<T>,
        given: Given<'_, T>,
        work: &mut [T],
    ) {
        self.components(given.own).log_prob_gradient(log_p, d_z, z, work);
    }

    fn backward(
        &self,
        d: PriorGradient<'_, T>,
        weight: &[T],
        z: &ArrayView2<T>,
        given: Given<'_, T>,
        work: &mut [T],
    ) {
        let components = self.components(given.own);
        let (d_logits, d_eta) = d.d_own.split_at_mut(self.components);
        let d_eta = ArrayViewMut2::from_shape(components.eta.dim(), d_eta).expect("as own");
        components.backward(d_eta, d_logits, weight, z, work);
    }

    fn sample(&self, z: &mut [T], temperature: T, given: Given<'_, T>, rng: &mut ChaCha8Rng) {
        self.components(given.own).sample(z, temperature, rng);
    }
}
