//! Products against their definition, to the last bit where it is known.

use super::*;
use crate::real::Real;
use crate::rng::{Address, Purpose};
use ndarray::Array2;

fn random<T: Real>(rows: usize, cols: usize, row: u64) -> Array2<T> {
    let mut a = Array2::zeros((rows, cols));
    Address::new(1, Purpose::Check).row(row).fill_normal(a.as_slice_mut().unwrap());
    a
}

/// Ragged and tiny sizes, plain and transposed operands, against the definition.
#[test]
fn products_follow_the_definition() {
    for (m, k, n) in
        [(1, 1, 1), (1, 7, 3), (5, 1, 2), (13, 17, 11), (64, 33, 5), (3, 300, 130), (1, 300, 130)]
    {
        let (a, b, bt) = (random::<f64>(m, k, 0), random::<f64>(k, n, 1), random::<f64>(n, k, 1));
        let c0 = random::<f64>(m, n, 2);
        let row = random::<f64>(1, n, 3).into_raw_vec_and_offset().0;
        for b in [b.view(), bt.t()] {
            for start in [Accum::Replace, Accum::Add, Accum::Row(&row)] {
                let mut c = c0.clone();
                matmul(&mut c.view_mut(), &a.view(), &b, start);
                for ((i, j), &got) in c.indexed_iter() {
                    let start = match start {
                        Accum::Replace => 0.0,
                        Accum::Add => c0[[i, j]],
                        Accum::Row(row) => row[j],
                    };
                    let want: f64 = start + (0..k).map(|l| a[[i, l]] * b[[l, j]]).sum::<f64>();
                    assert!((got - want).abs() < 1e-12 * k as f64, "{m} {k} {n}: {got} {want}");
                }
            }
        }
    }
}

/// One to nine rows, terms and columns, where a matrix of one row or column lies in rows as well as in
/// columns, and so many that zeros are looked for: both layouts of all three matrices, zeros anywhere.
#[test]
fn narrow_products_follow_the_definition() {
    fn check<T: Real>(tolerance: f64) {
        let sides = || (1..=9).chain([40]);
        for (m, k, n) in
            sides().flat_map(|m| sides().flat_map(move |k| sides().map(move |n| (m, k, n))))
        {
            for zeros in [[false, false], [true, false], [false, true]] {
                let thinned = |rows, columns, row, thin| {
                    let mut a = random::<T>(rows, columns, row);
                    let zeros = a.iter_mut().enumerate().filter(|(i, _)| thin && i % 7 != 3);
                    zeros.for_each(|(_, a)| *a = T::zero());
                    a
                };
                let [left, right] = zeros;
                let (a, at) = (thinned(m, k, 0, left), thinned(k, m, 0, left));
                let (b, bt) = (thinned(k, n, 1, right), thinned(n, k, 1, right));
                let (c, ct) = (random::<T>(m, n, 2), random::<T>(n, m, 2));
                let row = random::<T>(1, n, 3).into_raw_vec_and_offset().0;
                for layouts in 0..8 {
                    let a = if layouts & 1 == 0 { a.view() } else { at.t() };
                    let b = if layouts & 2 == 0 { b.view() } else { bt.t() };
                    let c0 = if layouts & 4 == 0 { c.view() } else { ct.t() };
                    for start in [Accum::Replace, Accum::Add, Accum::Row(&row)] {
                        let (mut c, mut ct) = (c.clone(), ct.clone());
                        let mut c = if layouts & 4 == 0 {
                            c.view_mut()
                        } else {
                            ct.view_mut().reversed_axes()
                        };
                        matmul(&mut c, &a, &b, start);
                        for ((i, j), got) in c.indexed_iter() {
                            let from = match start {
                                Accum::Replace => T::zero(),
                                Accum::Add => c0[[i, j]],
                                Accum::Row(row) => row[j],
                            };
                            let term = |l: usize| a[[i, l]].to_f64() * b[[l, j]].to_f64();
                            let want = from.to_f64() + (0..k).map(term).sum::<f64>();
                            let close = (got.to_f64() - want).abs() <= tolerance * (k + 1) as f64;
                            assert!(
                                close,
                                "[{m}, {k}]·[{k}, {n}], {zeros:?}, {layouts}, at {i} {j}: {got} {want}"
                            );
                        }
                    }
                }
            }
        }
    }
    check::<f32>(1e-6);
    check::<f64>(1e-14);
}

/// The same bits for any number of parts, for the layouts that forward and backward use.
#[test]
fn parts_do_not_change_a_bit() {
    fn check<T: Real>() {
        for (m, k, n) in
            [(128, 784, 400), (20, 200, 784), (400, 128, 784), (37, 600, 101), (2, 784, 400)]
        {
            let (a, at) = (random::<T>(m, k, 0), random::<T>(k, m, 1));
            let (b, bt) = (random::<T>(k, n, 2), random::<T>(n, k, 3));
            let c0 = random::<T>(m, n, 4);
            let row = random::<T>(1, n, 5).into_raw_vec_and_offset().0;
            for a in [a.view(), at.t()] {
                for b in [b.view(), bt.t()] {
                    for start in [Accum::Replace, Accum::Add, Accum::Row(&row)] {
                        let run = |parts| {
                            let mut c = c0.clone();
                            let (a, b) = (Operand::of(a).unwrap(), Operand::of(b).unwrap());
                            split(c.view_mut(), a, b, k, start, parts);
                            c
                        };
                        let whole = run(1);
                        for parts in [2, 3, 4, 7] {
                            assert!(run(parts) == whole, "{m} {k} {n} in {parts} parts");
                        }
                    }
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// The kernel's sums are chains of fused multiply–adds over 256 terms, each added to the output when
/// it is complete: by the definition, to the last bit, on every ragged size. Where the processor has
/// fused multiply–adds, `matrixmultiply` does the same.
#[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[test]
fn the_kernel_gives_the_bits_of_the_definition() {
    if !simd::has_vectors() {
        return eprintln!("skipped: no kernel for this processor");
    }
    let sides =
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 20, 23, 24, 25, 31, 33, 47, 49, 121];
    let mut sizes: Vec<[usize; 3]> = Vec::new();
    for m in sides {
        for n in sides.into_iter().chain([64, 100]) {
            sizes.push([m, [1, 2, 5, 8, 30, 257][(m + n) % 6], n]);
        }
    }
    sizes.extend([
        [128, 784, 40],
        [509, 20, 30],
        [250, 513, 17],
        [33, 256, 48],
        [1030, 3, 5],
        [1, 784, 400],
    ]);
    for size in sizes {
        check_bits(size, &[[false, false]], |_| true);
    }
}

/// Left out, the zeros of either side do not change a bit: all but two in 19, all but one, all.
#[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[test]
fn zeros_left_out_change_no_bit() {
    if !simd::has_vectors() {
        return eprintln!("skipped: no kernel for this processor");
    }
    const SIDES: [[bool; 2]; 3] = [[true, true], [true, false], [false, true]];
    for m in [8, 23, 90, 121, 505] {
        for n in [11, 64, 89, 203] {
            let k = [8, 30, 257, 513][(m + n) % 4];
            check_bits([m, k, n], &SIDES, |i| i * i % 19 == 4);
        }
    }
    check_bits([10, 300, 600], &SIDES, |i| i == 77);
    check_bits([20, 784, 130], &SIDES, |_| false);
}

/// Every layout and start; in the left and the right operand, as `sides` say, the i-th value is zero
/// unless `keep(i)`.
#[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn check_bits([m, k, n]: [usize; 3], sides: &[[bool; 2]], keep: impl Fn(usize) -> bool) {
    let thinned = |mut a: Array2<f32>, thin: bool| {
        let zeros = a.iter_mut().enumerate().filter(|(i, _)| thin && !keep(*i));
        zeros.for_each(|(i, a)| *a = if i % 2 == 0 { 0.0 } else { -0.0 });
        a
    };
    for &[left, right] in sides {
        let (a, at) = (thinned(random(m, k, 0), left), thinned(random(k, m, 1), left));
        let (b, bt) = (thinned(random(k, n, 2), right), thinned(random(n, k, 3), right));
        let c0 = random::<f32>(m, n, 4);
        let row = random::<f32>(1, n, 5).into_raw_vec_and_offset().0;
        for (a, b) in
            [(a.view(), b.view()), (at.t(), b.view()), (a.view(), bt.t()), (at.t(), bt.t())]
        {
            for start in [Accum::Replace, Accum::Add, Accum::Row(&row)] {
                let (mut c, mut plainly) = (c0.clone(), c0.clone());
                let (left, right) = (Operand::of(a).unwrap(), Operand::of(b).unwrap());
                kernel::gemm(c.view_mut(), left, right, k, start);
                plain(plainly.view_mut(), &a, &b, start);
                for ((i, j), &got) in c.indexed_iter() {
                    let mut want = match start {
                        Accum::Replace => 0.0,
                        Accum::Add => c0[[i, j]],
                        Accum::Row(row) => row[j],
                    };
                    for first in (0..k).step_by(256) {
                        let terms = first..k.min(first + 256);
                        want += terms.fold(0.0, |s, l| a[[i, l]].mul_add(b[[l, j]], s));
                    }
                    assert!(
                        got.to_bits() == want.to_bits(),
                        "[{m}, {k}]·[{k}, {n}] at {i} {j}: {got} {want}"
                    );
                    // On processors without, it rounds twice.
                    let close = (got - plainly[[i, j]]).abs() <= 1e-5 * k as f32;
                    assert!(close, "[{m}, {k}]·[{k}, {n}] at {i} {j}: {got} {}", plainly[[i, j]]);
                }
            }
        }
    }
}
