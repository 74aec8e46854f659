//! A trained model at work: importance-sampled log p(x), and a single row: `cargo bench --bench inference`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use elbo::model_file::{Header, Model};
use elbo::nn::Activation;
use elbo::params::Init;
use elbo::rng::{Address, Purpose};
use elbo::vae::{Pass, Vae, VaeConfig, Workspace};
use ndarray::Array2;
use std::hint::black_box;

/// Samples of 784-200-200-50; criterion's elements are samples.
fn evaluation(c: &mut Criterion) {
    const ROWS: usize = 20;
    const SAMPLES: usize = 500;
    let config = VaeConfig { activation: Activation::Tanh, ..VaeConfig::new(784, &[200, 200], 50) };
    let vae = Vae::<f32>::new(config).expect("a valid model");
    let params = vae.init(Init::Uniform, 1, None);
    let mut ws = Workspace::new(&vae, ROWS, 50, Pass::Value).expect("enough memory");
    let x = Array2::from_shape_fn((ROWS, 784), |(i, j)| ((i * 7 + j) % 5 == 0) as u8 as f32);
    let proposal = elbo::evaluate::Proposal::posterior();
    let mut group = c.benchmark_group("log p(x)");
    group.throughput(Throughput::Elements((ROWS * SAMPLES) as u64));
    group.bench_function("784-200-200-50", |b| {
        let address = Address::new(0, Purpose::Test);
        elbo::parallel::enter(|| {
            b.iter(|| {
                let x = x.view();
                black_box(elbo::evaluate::log_px_of(
                    &vae, &mut ws, &x, &params, SAMPLES, &proposal, address,
                ))
            });
        });
    });
    group.finish();
}

/// One image through 784-400-20, on the thread that asks.
fn single_row(c: &mut Criterion) {
    let config = VaeConfig::new(784, &[400], 20);
    let vae = Vae::<f32>::new(config.clone()).expect("a valid model");
    let params = vae.init(Init::Uniform, 1, None);
    let model = Model { params, header: Header::new(&config, None), vae: vae.into() };
    let mut session = model.session(1).expect("enough memory");
    let (x, mut z, mut again) = ([0.5f32; 784], [0f32; 20], [0f32; 784]);
    let mut group = c.benchmark_group("one row of 784-400-20");
    group.bench_function("encode", |b| b.iter(|| session.encode(&mut z, black_box(&x))));
    group.bench_function("reconstruct", |b| {
        b.iter(|| session.reconstruct(&mut again, black_box(&x)));
    });
    group.finish();
}

criterion_group!(benches, evaluation, single_row);
criterion_main!(benches);
