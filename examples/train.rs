//! Trains a small model on the embedded digits and prints how it goes: `cargo run --release --example train`

use elbo::data::{Binarize, Parts, Roles, Source};
use elbo::train::{EpochRecord, Observer, TrainConfig, Trainer};
use elbo::vae::VaeConfig;

struct Print;

impl Observer<f32> for Print {
    fn epoch(&mut self, _: &Trainer<f32>, record: &EpochRecord) -> elbo::Result<bool> {
        println!(
            "epoch {}: {:.2} nats, {:.0} rows/s",
            record.epoch, record.train.loss, record.rows_per_second
        );
        Ok(true) // false would end the run
    }
}

fn main() -> elbo::Result<()> {
    let roles =
        Roles { validation: 0.0, test: 0.0, limit: None, binarize: Binarize::Dynamic, seed: 0 };
    let data = Parts::new(Source::open("digits:count=5000")?, roles)?;
    let config = TrainConfig { epochs: 5, ..TrainConfig::default() };
    let mut trainer = Trainer::new(VaeConfig::new(784, &[200], 20), config, data)?;
    trainer.run(&mut Print)?;
    Ok(())
}
