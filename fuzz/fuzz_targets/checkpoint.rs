//! Checkpoints. The first byte says whether the others are a file, what follows its header's length, or
//! the counters in a file that is whole otherwise. A run that they are restored to must be able to go on.
#![no_main]

use elbo::data::{Binarize, Dataset, Parts, Roles, Source, Values};
use elbo::train::checkpoint::{self, Checkpoint};
use elbo::train::{TrainConfig, Trainer};
use elbo::vae::VaeConfig;
use elbo_fuzz::contract::one_line;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use std::path::PathBuf;
use std::sync::LazyLock;

/// The file, which goes with the process.
static PATH: LazyLock<PathBuf> = LazyLock::new(|| {
    std::env::temp_dir().join(format!("elbo-fuzz-checkpoint-{}", std::process::id()))
});

/// A run of two epochs of two steps.
fn trainer() -> Trainer<f32> {
    let values = (0..12).map(|i| if i % 3 == 0 { 255 } else { 0 }).collect();
    let train = Dataset::new(Values::U8(values), 3).expect("four rows");
    let source = Source { train, test: None, notes: Vec::new() };
    let roles =
        Roles { validation: 0.0, test: 0.0, limit: None, binarize: Binarize::None, seed: 0 };
    let parts = Parts::new(source, roles).expect("a part");
    let config = TrainConfig { batch_size: 2, epochs: 2, ..TrainConfig::default() };
    Trainer::new(VaeConfig::new(3, &[2], 1), config, parts).expect("a small run")
}

/// A checkpoint after a step.
static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut trainer = trainer();
    trainer.step().expect("a step of a sound run");
    checkpoint::save(&PATH, &trainer, "the run").expect("a sound run is saved");
    std::fs::read(&*PATH).expect("it was written just now")
});

/// A file whose header ends with the first line. (It is written with spaces in that place.)
fn with_length(rest: &[u8]) -> Vec<u8> {
    let end = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |i| i + 1);
    [&(end as u64).to_le_bytes()[..], rest].concat()
}

/// The same checkpoint with other first counters.
fn with_counters(bytes: &[u8]) -> Vec<u8> {
    let file = SafeTensors::deserialize(&FILE).expect("a file of our own");
    let (_, metadata) = SafeTensors::read_metadata(&FILE).expect("as above");
    let mut counters = file.tensor("counters").expect("as above").data().to_vec();
    counters.iter_mut().zip(bytes).for_each(|(counter, byte)| *counter = *byte);
    let tensors = file.iter().map(|(name, tensor)| match name {
        "counters" => {
            let changed = TensorView::new(tensor.dtype(), tensor.shape().to_vec(), &counters);
            (name, changed.expect("as many bytes as before"))
        }
        _ => (name, tensor),
    });
    safetensors::serialize(tensors, metadata.metadata().clone()).expect("tensors as before")
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else { return };
    let bytes = match choice % 3 {
        0 => rest.to_vec(),
        1 => with_length(rest),
        _ => with_counters(rest),
    };
    std::fs::write(&*PATH, bytes).expect("a file");
    let mut trainer = trainer();
    let restored = Checkpoint::open(&PATH).and_then(|read| {
        read.progress()?;
        read.restore(&mut trainer)
    });
    match restored {
        // Weights may be absurd now, so that an error is an answer too.
        Ok(()) => {
            let outcomes = [trainer.step().map(drop), trainer.run(&mut ()).map(drop)];
            outcomes.into_iter().filter_map(Result::err).for_each(|e| one_line(&e.to_string()));
        }
        Err(error) => {
            let message = error.to_string();
            one_line(&message);
            assert!(message.starts_with(&*PATH.to_string_lossy()), "{message}");
        }
    }
});
