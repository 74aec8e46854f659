//! Elementary functions in `f64` that are the same bits on every machine: nothing in them but additions, products,
//! quotients and comparisons, which IEEE 754 rounds correctly, in an order that is written here.
//!
//! The standard library's are those of the platform, and may differ in the last bit. Where a bit decides which symbol a
//! codec reads, that bit is the difference between the data and noise.
//!
//! | function | method | error |
//! |---|---|---|
//! | [`exp`] | x = n ln 2 + r, \|r\| ≤ ½ ln 2; Taylor to r¹³; scaling by exponent bits | 1 ulp |
//! | [`exp_m1`] | the same series without its 1 for \|x\| ≤ ½ ln 2, else eˣ − 1 | 3 ulp |
//! | [`ln`] | x = 2ⁿ(1 + f), √½ ≤ 1 + f < √2; f − s (f − 2s²/3 − 2s⁴/5 − …) with s = f/(2 + f), \|s\| ≤ 0.172 | 1 ulp |
//! | [`ln_1p`] | the same with f = x where 1 + x lies there, else ln(1 + x) | 2 ulp |
//! | [`sigmoid`] | as [`super::sigmoid`] | 3 ulp |
//!
//! `real/single.rs` has their single-precision sisters, which are as portable.

/// ln 2 in two parts; the high one has 30 bits, so that its products with whole numbers below 2²³ are exact.
const LN2_HI: f64 = 744_261_118.0 / 1_073_741_824.0;
const LN2_LO: f64 = -4.200_915_072_681_084_6e-11;

/// eʳ − 1 − r over r², for |r| ≤ ½ ln 2.
#[inline(always)]
fn rest_of_exp(r: f64) -> f64 {
    // Σ rⁿ/(n + 2)!, n = 0 … 11, in pairs (Estrin's scheme): the processor does not have to wait for one product after
    // the other.
    let (r2, pair) = (r * r, |even: f64, odd: f64| even + r * odd);
    let r4 = r2 * r2;
    let low = pair(0.5, 1.0 / 6.0) + r2 * pair(1.0 / 24.0, 1.0 / 120.0);
    let middle = pair(1.0 / 720.0, 1.0 / 5040.0) + r2 * pair(1.0 / 40_320.0, 1.0 / 362_880.0);
    let high = pair(1.0 / 3_628_800.0, 1.0 / 39_916_800.0)
        + r2 * pair(1.0 / 479_001_600.0, 1.0 / 6_227_020_800.0);
    low + r4 * (middle + r4 * high)
}

/// eˣ. Gives 0 below −745.2 and +∞ above 709.8; NaN stays NaN.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    /// Adding 1.5·2⁵² leaves no fraction bits: the sum is rounded to a whole number, which then sits in its low bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    // Beyond these the result is 0 or ∞ anyway. Comparisons are false for NaN, which so passes through.
    let x = if x > 710.0 { 710.0 } else { x };
    let x = if x < -746.0 { -746.0 } else { x };
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HI) - n * LN2_LO;
    let e = 1.0 + (r + r * r * rest_of_exp(r));
    // 2ⁿ in two factors, so that neither overflows nor is subnormal by itself.
    let n = shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i64;
    let half = n >> 1;
    e * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// 2ⁿ for −1022 ≤ n ≤ 1023, by writing the exponent's bits.
#[inline(always)]
fn power_of_two(n: i64) -> f64 {
    f64::from_bits((n.wrapping_add(1023) as u64) << 52)
}

/// eˣ − 1
#[inline]
pub fn exp_m1(x: f64) -> f64 {
    if x.abs() <= 0.5 * std::f64::consts::LN_2 { x + x * x * rest_of_exp(x) } else { exp(x) - 1.0 }
}

/// ln(1 + f) for √½ ≤ 1 + f ≤ √2, and what is below the last digit of `f`.
#[inline(always)]
fn ln_near_one(f: f64, low: f64) -> f64 {
    // 1/(2k + 1) for k = 11 … 1
    const SERIES: [f64; 11] = [
        1.0 / 23.0,
        1.0 / 21.0,
        1.0 / 19.0,
        1.0 / 17.0,
        1.0 / 15.0,
        1.0 / 13.0,
        1.0 / 11.0,
        1.0 / 9.0,
        1.0 / 7.0,
        1.0 / 5.0,
        1.0 / 3.0,
    ];
    let s = f / (2.0 + f);
    let q = s * s;
    let mut sum = 0.0;
    for term in SERIES {
        sum = sum * q + term;
    }
    let r = q * sum;
    // 2s = f − s f, in which f has all its digits.
    f - (s * (f - (r + r)) - low)
}

/// ln x. −∞ at 0, NaN below; NaN stays NaN.
#[inline]
pub fn ln(x: f64) -> f64 {
    const HALF_ROOT: u64 = 0x3fe6_a09e_667f_3bcd; // the bits of √½
    if x.is_nan() || x <= 0.0 {
        return if x == 0.0 { f64::NEG_INFINITY } else { f64::NAN };
    }
    if x > f64::MAX {
        return x;
    }
    // Subnormal numbers have no exponent of their own; 2⁵⁴ lends them one.
    let is_tiny = x < f64::MIN_POSITIVE;
    let lifted = if is_tiny { x * 18_014_398_509_481_984.0 } else { x };
    let n = (lifted.to_bits().wrapping_sub(HALF_ROOT) as i64) >> 52;
    let f = f64::from_bits(lifted.to_bits().wrapping_sub((n as u64) << 52)) - 1.0;
    let n = (n - if is_tiny { 54 } else { 0 }) as f64;
    n * LN2_HI + ln_near_one(f, n * LN2_LO)
}

/// ln(1 + x)
#[inline]
pub fn ln_1p(x: f64) -> f64 {
    if (-0.29..=0.41).contains(&x) { ln_near_one(x, 0.0) } else { ln(1.0 + x) }
}

/// 1/(1 + e⁻ˣ)
#[inline(always)]
pub fn sigmoid(x: f64) -> f64 {
    let e = exp(-x.abs());
    (if x < 0.0 { e } else { 1.0 }) / (1.0 + e)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the platform's, over the whole range, ends and all.
    #[test]
    fn they_are_the_functions_that_they_are() {
        let check = |f: fn(f64) -> f64, exact: fn(f64) -> f64, x: f64, ulps: f64| {
            let (found, want) = (f(x), exact(x));
            let ulp = want.abs().max(f64::MIN_POSITIVE) * f64::EPSILON;
            // Half an ulp or so is the platform's own.
            assert!(
                found == want || (found - want).abs() <= ulps * ulp,
                "{x:e}: {found:e} {want:e}"
            );
        };
        for i in 0..200_000 {
            let u = f64::from(i) / 200_000.0;
            check(exp, f64::exp, 1454.0 * u - 745.0, 1.5);
            check(exp_m1, f64::exp_m1, 80.0 * u - 40.0, 3.5);
            check(exp_m1, f64::exp_m1, 2.0 * u - 1.0, 3.5);
            check(ln, f64::ln, 10f64.powf(630.0 * u - 323.0), 1.5);
            check(ln, f64::ln, 0.5 + u, 1.5);
            check(ln_1p, f64::ln_1p, 3.0 * u - 0.999, 2.5);
            check(ln_1p, f64::ln_1p, 10f64.powf(-40.0 * u), 2.5);
            check(sigmoid, |x| 1.0 / (1.0 + (-x).exp()), 80.0 * u - 40.0, 3.5);
        }
        assert_eq!([exp(0.0), exp(-1e9), exp(f64::NEG_INFINITY)], [1.0, 0.0, 0.0]);
        assert_eq!([exp(1e9), exp(f64::INFINITY), ln(f64::INFINITY)], [f64::INFINITY; 3]);
        assert_eq!(
            (ln(1.0), ln(0.0), ln_1p(0.0), exp_m1(-0.0)),
            (0.0, f64::NEG_INFINITY, 0.0, 0.0)
        );
        assert!([exp(f64::NAN), ln(f64::NAN), ln(-1.0), ln_1p(-2.0)].iter().all(|v| v.is_nan()));
    }

    /// Known answers: whoever changes a bit changes what archives mean.
    #[test]
    fn their_bits_are_known() {
        let bits = |f: fn(f64) -> f64, scale: f64| {
            (1..1000).fold(0u64, |hash, i| {
                let x = f(scale * (f64::from(i) * 0.618_033_988_749).fract());
                (hash.rotate_left(5) ^ x.to_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            })
        };
        let found = [
            bits(exp, -40.0),
            bits(exp_m1, 1.0),
            bits(ln, 1e6),
            bits(ln_1p, 1.0),
            bits(sigmoid, -9.0),
        ];
        assert_eq!(found, KNOWN, "{found:#018x?}");
    }

    const KNOWN: [u64; 5] = [
        0xb639_399e_7efc_db4f,
        0xc2c3_f1c8_82c2_0e85,
        0x5556_4f3a_01b0_24fe,
        0x9064_7dd9_6993_7ae5,
        0xc6e7_3f1b_37b2_04a4,
    ];
}
