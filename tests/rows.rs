//! What a row comes out as follows from that row: not from how many others are beside it, nor from its
//! place among them. To the last bit, in both precisions and with every instruction set.
//!
//! One test, because the instruction set is the whole process's.

use elbo::gemm::{Accum, exactly, matmul};
use elbo::nn::Activation;
use elbo::params::Init;
use elbo::real::Real;
use elbo::rng::{Address, Purpose};
use elbo::simd::{self, Isa};
use elbo::vae::{LevelConfig, Noise, Pass, Vae, VaeConfig, Workspace};
use ndarray::{Array2, ArrayView2, Axis, s};

#[test]
fn a_row_has_the_same_bits_alone_and_in_any_batch() {
    for isa in [Isa::Portable, Isa::V3, Isa::V4] {
        simd::force(Some(isa));
        if simd::isa() != isa {
            println!("skipped: this machine has not {isa:?}");
            continue;
        }
        products::<f32>();
        products::<f64>();
        models::<f32>();
        models::<f64>();
    }
    simd::force(None);
}

fn random<T: Real>(rows: usize, columns: usize, row: u64, zeros: bool) -> Array2<T> {
    let mut a = Array2::zeros((rows, columns));
    Address::new(1, Purpose::Check).row(row).fill_normal(a.as_slice_mut().unwrap());
    let zeros = a.iter_mut().enumerate().filter(|(i, _)| zeros && i % 7 != 3);
    zeros.for_each(|(_, a)| *a = T::zero());
    a
}

/// Parts of so many rows: single ones, pairs, and what lies between the kernel's tiles and blocks.
const ROWS: usize = 131;
const PARTS: [std::ops::Range<usize>; 8] =
    [0..2, 129..131, 3..8, 7..16, 1..33, 60..100, 5..128, 0..131];

fn products<T: Real>() {
    let shapes =
        [(1, 1), (1, 5), (3, 1), (7, 8), (8, 9), (20, 17), (300, 1), (257, 24), (300, 130)];
    for (k, n) in shapes.into_iter().chain([(784, 40), (513, 200)]) {
        for zeros in [false, true] {
            let (a, at) = (random::<T>(ROWS, k, 0, zeros), random::<T>(k, ROWS, 0, zeros));
            let (b, bt) = (random::<T>(k, n, 1, false), random::<T>(n, k, 1, zeros));
            let wide = random::<T>(k, 2 * n, 2, false);
            let row = random::<T>(1, n, 3, false).into_raw_vec_and_offset().0;
            for a in [a.view(), at.t()] {
                for b in [b.view(), bt.t(), wide.slice(s![.., ..;2])] {
                    for start in [Accum::Replace, Accum::Add, Accum::Row(&row)] {
                        let product = |a: ArrayView2<T>| {
                            let mut c = Array2::from_elem((a.nrows(), n), T::from_f64(0.3));
                            matmul(&mut c.view_mut(), &a, &b, start);
                            c
                        };
                        // A row where it lies, and in memory of its own.
                        let alone = |i: usize| {
                            let row = a.slice(s![i..=i, ..]);
                            let alone = product(row);
                            assert_eq!(alone, product(row.to_owned().view()));
                            alone
                        };
                        let alone: Vec<_> = (0..ROWS).map(alone).collect();
                        // Where vectors are not, fused multiply–adds in software.
                        let exact = exactly(|| product(a.slice(s![..5, ..])));
                        assert_eq!(exact, product(a.slice(s![..5, ..])), "[5, {k}]·[{k}, {n}]");
                        for part in PARTS {
                            let c = product(a.slice(s![part.clone(), ..]));
                            for (c, i) in c.rows().into_iter().zip(part.clone()) {
                                let what =
                                    || format!("[{ROWS}, {k}]·[{k}, {n}], row {i} of {part:?}");
                                assert!(c == alone[i].row(0), "{} {}", T::NAME, what());
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Everything that a pass says of each of these rows of the data, whose noise is that of their numbers.
fn pass<T: Real>(
    vae: &Vae<T>,
    params: &[T],
    x: &ArrayView2<T>,
    rows: &[usize],
    closed_form: bool,
) -> Vec<Vec<T>> {
    let x = x.select(Axis(0), rows);
    let mut ws = Workspace::new(vae, rows.len(), 3, Pass::Value).unwrap();
    let numbers: Vec<u64> = rows.iter().map(|row| *row as u64).collect();
    let noise = Noise::new(Address::new(2, Purpose::Check), &numbers);
    vae.forward(&mut ws, &x.view(), params, noise, closed_form);
    let terms = ws.terms(T::one());
    (0..rows.len())
        .map(|b| {
            let mut of_row = terms.log_px.row(b).to_vec();
            match terms.kl {
                Some(kl) => of_row.extend(kl.row(b)),
                None => of_row.extend(terms.log_prior.row(b).iter().chain(terms.log_q.row(b))),
            }
            of_row
        })
        .collect()
}

fn models<T: Real>() {
    let level = |hidden: &[usize], latent| LevelConfig::dense(hidden, latent);
    let levels = [
        vec![level(&[40], 5)],
        vec![level(&[1], 1)],
        vec![level(&[33, 24], 7), level(&[25], 3)],
        vec![level(&[30], 4), level(&[], 2), level(&[9], 1)],
    ];
    let likelihoods = ["bernoulli", "normal", "normal:variance=learned", "bernoulli"];
    let activations = [Activation::Relu, Activation::Tanh, Activation::Gelu, Activation::Softplus];
    let x = random::<T>(ROWS, 60, 4, true).mapv(|x| if x == T::zero() { x } else { T::one() });
    for ((levels, likelihood), activation) in levels.into_iter().zip(likelihoods).zip(activations) {
        let likelihood = likelihood.parse().unwrap();
        let config = VaeConfig { levels, likelihood, activation, ..VaeConfig::new(60, &[], 1) };
        let vae = Vae::<T>::new(config).unwrap();
        let params = vae.init(Init::Uniform, 3, None);
        for closed_form in [false, true].into_iter().filter(|c| !c || vae.has_closed_form_kl()) {
            let pass = |rows: &[usize]| pass(&vae, &params, &x.view(), rows, closed_form);
            let alone: Vec<_> = (0..ROWS).map(|row| pass(&[row]).remove(0)).collect();
            assert!(alone.windows(2).all(|pair| pair[0] != pair[1]), "rows differ");
            for part in PARTS {
                // In order, and shuffled: 131 is a prime.
                let shuffled: Vec<_> = part.clone().map(|row| row * 50 % ROWS).collect();
                for rows in [part.clone().collect(), shuffled] {
                    for (found, row) in pass(&rows).iter().zip(&rows) {
                        let levels = vae.config().levels.len();
                        assert!(
                            found == &alone[*row],
                            "{}, {levels} levels, row {row} of {part:?}",
                            T::NAME
                        );
                    }
                }
            }
        }
    }
}
