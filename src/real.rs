//! The numbers a model computes with: `f32` for speed, `f64` for proofs.
//!
//! Everything else is written once, for any [`Real`]; only the products below it ([`crate::gemm`]) know of
//! concrete numeric types too.

mod single;

use crate::gemm::Scalar;
use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{AddAssign, DivAssign, MulAssign, Neg, SubAssign};

/// A real floating-point number.
///
/// The elementary functions here are the ones that kernels call in their inner loops. For `f32`
/// they are branch-free polynomials that the compiler turns into SIMD code (`real/single.rs` states
/// their accuracy); for `f64` they are the standard library's and libm's.
pub trait Real:
    Scalar
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Sum
    + PartialOrd
    + Default
    + Debug
    + Display
{
    /// The type's name in model files, `"F32"` or `"F64"`.
    const NAME: &'static str;
    /// Distance from 1 to the next larger number.
    const EPSILON: Self;
    /// The smallest number with all its digits; those below it are subnormal.
    const MIN_POSITIVE: Self;
    /// The largest number.
    const MAX: Self;
    /// Minus infinity.
    const NEG_INFINITY: Self;

    /// The nearest number of this type.
    fn from_f64(x: f64) -> Self;
    /// The same number as `f64`, exactly.
    fn to_f64(self) -> f64;
    /// `self` if it is not below `other`, otherwise `other`.
    fn max(self, other: Self) -> Self;
    /// |x|
    fn abs(self) -> Self;
    /// √x
    fn sqrt(self) -> Self;
    /// eˣ
    fn exp(self) -> Self;
    /// ln x
    fn ln(self) -> Self;
    /// ln(1 + t) for 0 ≤ t ≤ 1, the only range that the kernels need.
    fn ln_1p_unit(self) -> Self;
    /// tanh x
    fn tanh(self) -> Self;
    /// 1 − erf x, accurate where erf x is close to 1
    fn erfc(self) -> Self;
    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// Not a number.
    fn is_nan(self) -> bool;
    /// Appends the number's bytes, the lowest first.
    fn write_le(self, out: &mut Vec<u8>);
    /// The number with these bytes, the lowest first.
    ///
    /// # Panics
    /// If there are more or fewer bytes than the type has.
    fn read_le(bytes: &[u8]) -> Self;
}

macro_rules! shared_methods {
    ($t:ty) => {
        const EPSILON: Self = <$t>::EPSILON;
        const MIN_POSITIVE: Self = <$t>::MIN_POSITIVE;
        const MAX: Self = <$t>::MAX;
        const NEG_INFINITY: Self = <$t>::NEG_INFINITY;
        #[inline(always)]
        fn from_f64(x: f64) -> Self {
            x as $t
        }
        #[inline(always)]
        fn to_f64(self) -> f64 {
            self as f64
        }
        // Written out instead of `<$t>::max`: one instruction, and NaN in `self` stays NaN.
        #[inline(always)]
        fn max(self, other: Self) -> Self {
            if self < other { other } else { self }
        }
        #[inline(always)]
        fn abs(self) -> Self {
            <$t>::abs(self)
        }
        #[inline(always)]
        fn sqrt(self) -> Self {
            <$t>::sqrt(self)
        }
        #[inline(always)]
        fn is_finite(self) -> bool {
            <$t>::is_finite(self)
        }
        #[inline(always)]
        fn is_nan(self) -> bool {
            <$t>::is_nan(self)
        }
        fn write_le(self, out: &mut Vec<u8>) {
            out.extend_from_slice(&self.to_le_bytes());
        }
        fn read_le(bytes: &[u8]) -> Self {
            <$t>::from_le_bytes(bytes.try_into().expect("as many bytes as the type has"))
        }
    };
}

impl Real for f32 {
    const NAME: &'static str = "F32";
    shared_methods!(f32);
    #[inline(always)]
    fn exp(self) -> Self {
        single::exp(self)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        single::ln(self)
    }
    #[inline(always)]
    fn ln_1p_unit(self) -> Self {
        single::ln_1p_unit(self)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        single::tanh(self)
    }
    #[inline(always)]
    fn erfc(self) -> Self {
        libm::erfcf(self)
    }
}

impl Real for f64 {
    const NAME: &'static str = "F64";
    shared_methods!(f64);
    #[inline(always)]
    fn exp(self) -> Self {
        f64::exp(self)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        f64::ln(self)
    }
    #[inline(always)]
    fn ln_1p_unit(self) -> Self {
        f64::ln_1p(self)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        f64::tanh(self)
    }
    #[inline(always)]
    fn erfc(self) -> Self {
        libm::erfc(self)
    }
}
