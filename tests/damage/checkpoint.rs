//! Checkpoints, which the run that goes on from them must survive too.

use crate::contract::{Growth, one_line};
use crate::damages::damaged;
use crate::model::config;
use crate::requests::largest;
use elbo::data::{Binarize, Dataset, Parts, Roles, Source, Values};
use elbo::error::Result;
use elbo::model_file::{Header, Model, TrainingHeader};
use elbo::train::checkpoint::{self, Checkpoint};
use elbo::train::{TrainConfig, Trainer};
use elbo::vae::VaeConfig;
use proptest::prelude::*;
use safetensors::tensor::{SafeTensors, TensorView};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const ROLES: Roles =
    Roles { validation: 0.2, test: 0.0, limit: None, binarize: Binarize::None, seed: 0 };

/// A run of two epochs of two steps, with one row to validate.
fn trainer(model: &VaeConfig, average: bool) -> Trainer<f32> {
    let values = (0..5 * model.width).map(|i| if i % 3 == 0 { 255 } else { 0 }).collect();
    let train = Dataset::new(Values::U8(values), model.width).expect("five rows");
    let source = Source { train, test: None, notes: Vec::new() };
    let config = TrainConfig {
        batch_size: 2,
        epochs: 2,
        average: average.then_some(0.5),
        ..TrainConfig::default()
    };
    Trainer::new(model.clone(), config, Parts::new(source, ROLES).expect("two parts"))
        .expect("a run of a small model")
}

/// A run and its checkpoint, at its end or after some steps.
#[derive(Clone, Debug)]
struct Saved {
    model: VaeConfig,
    average: bool,
    bytes: Vec<u8>,
}

fn saved() -> impl Strategy<Value = Saved> + Clone {
    (config(), any::<bool>(), 0..4usize).prop_map(|(model, average, steps)| {
        let mut trainer = trainer(&model, average);
        if steps == 3 {
            trainer.run(&mut ()).expect("a sound run");
        } else {
            (0..steps).for_each(|_| _ = trainer.step().expect("a step of a sound run"));
        }
        Saved { bytes: written(&trainer).expect("a sound run is saved"), model, average }
    })
}

/// The bytes of a run's checkpoint.
fn written(trainer: &Trainer<f32>) -> Result<Vec<u8>> {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("run");
    checkpoint::save(&path, trainer, "the run")?;
    Ok(fs::read(&path).expect("it was written just now"))
}

/// Reads a checkpoint into a trainer, and says how far the run was.
fn restore(path: &Path, trainer: &mut Trainer<f32>) -> Result<()> {
    let read = Checkpoint::open(path)?;
    read.progress()?;
    read.restore(trainer)
}

/// The model that a checkpoint is.
fn model_of(path: &Path, trainer: &Trainer<f32>) -> Result<Model<f32>> {
    let data = trainer.parts().train.data();
    let training = TrainingHeader::new(trainer.config(), &ROLES, data, None);
    let header = Header::new(trainer.vae().config(), None);
    Model::from_checkpoint(&Checkpoint::open(path)?, Header { training: Some(training), ..header })
}

/// A checkpoint in which one of the seven counters is another.
fn with_counter(bytes: &[u8], which: usize, value: f64) -> Vec<u8> {
    let file = SafeTensors::deserialize(bytes).expect("it was written just now");
    let (_, metadata) = SafeTensors::read_metadata(bytes).expect("as above");
    let mut counters = file.tensor("counters").expect("as above").data().to_vec();
    counters[which * 8..][..8].copy_from_slice(&value.to_le_bytes());
    let tensors = file.iter().map(|(name, tensor)| match name {
        "counters" => {
            let changed = TensorView::new(tensor.dtype(), tensor.shape().to_vec(), &counters);
            (name, changed.expect("as many bytes as before"))
        }
        _ => (name, tensor),
    });
    safetensors::serialize(tensors, metadata.metadata().clone()).expect("tensors as before")
}

/// Counters of all sizes.
fn counter() -> impl Strategy<Value = f64> {
    prop_oneof![
        (0..5u32).prop_map(f64::from),
        (0..64i32).prop_map(|power| 2f64.powi(power)),
        (0..64i32).prop_map(|power| 2f64.powi(power) - 1.0),
        any::<f64>(),
    ]
}

/// Goes on from a file, if it can be read.
fn survive(saved: &Saved, bytes: &[u8]) -> std::result::Result<(), TestCaseError> {
    let folder = TempDir::new()?;
    let path = folder.path().join("run");
    fs::write(&path, bytes)?;
    let mut trainer = trainer(&saved.model, saved.average);
    let (outcome, request) = largest(|| model_of(&path, &trainer).map(drop));
    Growth::Tensors.check(request, bytes);
    outcome.err().into_iter().for_each(|error| one_line(&error.to_string()));
    let (outcome, request) = largest(|| restore(&path, &mut trainer));
    Growth::Tensors.check(request, bytes);
    match outcome {
        // Weights may be absurd now, so that an error is an answer too.
        Ok(()) => {
            let outcomes = [trainer.step().map(drop), trainer.run(&mut ()).map(drop)];
            let errors = outcomes.into_iter().filter_map(|outcome| outcome.err());
            errors.for_each(|error| one_line(&error.to_string()));
            drop(written(&trainer));
        }
        Err(error) => {
            let message = error.to_string();
            one_line(&message);
            prop_assert!(message.starts_with(&*path.to_string_lossy()), "{message}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(crate::cases(300))]

    #[test]
    fn what_was_written_is_restored(saved in saved()) {
        let folder = TempDir::new()?;
        let path = folder.path().join("run");
        fs::write(&path, &saved.bytes)?;
        let mut trainer = trainer(&saved.model, saved.average);
        restore(&path, &mut trainer).expect("what was written is read");
        let read = Checkpoint::open(&path).expect("as above");
        prop_assert_eq!(read.run(), "the run");
        prop_assert!(written(&trainer).expect("a sound run is saved") == saved.bytes);
        // Opened as a model it has the weights that the run would keep.
        let model = model_of(&path, &trainer).expect("as above");
        let (params, kind) = trainer.weights();
        prop_assert!(model.params == params);
        prop_assert_eq!(model.header.weights, Some(kind.into()));
    }

    #[test]
    fn damage_is_survived(
        (saved, damaged) in saved().prop_flat_map(|saved| {
            let bytes = Just(saved.bytes.clone());
            (Just(saved), damaged(bytes))
        }),
        counter in (0..7usize, counter()),
    ) {
        let (which, value) = counter;
        for bytes in [damaged, with_counter(&saved.bytes, which, value)] {
            survive(&saved, &bytes)?;
        }
    }
}
