//! What a step does besides its products, on one thread: `cargo bench --bench elementwise`.
//!
//! Criterion's elements are values of the largest operand.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use elbo::check::constants;
use elbo::distribution::{self, RowGradient};
use elbo::gradient::all_finite;
use elbo::nn::Activation;
use elbo::optim::{Adam, AdamConfig};
use elbo::params::Layout;
use elbo::rng::{Address, Purpose};
use std::hint::black_box;

const N: usize = 100_352; // 128 rows of 784

fn elementwise(c: &mut Criterion) {
    elbo::parallel::set_threads(1).expect("before the pool's first use");
    let logits: Vec<f32> = (0..N).map(|i| (i as f32 * 0.37).sin() * 6.0).collect();
    let x: Vec<f32> = (0..N).map(|i| (i % 3) as f32 * 0.5).collect();
    let mut out = vec![0f32; N];
    let mut group = c.benchmark_group("elementwise");
    group.throughput(Throughput::Elements(N as u64));
    for activation in Activation::ALL {
        group.bench_function(format!("{} forward", activation.name()), |b| {
            b.iter(|| activation.forward(&mut out, black_box(&logits)));
        });
        group.bench_function(format!("{} backward", activation.name()), |b| {
            b.iter(|| activation.backward(black_box(&mut out), &logits, &x));
        });
    }
    group.bench_function("noise in rows of 50", |b| {
        b.iter(|| {
            for (row, eps) in (0..).zip(out.chunks_mut(50)) {
                Address::new(0, Purpose::Train).row(row).fill_normal(eps);
            }
        });
    });
    group.finish();

    likelihoods(c);

    // The parameters of 784-400-20.
    let n = 652_824;
    let (mut params, gradient) = (vec![0.1f32; n], vec![0f32; n]);
    let mut adam = Adam::new(AdamConfig::default(), n);
    let mut group = c.benchmark_group("parameters");
    group.throughput(Throughput::Elements(n as u64));
    group.bench_function("adam", |b| {
        b.iter(|| adam.update(&mut params, &gradient, 1.0, 1e-3, None));
    });
    group.bench_function("all finite", |b| b.iter(|| all_finite(black_box(&params))));
    group.finish();
}

/// log p and its gradient of every likelihood there is, on 16 rows of 784 values that were drawn from it.
fn likelihoods(c: &mut Criterion) {
    const ROWS: usize = 16;
    const WIDTH: usize = 784;
    let mut group = c.benchmark_group("likelihoods");
    group.throughput(Throughput::Elements((ROWS * WIDTH) as u64));
    for example in distribution::members::<f32>().iter().flat_map(|member| member.examples) {
        let p = distribution::build::<f32>(&example.parse().expect("a spec")).expect("an example");
        let Some(likelihood) = p.as_likelihood() else { continue };
        if p.eta_width(WIDTH) > 100 * WIDTH {
            continue; // a covariance matrix of so many columns
        }
        let mut layout = Layout::default();
        layout.scope("own").group(|scope| p.own(scope, WIDTH));
        let own: Vec<f32> = constants(layout.slots().iter().map(|slot| slot.len()).sum(), 0);
        let eta: Vec<f32> = constants(p.eta_width(WIDTH), 1);
        let (mut x, mut d_eta) = (vec![0f32; ROWS * WIDTH], vec![0f32; eta.len()]);
        let mut rng = Address::new(0, Purpose::Check).rng();
        x.chunks_mut(WIDTH).for_each(|x| p.sample(x, &eta, &own, &mut rng));
        group.bench_function(format!("{example} log p and gradient"), |b| {
            b.iter(|| {
                for x in x.chunks(WIDTH) {
                    let d = RowGradient { d_eta: &mut d_eta, d_x: &mut [] };
                    black_box(likelihood.log_prob_gradient(d, x, black_box(&eta), &own));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, elementwise);
criterion_main!(benches);
