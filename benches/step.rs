//! One training step of each workload of `benches/peers`, and of a small model with each member of the families in
//! turn: `cargo bench --bench step`, `cargo bench --bench step -- members`. Criterion's elements are rows.
//! `ELBO_THREADS=1` measures one thread.

use common::workload::Workload;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use elbo::check::{constants, specs};
use elbo::data::{Binarize, Dataset, Parts, Roles, Source, Values};
use elbo::distribution::{self, Distribution};
use elbo::family::Spec;
use elbo::nn::{self, Activation};
use elbo::params::Layout;
use elbo::rng::{Address, Purpose};
use elbo::train::{TrainConfig, Trainer};
use elbo::vae::VaeConfig;
use elbo::{objective, prior};
use std::time::Duration;

mod common {
    pub(crate) mod threads;
    pub(crate) mod workload;
}

const WORKLOADS: [(&str, Workload<'static>); 4] = [
    (
        "classic",
        Workload {
            hidden: &[400],
            latent: 20,
            batch: 128,
            samples: 1,
            activation: Activation::Relu,
            table: false,
        },
    ),
    (
        "burda",
        Workload {
            hidden: &[200, 200],
            latent: 50,
            batch: 20,
            samples: 1,
            activation: Activation::Tanh,
            table: false,
        },
    ),
    (
        "iwae50",
        Workload {
            hidden: &[200, 200],
            latent: 50,
            batch: 20,
            samples: 50,
            activation: Activation::Tanh,
            table: false,
        },
    ),
    (
        "table",
        Workload {
            hidden: &[64, 64],
            latent: 8,
            batch: 256,
            samples: 1,
            activation: Activation::Relu,
            table: true,
        },
    ),
];

fn step(c: &mut Criterion) {
    common::threads::from_environment();
    let mut group = c.benchmark_group("step");
    for (name, workload) in &WORKLOADS {
        let mut trainer = workload.trainer();
        group.throughput(Throughput::Elements(workload.batch as u64));
        group.bench_function(*name, |b| {
            elbo::parallel::enter(|| b.iter(|| trainer.step().expect("a finite loss")));
        });
    }
    group.finish();
}

const WIDTH: usize = 784;
const BATCH: usize = 128;
/// Training rows.
const ROWS: usize = 16 * BATCH;

/// `784-400-20` with each member in the place of the plain one: the row `likelihood bernoulli` is the plain one.
fn members(c: &mut Criterion) {
    common::threads::from_environment();
    let plain = || VaeConfig::new(WIDTH, &[400], 20);
    let config = |objective: &str, samples| TrainConfig {
        batch_size: BATCH,
        samples,
        epochs: u32::MAX,
        objective: objective.parse().expect("an example"),
        ..TrainConfig::default()
    };
    let mut runs = Vec::new();
    for spec in specs(&distribution::members::<f32>()) {
        let p = distribution::build::<f32>(&spec).expect("an example");
        // Their own covariance matrix of 784 columns is nobody's likelihood.
        if p.as_likelihood().is_some() && p.eta_width(WIDTH) <= 100 * WIDTH {
            let model = VaeConfig { likelihood: spec.clone(), ..plain() };
            runs.push((format!("likelihood {spec}"), model, config("elbo", 1)));
        }
        if p.as_reparameterized().is_some() {
            let model = VaeConfig { posterior: spec.clone(), ..plain() };
            runs.push((format!("posterior {spec}"), model, config("elbo", 1)));
        }
    }
    for spec in specs(&nn::members::<f32>()) {
        let mut model = plain();
        let has_width = nn::build::<f32>(&spec).expect("an example").width().is_some();
        match has_width {
            true => model.levels[0].layers = vec![Spec::new(spec.name()).with_value(400)],
            false => model.levels[0].layers.push(spec.clone()),
        }
        runs.push((format!("layer {spec}"), model, config("elbo", 1)));
    }
    for spec in specs(&prior::members::<f32>()) {
        let many = match spec.name() {
            "mixture" => "mixture:components=500".to_owned(),
            "vamp" => "vamp:pseudo-inputs=500".to_owned(),
            "exemplar" => format!("exemplar:count={ROWS}"),
            _ => continue,
        };
        let model = VaeConfig { prior: many.parse().expect("an example"), ..plain() };
        runs.push((format!("prior {many}"), model, config("elbo", 1)));
    }
    for spec in specs(&objective::members::<f32>()) {
        runs.push((format!("objective {spec}, 5 samples"), plain(), config(&spec.to_string(), 5)));
    }
    let mut group = c.benchmark_group("members");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    for (name, model, config) in runs {
        let p = distribution::build::<f32>(&model.likelihood).expect("an example");
        // Some go together with no other: a posterior that an objective cannot use.
        let Ok(mut trainer) = Trainer::<f32>::new(model, config, drawn(&*p)) else { continue };
        if let Err(error) = trainer.step() {
            eprintln!("{name}: {error}"); // of rows with tails too heavy for a first step
            continue;
        }
        group.bench_function(name, |b| {
            elbo::parallel::enter(|| b.iter(|| std::hint::black_box(trainer.step().is_ok())));
        });
    }
    group.finish();
}

/// 16 batches of rows that were drawn from `p`.
fn drawn(p: &dyn Distribution<f32>) -> Parts {
    let mut layout = Layout::default();
    layout.scope("own").group(|scope| p.own(scope, WIDTH));
    let own: Vec<f32> = constants(layout.slots().iter().map(|slot| slot.len()).sum(), 0);
    let eta: Vec<f32> = constants(p.eta_width(WIDTH), 1);
    let mut x = vec![0f32; ROWS * WIDTH];
    let mut rng = Address::new(0, Purpose::Check).rng();
    x.chunks_mut(WIDTH).for_each(|x| p.sample(x, &eta, &own, &mut rng));
    let train = Dataset::new(Values::F32(x), WIDTH).expect("finite values");
    let source = Source { train, test: None, notes: Vec::new() };
    let roles =
        Roles { validation: 0.0, test: 0.0, limit: None, binarize: Binarize::None, seed: 0 };
    Parts::new(source, roles).expect("valid roles")
}

criterion_group!(benches, step, members);
criterion_main!(benches);
