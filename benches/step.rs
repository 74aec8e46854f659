//! One training step of the textbook VAE, the products it is made of, and one elementwise kernel.
//!
//! `cargo bench` on a quiet machine. Criterion prints rows (or elements) per second.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use elbo::data::{Binarize, Parts, Roles, Source};
use elbo::gemm::{Accum, matmul};
use elbo::train::{TrainConfig, Trainer};
use elbo::vae::VaeConfig;
use ndarray::Array2;
use std::hint::black_box;

const BATCH: usize = 128;

/// 784-400-20 with relu, Adam and a batch of 128: the workload `classic` of the peers.
fn step(c: &mut Criterion) {
    let roles =
        Roles { validation: 0.0, test: 0.0, limit: None, binarize: Binarize::None, seed: 0 };
    let data = Parts::new(Source::open("digits:count=12800").expect("embedded data"), roles)
        .expect("valid roles");
    let config = TrainConfig { epochs: u32::MAX, ..TrainConfig::default() };
    let mut trainer =
        Trainer::<f32>::new(VaeConfig::new(784, &[400], 20), config, data).expect("a valid model");
    let mut group = c.benchmark_group("step");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("classic", |b| {
        b.iter(|| elbo::parallel::enter(|| trainer.step()).expect("a finite loss"));
    });
    group.finish();
}

/// The products of the step's largest layer: forward, weights' gradient, input's gradient.
fn products(c: &mut Criterion) {
    let (inputs, outputs) = (784, 400);
    let fill = |rows, cols| {
        Array2::from_shape_fn((rows, cols), |(i, j)| ((i * 31 + j * 17) % 13) as f32 * 0.1)
    };
    let (x, w, d_y): (Array2<f32>, _, _) =
        (fill(BATCH, inputs), fill(outputs, inputs), fill(BATCH, outputs));
    let mut group = c.benchmark_group("product");
    // Elements are floating-point operations: the rate reads as FLOP/s.
    group.throughput(Throughput::Elements((2 * BATCH * inputs * outputs) as u64));
    let mut bench =
        |name: &str, shape, a: ndarray::ArrayView2<f32>, b: ndarray::ArrayView2<f32>| {
            let mut out = Array2::zeros(shape);
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    elbo::parallel::enter(|| matmul(&mut out.view_mut(), &a, &b, Accum::Replace));
                    black_box(&out);
                });
            });
        };
    bench("x·Wᵀ", (BATCH, outputs), x.view(), w.t());
    bench("d_yᵀ·x", (outputs, inputs), d_y.t(), x.view());
    bench("d_y·W", (BATCH, inputs), d_y.view(), w.view());
    group.finish();
}

/// The Bernoulli's log-probability and gradient of one row of logits.
fn bernoulli(c: &mut Criterion) {
    use elbo::distribution::bernoulli::Bernoulli;
    use elbo::distribution::{Distribution, RowGradient};
    let n = 784;
    let logits: Vec<f32> = (0..n).map(|i| (i as f32 * 0.37).sin() * 6.0).collect();
    let x: Vec<f32> = (0..n).map(|i| (i % 2) as f32).collect();
    let mut group = c.benchmark_group("kernel");
    group.throughput(Throughput::Elements(n as u64));
    group.bench_function("bernoulli", |b| {
        b.iter_batched_ref(
            || vec![0f32; n],
            |d_eta| {
                let d = RowGradient { d_eta, d_x: &mut [], d_own: &mut [] };
                black_box(Bernoulli.log_prob_gradient(d, &x, &logits, &[]))
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, step, products, bernoulli);
criterion_main!(benches);
