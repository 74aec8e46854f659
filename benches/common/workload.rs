//! A model and its data, ready for its first training step.

use elbo::data::{Binarize, Dataset, Parts, Roles, Source, Values};
use elbo::nn::Activation;
use elbo::rng::{Address, Purpose};
use elbo::train::{TrainConfig, Trainer};
use elbo::vae::VaeConfig;

pub(crate) struct Workload<'a> {
    pub(crate) hidden: &'a [usize],
    pub(crate) latent: usize,
    pub(crate) batch: usize,
    pub(crate) samples: usize,
    pub(crate) activation: Activation,
    /// On numbers under a normal, in place of pictures under a Bernoulli.
    pub(crate) table: bool,
}

impl Workload<'_> {
    /// On the embedded digits, which have as many zeros as MNIST, or on a table of random numbers. An epoch is a whole number of batches of every size up to 4096 that is a power
    /// of two, or 20: all steps are equal.
    pub(crate) fn trainer(&self) -> Trainer<f32> {
        let roles =
            Roles { validation: 0.0, test: 0.0, limit: None, binarize: Binarize::None, seed: 0 };
        let source = if self.table {
            let mut values = vec![0.0; 30 * 51_200];
            Address::new(0, Purpose::Check).fill_normal(&mut values);
            let train = Dataset::new(Values::F32(values), 30).expect("finite values");
            Source { train, test: None, notes: Vec::new() }
        } else {
            Source::open("digits:count=20480").expect("embedded data")
        };
        let width = source.train.width();
        let mut model = VaeConfig::new(width, self.hidden, self.latent);
        model.activation = self.activation;
        if self.table {
            model.likelihood = "normal:variance=1".parse().expect("a known likelihood");
        }
        let mut config = TrainConfig {
            batch_size: self.batch,
            samples: self.samples,
            epochs: u32::MAX,
            ..TrainConfig::default()
        };
        if self.samples > 1 {
            config.objective = "iwae".parse().expect("a known objective");
        }
        let parts = Parts::new(source, roles).expect("valid roles");
        Trainer::new(model, config, parts).expect("a valid model")
    }
}
