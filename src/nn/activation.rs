//! Elementwise nonlinearities.
//!
//! ```text
//! Shapes    a, h, d_a, d_h: any, all alike (pre-activation, activation, and their gradients)
//! Forward   h = f(a)
//! Backward  h_i depends on a_i alone, so by the chain rule
//!             d_a_i = d_h_i · f′(a_i)
//!
//!           f           f(a)                 f′(a), from a or from h, whichever is cheaper
//!           relu        max(a, 0)            1 if h > 0, else 0    h > 0 where a > 0
//!           leaky-relu  max(a, 0.01·a)       1 if h > 0, else 0.01
//!           tanh        tanh a               1 − h²
//!           sigmoid     σ(a)                 h (1 − h)             σ′ = e⁻ᵃ/(1+e⁻ᵃ)² = σ(1 − σ)
//!           softplus    ln(1 + eᵃ)           σ(a)
//!           silu        a σ(a)               σ(a) + h (1 − σ(a))   product rule, then σ′ as above
//!           gelu        a Φ(a)               Φ(a) + a φ(a)         Φ′ = φ
//!           with Φ(a) = ½ erfc(−a/√2), φ(a) = exp(−a²/2)/√(2π)
//! Numerics  At a kink (a = 0 of relu and leaky-relu) the derivative from the left is taken, as
//!           PyTorch does. σ and softplus use the forms of `crate::math`, which cannot overflow.
//!           1 + erf cancels where Φ is small; erfc does not.
//! Source    silu and gelu: Hendrycks & Gimpel 2016, arXiv:1606.08415 (the exact form)
//! ```

use crate::error::{Error, Result};
use crate::math;
use crate::parallel::{self, RowsMut};
use crate::real::Real;
use crate::simd;

/// Slope of leaky-relu for negative inputs, PyTorch's default.
const LEAK: f64 = 0.01;

/// An elementwise nonlinearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(a, 0)
    Relu,
    /// max(a, 0.01·a)
    LeakyRelu,
    /// tanh a
    Tanh,
    /// 1/(1 + e⁻ᵃ)
    Sigmoid,
    /// ln(1 + eᵃ)
    Softplus,
    /// a·σ(a)
    Silu,
    /// a·Φ(a), exact
    Gelu,
}

impl Activation {
    /// Every activation there is.
    pub const ALL: [Activation; 7] = [
        Activation::Relu,
        Activation::LeakyRelu,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Softplus,
        Activation::Silu,
        Activation::Gelu,
    ];

    /// Its name on the command line and in the model file.
    pub fn name(self) -> &'static str {
        match self {
            Activation::Relu => "relu",
            Activation::LeakyRelu => "leaky-relu",
            Activation::Tanh => "tanh",
            Activation::Sigmoid => "sigmoid",
            Activation::Softplus => "softplus",
            Activation::Silu => "silu",
            Activation::Gelu => "gelu",
        }
    }

    /// Whether f′ jumps at a = 0, where a finite difference would average the two sides.
    pub fn has_kink(self) -> bool {
        matches!(self, Activation::Relu | Activation::LeakyRelu)
    }

    /// Whether f′ needs a. The others have it from h alone, so that h may take the place of a, and the
    /// backward pass be given h for both.
    pub fn keeps_input(self) -> bool {
        matches!(self, Activation::Softplus | Activation::Silu | Activation::Gelu)
    }

    /// `h ← f(a)`, elementwise.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn forward<T: Real>(self, h: &mut [T], a: &[T]) {
        h.copy_from_slice(a);
        self.forward_in_place(h);
    }

    /// `h ← f(h)`, elementwise.
    pub fn forward_in_place<T: Real>(self, h: &mut [T]) {
        let (zero, leak) = (T::zero(), T::from_f64(LEAK));
        match self {
            // 0 is added because the compiler else writes only the values that change, which costs five
            // times as much.
            Activation::Relu => map(PLAIN, h, |a| a.max(zero) + zero),
            Activation::LeakyRelu => map(PLAIN, h, |a| a.max(a * leak) + zero),
            Activation::Tanh => map(ELEMENTARY, h, |a| a.tanh()),
            Activation::Sigmoid => map(ELEMENTARY, h, math::sigmoid),
            Activation::Softplus => map(ELEMENTARY, h, math::softplus),
            Activation::Silu => map(ELEMENTARY, h, |a| a * math::sigmoid(a)),
            Activation::Gelu => map(ELEMENTARY, h, |a| a * normal_cdf(a)),
        }
    }

    /// `d ← d · f′(a)`, elementwise: turns d_h into d_a in place. `h` is what forward wrote; `a` may be h
    /// too, except where [`Self::keeps_input`].
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn backward<T: Real>(self, d: &mut [T], a: &[T], h: &[T]) {
        assert!(
            d.len() == a.len() && d.len() == h.len(),
            "activation: gradient, input and output differ in length"
        );
        let (zero, one, leak) = (T::zero(), T::one(), T::from_f64(LEAK));
        match self {
            // The same here: d minus a choice is faster than a choice between d and 0.
            Activation::Relu => {
                change(PLAIN, d, a, h, |d, _, h| d - if h > zero { zero } else { d })
            }
            Activation::LeakyRelu => {
                change(PLAIN, d, a, h, |d, _, h| if h > zero { d } else { d * leak })
            }
            Activation::Tanh => change(PLAIN, d, a, h, |d, _, h| d * (one - h * h)),
            Activation::Sigmoid => change(PLAIN, d, a, h, |d, _, h| d * (h * (one - h))),
            Activation::Softplus => change(ELEMENTARY, d, a, h, |d, a, _| d * math::sigmoid(a)),
            Activation::Silu => change(ELEMENTARY, d, a, h, |d, a, h| {
                let s = math::sigmoid(a);
                d * (s + h * (one - s))
            }),
            Activation::Gelu => {
                change(ELEMENTARY, d, a, h, |d, a, _| d * (normal_cdf(a) + a * normal_pdf(a)));
            }
        }
    }
}

impl std::str::FromStr for Activation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Activation::ALL.into_iter().find(|a| a.name() == text).ok_or_else(|| {
            let names = Activation::ALL.map(Activation::name).join(", ");
            Error::setting("activation", format!("`{text}` is unknown; known are {names}"))
        })
    }
}

/// Φ(a), the standard normal's distribution function.
#[inline(always)]
fn normal_cdf<T: Real>(a: T) -> T {
    T::from_f64(0.5) * (a * T::from_f64(-std::f64::consts::FRAC_1_SQRT_2)).erfc()
}

/// φ(a), the standard normal's density.
#[inline(always)]
fn normal_pdf<T: Real>(a: T) -> T {
    T::from_f64((-0.5 * math::LN_2PI).exp()) * (T::from_f64(-0.5) * a * a).exp()
}

/// Rough cost of a few additions and of an elementary function, in additions, for the decision to use a
/// second thread.
const PLAIN: usize = 1;
const ELEMENTARY: usize = 12;

/// `h ← f(h)`
#[inline(always)]
fn map<T: Real>(cost: usize, h: &mut [T], f: impl Fn(T) -> T + Sync) {
    let n = h.len();
    parallel::rows(RowsMut::new(h, 1), n, cost, &|_, _, part| {
        simd::dispatch(
            #[inline(always)]
            || part.into_slice().iter_mut().for_each(|h| *h = f(*h)),
        );
    });
}

/// `d ← f(d, a, h)`
#[inline(always)]
fn change<T: Real>(cost: usize, d: &mut [T], a: &[T], h: &[T], f: impl Fn(T, T, T) -> T + Sync) {
    let n = d.len();
    parallel::rows(RowsMut::new(d, 1), n, cost, &|first, count, part| {
        let (d, a, h) = (part.into_slice(), &a[first..first + count], &h[first..first + count]);
        simd::dispatch(
            #[inline(always)]
            || d.iter_mut().zip(a).zip(h).for_each(|((d, &a), &h)| *d = f(*d, a, h)),
        );
    });
}
