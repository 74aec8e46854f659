//! The embedded digits are hard enough to be worth learning and clean enough to be told apart: a
//! 3-nearest-neighbour classifier errs on 0.2–3 % of held-out items, a linear one on 4–15 %.

use elbo::data::{Binarize, Parts, Roles, Source};
use elbo::rng::{Address, Purpose};
use elbo::train::{TrainConfig, Trainer};
use elbo::vae::{Pass, Sampling, Shown, Vae, VaeConfig, Workspace};
use ndarray::Array2;

mod classifiers;
use classifiers::{CLASSES, Items, Linear, Neighbours};

/// Training and test items.
fn items(name: &str) -> (Items, Items) {
    let source = Source::open(name).unwrap();
    let of = |data: &elbo::data::Dataset| {
        let mut pixels = vec![0f32; data.rows() * data.width()];
        for (row, pixels) in pixels.chunks_exact_mut(data.width()).enumerate() {
            data.read(pixels, row, None).unwrap();
        }
        let labels = data.labels().unwrap();
        Items { pixels, labels: (0..data.rows()).map(|row| labels.index(row)).collect() }
    };
    (of(&source.train), of(source.test.as_ref().unwrap()))
}

#[test]
fn are_as_hard_as_handwriting() {
    let (train, held_out) = items("digits:count=10000");
    let neighbours = Neighbours::of(&train);
    let error = held_out.error(|x| neighbours.classify(x));
    println!("3-nearest-neighbour error {:.2} %", 100.0 * error);
    assert!((0.002..=0.03).contains(&error), "3-nearest-neighbour error {error}");

    let linear = Linear::train(&train);
    let error = held_out.error(|x| linear.classify(x));
    println!("linear error {:.2} %", 100.0 * error);
    assert!((0.04..=0.15).contains(&error), "linear error {error}");
}

#[test]
fn are_of_all_classes_alike_and_all_different() {
    let (train, _) = items("digits:count=10000");
    for class in 0..CLASSES {
        let share =
            train.labels.iter().filter(|l| **l == class).count() as f64 / train.labels.len() as f64;
        assert!(
            (share - 0.1).abs() < 4.0 * (0.09f64 / train.labels.len() as f64).sqrt(),
            "{class}: {share}"
        );
    }
    let distinct: std::collections::HashSet<Vec<u32>> =
        train.images().map(|x| x.iter().map(|p| p.to_bits()).collect()).collect();
    assert_eq!(distinct.len(), train.labels.len());
}

/// 1,000 samples, labelled by the nearest of `train`: all classes at 3 % or more, none a copy.
fn judge(samples: &Array2<f32>, train: &Items, held_out: &Items) {
    let neighbours = Neighbours::of(train);
    // How far a new item of the data is from the nearest training item, typically.
    let mut distances: Vec<f32> =
        held_out.images().take(300).map(|x| neighbours.distance(x)).collect();
    distances.sort_by(f32::total_cmp);
    let typical = distances[distances.len() / 2];

    let mut counts = [0; CLASSES];
    let mut nearest = f32::INFINITY;
    for sample in samples.rows() {
        // As bytes, which is what training items are: only so could one be equal.
        let bytes: Vec<f32> = sample.iter().map(|p| (p * 255.0).round() / 255.0).collect();
        counts[neighbours.classify(&bytes)] += 1;
        nearest = nearest.min(neighbours.distance(&bytes));
    }
    println!(
        "samples of each class: {counts:?}; nearest {nearest:.2}, new data typically {typical:.2}"
    );
    assert!(counts.iter().all(|c| *c >= samples.nrows() * 3 / 100), "{counts:?}");
    assert!(nearest > 0.05 * typical, "a sample is {nearest} from a training item");
}

fn samples_of(vae: &Vae<f32>, params: &[f32]) -> Array2<f32> {
    let mut samples = Array2::zeros((1000, 784));
    let mut ws = Workspace::new(vae, 1000, 1, Pass::Value).unwrap();
    let address = Address::new(0, Purpose::Sample);
    let sampling = Sampling { address, first: 0, temperature: 1.0, shown: Shown::Mean };
    vae.sample(samples.view_mut(), &mut ws, params, &sampling);
    samples
}

/// A seventh of the main job's work.
#[test]
fn a_trained_model_invents_all_classes() {
    let roles =
        Roles { validation: 0.0, test: 0.0, limit: None, binarize: Binarize::None, seed: 0 };
    let parts = Parts::new(Source::open("digits:count=10000").unwrap(), roles).unwrap();
    let config = TrainConfig { epochs: 6, learning_rate: 2e-3, ..TrainConfig::default() };
    let mut trainer =
        Trainer::<f32>::new(VaeConfig::new(784, &[400, 200], 20), config, parts).unwrap();
    trainer.run(&mut ()).unwrap();
    let params = trainer.weights().0.to_vec();
    let (train, held_out) = items("digits:count=10000");
    judge(&samples_of(trainer.vae(), &params), &train, &held_out);
}

/// The main job itself: the model that `elbo train` has written, where the environment variable
/// `ELBO_DIGITS_MODEL` names it; skipped, with a word, where it does not.
#[cfg(feature = "model-file")]
#[test]
fn the_main_job_invents_all_classes() {
    let Ok(path) = std::env::var("ELBO_DIGITS_MODEL") else {
        eprintln!("skipped: ELBO_DIGITS_MODEL does not name a model trained on the digits");
        return;
    };
    let model = elbo::model_file::Model::<f32>::open(path).unwrap();
    let (train, held_out) = items("digits");
    judge(&samples_of(&model.vae, &model.params), &train, &held_out);
}

/// Networks of a single unit, whose activations are zeros for most of the rows.
#[test]
fn can_be_learned_by_one_unit() {
    let roles =
        Roles { validation: 0.0, test: 0.1, limit: None, binarize: Binarize::Dynamic, seed: 0 };
    for (seed, hidden) in [(0, &[1][..]), (1, &[1]), (0, &[64, 1])] {
        let data = Parts::new(Source::open("digits:count=300").unwrap(), roles).unwrap();
        let config = TrainConfig { epochs: 2, seed, ..TrainConfig::default() };
        let mut trainer =
            Trainer::<f32>::new(VaeConfig::new(784, hidden, 1), config, data).unwrap();
        trainer.run(&mut ()).unwrap();
        assert!(trainer.test_score().unwrap().unwrap().loss.is_finite());
    }
}
