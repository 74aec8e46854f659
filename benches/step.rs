//! One training step of each workload of `benches/peers`: `cargo bench --bench step`. Criterion's
//! elements are rows. `ELBO_THREADS=1` measures one thread.

use common::workload::Workload;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use elbo::nn::Activation;

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

criterion_group!(benches, step);
criterion_main!(benches);
