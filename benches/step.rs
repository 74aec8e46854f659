//! One training step of each workload of `benches/peers`: `cargo bench --bench step`.
//!
//! On the embedded digits and on a table of random numbers, because a step's time does not depend on
//! the values. Criterion's elements are rows.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use elbo::data::{Binarize, Dataset, Parts, Roles, Source, Values};
use elbo::nn::Activation;
use elbo::rng::{Address, Purpose};
use elbo::train::{TrainConfig, Trainer};
use elbo::vae::VaeConfig;

struct Workload {
    name: &'static str,
    hidden: &'static [usize],
    latent: usize,
    batch: usize,
    samples: usize,
    activation: Activation,
    table: bool,
}

const WORKLOADS: [Workload; 4] = [
    Workload {
        name: "classic",
        hidden: &[400],
        latent: 20,
        batch: 128,
        samples: 1,
        activation: Activation::Relu,
        table: false,
    },
    Workload {
        name: "burda",
        hidden: &[200, 200],
        latent: 50,
        batch: 20,
        samples: 1,
        activation: Activation::Tanh,
        table: false,
    },
    Workload {
        name: "iwae50",
        hidden: &[200, 200],
        latent: 50,
        batch: 20,
        samples: 50,
        activation: Activation::Tanh,
        table: false,
    },
    Workload {
        name: "table",
        hidden: &[64, 64],
        latent: 8,
        batch: 256,
        samples: 1,
        activation: Activation::Relu,
        table: true,
    },
];

fn trainer(w: &Workload) -> Trainer<f32> {
    let roles =
        Roles { validation: 0.0, test: 0.0, limit: None, binarize: Binarize::None, seed: 0 };
    let source = if w.table {
        let mut values = vec![0.0; 30 * 51_200];
        Address::new(0, Purpose::Check).fill_normal(&mut values);
        let train = Dataset::new(Values::F32(values), 30).expect("finite values");
        Source { train, test: None, note: None }
    } else {
        Source::open("digits:count=12800").expect("embedded data")
    };
    let width = source.train.width();
    let mut model = VaeConfig::new(width, w.hidden, w.latent);
    model.activation = w.activation;
    if w.table {
        model.likelihood = "normal:variance=1".parse().expect("a known likelihood");
    }
    let mut config = TrainConfig {
        batch_size: w.batch,
        samples: w.samples,
        epochs: u32::MAX,
        ..TrainConfig::default()
    };
    if w.samples > 1 {
        config.objective = "iwae".parse().expect("a known objective");
    }
    let parts = Parts::new(source, roles).expect("valid roles");
    Trainer::new(model, config, parts).expect("a valid model")
}

fn step(c: &mut Criterion) {
    let mut group = c.benchmark_group("step");
    for w in &WORKLOADS {
        let mut trainer = trainer(w);
        group.throughput(Throughput::Elements(w.batch as u64));
        group.bench_function(w.name, |b| {
            elbo::parallel::enter(|| b.iter(|| trainer.step().expect("a finite loss")));
        });
    }
    group.finish();
}

criterion_group!(benches, step);
criterion_main!(benches);
