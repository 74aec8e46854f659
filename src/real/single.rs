//! Single-precision elementary functions as straight-line arithmetic.
//!
//! No branch, no table, no call, no fused multiply–add: a loop over them compiles to SIMD code at
//! every instruction set, and gives the same bits with all of them. The tests below measure the error against
//! `f64` over the whole range.
//!
//! | function | method | largest error |
//! |---|---|---|
//! | [`exp`] | x = n ln 2 + r, \|r\| ≤ ½ ln 2; Taylor to r⁷; scaling by exponent bits | 1.1 ulp |
//! | [`ln`] | x = 2ⁿ(1 + f), √½ ≤ 1 + f < √2; f − s (f − 2s²/3 − 2s⁴/5 − …) with s = f/(2+f), \|s\| ≤ 0.172 | 1 ulp |
//! | [`ln_1p_unit`] | ln(1+t) = 2 artanh(t/(2+t)), odd series in s = t/(2+t) ≤ ⅓ | 2 ulp |
//! | [`tanh`] | \|x\| < 0.55: odd series; else 1 − 2/(e²ˣ + 1) | 2.5 ulp |

/// eˣ. Gives 0 below −104 and +∞ above 88.73; NaN stays NaN.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // ln 2 in two parts; the high one has few enough bits that n·LN2_HI is exact for |n| < 2¹¹.
    const LN2_HI: f32 = 355.0 / 512.0;
    const LN2_LO: f32 = -2.121_944_4e-4;
    // Adding 1.5·2²³ leaves no fraction bits: the sum is rounded to an integer, which then sits in
    // the low bits of the mantissa. Works with every instruction set, unlike a rounding instruction.
    const ROUND: f32 = 12_582_912.0;

    // Beyond these the result is 0 or ∞ anyway. Comparisons are false for NaN, which so passes through.
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -105.0 { -105.0 } else { x };
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HI) - n * LN2_LO;
    // eʳ = 1 + r + r²·(1/2! + r/3! + … + r⁵/7!), in pairs (Estrin's scheme): the processor does not have to
    // wait for one product after the other.
    let r2 = r * r;
    let low = 0.5 + r * (1.0 / 6.0);
    let middle = 1.0 / 24.0 + r * (1.0 / 120.0);
    let high = 1.0 / 720.0 + r * (1.0 / 5040.0);
    let p = low + r2 * (middle + r2 * high);
    let e = (p * r2 + r) + 1.0;
    // 2ⁿ in two factors, so that neither overflows (n = 128) nor is subnormal (n < −126) by itself.
    let n = shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    let half = n >> 1;
    e * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// 2ⁿ for −126 ≤ n ≤ 127, by writing the exponent's bits.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// ln x. −∞ at 0, NaN below; NaN stays NaN.
///
/// With x = 2ⁿ(1+f): ln x = n ln 2 + 2 artanh s, 2 artanh s = 2s + 2s³/3 + 2s⁵/5 + …, s = f/(2+f). f is exact, so
/// that the digits near x = 1 are all there.
#[inline(always)]
pub(super) fn ln(x: f32) -> f32 {
    const LN2_HI: f32 = 355.0 / 512.0; // as in `exp`: n·LN2_HI is exact
    const LN2_LO: f32 = -2.121_944_4e-4;
    const HALF_ROOT: u32 = 0x3f35_04f3; // the bits of √½
    // Subnormal numbers have no exponent of their own; 2²³ lends them one.
    let is_tiny = x < f32::MIN_POSITIVE;
    let lifted = if is_tiny { x * 8_388_608.0 } else { x };
    let n = (lifted.to_bits().wrapping_sub(HALF_ROOT) as i32) >> 23;
    let f = f32::from_bits(lifted.to_bits().wrapping_sub((n as u32) << 23)) - 1.0;
    let n = n.wrapping_sub(if is_tiny { 23 } else { 0 }) as f32;
    let s = f / (2.0 + f);
    let q = s * s;
    let p = 1.0 / 9.0;
    let p = p * q + 1.0 / 7.0;
    let p = p * q + 1.0 / 5.0;
    let p = p * q + 1.0 / 3.0;
    let r = q * p;
    // 2s = f − s f, in which f has all its digits.
    let ln = n * LN2_HI + (f - (s * (f - (r + r)) - n * LN2_LO));
    let ln = if x > f32::MAX { x } else { ln };
    let ln = if x == 0.0 { f32::NEG_INFINITY } else { ln };
    let is_number = x >= 0.0;
    if is_number { ln } else { f32::NAN }
}

/// ln(1 + t) for t in [0, 1].
///
/// ln(1+t) = 2 artanh s = 2s (1 + s²/3 + s⁴/5 + …) with s = t/(2+t) ≤ 1/3, so the series gains
/// a digit a term and ends after s¹⁴.
#[inline(always)]
pub(super) fn ln_1p_unit(t: f32) -> f32 {
    let s = t / (2.0 + t);
    let q = s * s;
    let p = 1.0 / 15.0;
    let p = p * q + 1.0 / 13.0;
    let p = p * q + 1.0 / 11.0;
    let p = p * q + 1.0 / 9.0;
    let p = p * q + 1.0 / 7.0;
    let p = p * q + 1.0 / 5.0;
    let p = p * q + 1.0 / 3.0;
    let s2 = s + s;
    s2 + s2 * q * p
}

/// tanh x.
///
/// Near 0 the quotient would lose relative accuracy to cancellation, so the Taylor series
/// x − x³/3 + 2x⁵/15 − … stands in; both are computed and one is selected, which SIMD prefers.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let a = x.abs();
    let q = x * x;
    let p = 929_569.0 / 638_512_875.0;
    let p = p * q - 21_844.0 / 6_081_075.0;
    let p = p * q + 1382.0 / 155_925.0;
    let p = p * q - 62.0 / 2835.0;
    let p = p * q + 17.0 / 315.0;
    let p = p * q - 2.0 / 15.0;
    let p = p * q + 1.0 / 3.0;
    let small = x - x * q * p;
    let large = (1.0 - 2.0 / (exp(a + a) + 1.0)).copysign(x);
    if a < 0.55 { small } else { large }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest |f(x) − exact| in units of the last place of the exact result, over every
    /// `stride`-th float from `from` to `to`.
    fn worst_ulp(
        from: f32,
        to: f32,
        stride: usize,
        f: fn(f32) -> f32,
        exact: fn(f64) -> f64,
    ) -> (f64, f32) {
        let mut worst = (0.0, from);
        for bits in (from.to_bits()..=to.to_bits()).step_by(stride) {
            let x = f32::from_bits(bits);
            let want = exact(x as f64);
            // Below the smallest normal number the spacing stays that of the subnormals.
            let magnitude = (want.abs() as f32).max(f32::MIN_POSITIVE);
            let ulp = (f32::from_bits(magnitude.to_bits() + 1) - magnitude) as f64;
            let error = (f(x) as f64 - want).abs() / ulp;
            if error > worst.0 {
                worst = (error, x);
            }
        }
        worst
    }

    #[test]
    fn exp_is_accurate_everywhere() {
        for (from, to) in [(0.0, 88.72), (-0.0, -103.9)] {
            let (ulp, x) = worst_ulp(from, to, 997, exp, f64::exp);
            assert!(ulp <= 1.1, "{ulp} ulp at {x}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-1e4), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(89.0), f32::INFINITY);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn ln_is_accurate_everywhere() {
        for (from, to) in [(1e-45, f32::MIN_POSITIVE), (f32::MIN_POSITIVE, f32::MAX), (0.7, 1.42)] {
            let (ulp, x) = worst_ulp(from, to, 997, ln, f64::ln);
            assert!(ulp <= 1.0, "{ulp} ulp at {x}");
        }
        assert_eq!(ln(1.0), 0.0);
        assert_eq!((ln(0.0), ln(-0.0)), (f32::NEG_INFINITY, f32::NEG_INFINITY));
        assert_eq!(ln(f32::INFINITY), f32::INFINITY);
        assert!([f32::NAN, -1e-45, -1.0, f32::NEG_INFINITY].iter().all(|x| ln(*x).is_nan()));
    }

    #[test]
    fn ln_1p_is_accurate_on_the_unit_interval() {
        let (ulp, x) = worst_ulp(0.0, 1.0, 997, ln_1p_unit, f64::ln_1p);
        assert!(ulp <= 2.0, "{ulp} ulp at {x}");
        assert_eq!(ln_1p_unit(0.0), 0.0);
    }

    #[test]
    fn tanh_is_accurate_everywhere() {
        for (from, to) in [(0.0, 20.0), (-0.0, -20.0)] {
            let (ulp, x) = worst_ulp(from, to, 997, tanh, f64::tanh);
            assert!(ulp <= 2.5, "{ulp} ulp at {x}");
        }
        assert_eq!(tanh(1e4), 1.0);
        assert_eq!(tanh(f32::NEG_INFINITY), -1.0);
        assert!(tanh(f32::NAN).is_nan());
    }
}
