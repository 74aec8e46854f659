//! Products at the shapes of the workloads, forward and backward: `cargo bench --bench products`.
//!
//! Criterion's elements are floating-point operations, so the rate reads as FLOP/s; `cargo bench --bench
//! peak` prints what it is to be compared with. `ELBO_THREADS=1` measures one thread, `ELBO_PORTABLE=1`
//! `matrixmultiply` instead of the crate's own kernel.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use elbo::data::{Binarize, Parts, Roles, Source};
use elbo::gemm::{Accum, matmul};
use ndarray::Array2;
use std::hint::black_box;

mod common {
    pub(crate) mod threads;
}

/// Rows, inputs and outputs of layers: of `classic`, `burda`, `iwae50` and `table`.
const LAYERS: [[usize; 3]; 8] = [
    [128, 784, 400],
    [128, 400, 40],
    [20, 784, 200],
    [20, 200, 200],
    [1000, 200, 200],
    [1000, 200, 784],
    [256, 30, 64],
    [256, 64, 64],
];

fn products(c: &mut Criterion) {
    common::threads::from_environment();
    if std::env::var_os("ELBO_PORTABLE").is_some() {
        elbo::simd::force(Some(elbo::simd::Isa::Portable));
    }
    for [n, inputs, outputs] in LAYERS {
        layer(c, &format!("[{n}, {inputs}] to {outputs}"), fill(n, inputs), outputs);
    }
    // The same as the first layer meets it, with four of five values zero.
    for (n, outputs) in [(128, 400), (20, 200)] {
        layer(c, &format!("[{n}, 784] of digits to {outputs}"), digits(n), outputs);
    }
}

/// The three products of a layer with input `x: [N, in]`.
fn layer(c: &mut Criterion, name: &str, x: Array2<f32>, outputs: usize) {
    let (n, inputs) = x.dim();
    let (w, d_y) = (fill(outputs, inputs), fill(n, outputs));
    let bias = vec![0.1; outputs];
    let (mut y, mut d_w, mut d_x) = (d_y.clone(), w.clone(), x.clone());
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements((2 * n * inputs * outputs) as u64));
    group.bench_function("y = xWᵀ + b", |bench| {
        elbo::parallel::enter(|| {
            bench.iter(|| {
                matmul(&mut y.view_mut(), &x.view(), &w.t(), Accum::Row(&bias));
                black_box(&y);
            });
        });
    });
    group.bench_function("d_W += d_yᵀx", |bench| {
        elbo::parallel::enter(|| {
            bench.iter(|| {
                matmul(&mut d_w.view_mut(), &d_y.t(), &x.view(), Accum::Add);
                black_box(&d_w);
            });
        });
    });
    group.bench_function("d_x = d_yW", |bench| {
        elbo::parallel::enter(|| {
            bench.iter(|| {
                matmul(&mut d_x.view_mut(), &d_y.view(), &w.view(), Accum::Replace);
                black_box(&d_x);
            });
        });
    });
    group.finish();
}

fn fill(rows: usize, columns: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, columns), |(i, j)| ((i * 31 + j * 17) % 13) as f32 * 0.1)
}

/// The first `n` embedded digits.
fn digits(n: usize) -> Array2<f32> {
    let roles =
        Roles { validation: 0.0, test: 0.0, limit: None, binarize: Binarize::None, seed: 0 };
    let source = Source::open(&format!("digits:count={n}")).expect("embedded data");
    let train = Parts::new(source, roles).expect("valid roles").train;
    let mut x = Array2::zeros((n, 784));
    let rows = train.rows().to_vec();
    train.gather(x.as_slice_mut().expect("standard layout"), &rows, None).expect("embedded data");
    x
}

criterion_group!(benches, products);
criterion_main!(benches);
