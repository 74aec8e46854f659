//! For tests: a distribution that is in no list takes its place in a model.

use super::Vae;
use crate::distribution::Distribution;
use crate::real::Real;

impl<T: Real> Vae<T> {
    /// The same model with another distribution in every place: likelihood, conditional between
    /// latents, posterior.
    ///
    /// # Panics
    /// If it takes more or fewer parameters than what it replaces.
    pub(crate) fn with_distribution(
        mut self,
        build: impl Fn() -> Box<dyn Distribution<T>>,
    ) -> Self {
        for level in &mut self.levels {
            for place in [&mut level.conditional, &mut level.posterior] {
                let new = build();
                assert_eq!(new.eta_width(7), place.eta_width(7), "the networks fit the old one");
                assert_eq!(new.own_parameters(), place.own_parameters());
                *place = new;
            }
        }
        let spec = build().spec();
        self.config.likelihood = spec.clone();
        self.config.conditional = spec.clone();
        self.config.posterior = spec;
        self
    }
}
