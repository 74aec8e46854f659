//! MNIST itself, where the environment variable `ELBO_MNIST` names a folder with its four files;
//! skipped, with a word, where it does not.

use elbo::data::{Binarize, Parts, Roles, Source};
use elbo::train::{TrainConfig, Trainer};
use elbo::vae::VaeConfig;

fn mnist() -> Option<Source> {
    let Ok(folder) = std::env::var("ELBO_MNIST") else {
        eprintln!("skipped: ELBO_MNIST does not name a folder with MNIST");
        return None;
    };
    Some(Source::open(&folder).unwrap())
}

#[test]
fn is_read_as_it_is() {
    let Some(source) = mnist() else { return };
    let test = source.test.unwrap();
    assert_eq!((source.train.rows(), test.rows(), source.train.width()), (60_000, 10_000, 784));
    let labels = source.train.labels().unwrap();
    assert!((0..10).map(|row| labels.index(row)).eq([5, 0, 4, 1, 9, 2, 1, 3, 1, 4]));
    let parts = Parts::new(
        Source { train: source.train, test: None, notes: Vec::new() },
        Roles { validation: 0.0, test: 0.0, limit: None, binarize: Binarize::None, seed: 0 },
    );
    let means = parts.unwrap().train.moments().unwrap().mean;
    let mean = means.iter().sum::<f64>() / 784.0;
    assert!((mean - 0.1307).abs() < 5e-5, "the well-known mean intensity is 0.1307, not {mean}");
}

/// One epoch of the classic workload. A wrong gradient, noise or optimiser would not get so far; the
/// ten epochs that are compared with other software are a documented command.
#[test]
fn one_epoch_gets_as_far_as_it_should() {
    let Some(source) = mnist() else { return };
    let roles =
        Roles { validation: 0.0, test: 0.0, limit: None, binarize: Binarize::None, seed: 1 };
    let config = TrainConfig { epochs: 1, seed: 1, ..TrainConfig::default() };
    let parts = Parts::new(source, roles).unwrap();
    let mut trainer = Trainer::<f32>::new(VaeConfig::new(784, &[400], 20), config, parts).unwrap();
    trainer.run(&mut ()).unwrap();
    let loss = trainer.test_score().unwrap().unwrap().loss;
    println!("test loss after one epoch: {loss:.2} nats");
    assert!((115.0..130.0).contains(&loss), "{loss}");
}
