//! Run-time choice of the instruction set.
//!
//! A kernel is plain Rust in a closure. [`dispatch`] compiles that closure once for each [`Level`]
//! and calls the best one this processor has. No kernel uses an operation whose result depends on
//! the level (no fused multiply–add, sums in the fixed lanes of [`crate::math::map_sum`]), so all
//! levels give the same bits. So do products ([`crate::gemm`]) where the processor has fused
//! multiply–adds. `tests/precision/` holds them to it.
//!
//! Without the feature `simd` there is one level, the target's baseline (SSE2 on x86-64, NEON on
//! 64-bit ARM, where nothing better needs choosing).

use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Level {
    /// What the compiler may assume on every machine of the target.
    Portable = 1,
    /// x86-64-v3: AVX2 and its contemporaries.
    V3 = 2,
    /// x86-64-v4: AVX-512.
    V4 = 3,
}

/// The level forced by [`force`], or 0.
static FORCED: AtomicU8 = AtomicU8::new(0);

/// Makes every later [`dispatch`] of this process use `level`, or the best one again with `None`.
/// For tests and measurements; a level that the processor lacks falls back to the portable one.
pub fn force(level: Option<Level>) {
    FORCED.store(level.map_or(0, |l| l as u8), Ordering::Relaxed);
}

/// The levels that this processor and this build have, the portable one first.
pub fn available() -> Vec<Level> {
    [Level::Portable, Level::V3, Level::V4].into_iter().filter(|l| has(*l)).collect()
}

/// Whether this processor and this build have `level`.
fn has(level: Level) -> bool {
    match level {
        Level::Portable => true,
        #[cfg(all(feature = "simd", target_arch = "x86_64"))]
        Level::V3 => pulp::x86::V3::is_available(),
        #[cfg(all(feature = "simd", target_arch = "x86_64"))]
        Level::V4 => pulp::x86::V4::is_available(),
        #[cfg(not(all(feature = "simd", target_arch = "x86_64")))]
        _ => false,
    }
}

/// The level that [`dispatch`] uses: the best one there is, or the one that [`force`] asks for.
#[inline]
pub fn level() -> Level {
    let forced = FORCED.load(Ordering::Relaxed);
    let wanted = |level: &Level| (forced == 0 || forced == *level as u8) && has(*level);
    [Level::V4, Level::V3].into_iter().find(wanted).unwrap_or(Level::Portable)
}

/// Runs `kernel`, compiled for the best level.
///
/// The closure and every closure inside it must be marked `#[inline(always)]`, as the functions of
/// [`crate::math`] are: what is not inlined keeps the baseline's instructions.
#[inline(always)]
pub fn dispatch<R>(kernel: impl FnOnce() -> R) -> R {
    #[cfg(all(feature = "simd", target_arch = "x86_64"))]
    match level() {
        Level::V4 => {
            if let Some(simd) = pulp::x86::V4::try_new() {
                return simd.vectorize(kernel);
            }
        }
        Level::V3 => {
            if let Some(simd) = pulp::x86::V3::try_new() {
                return simd.vectorize(kernel);
            }
        }
        Level::Portable => {}
    }
    kernel()
}

/// Whether [`run`] has something to run on.
#[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn has_vectors() -> bool {
    cfg!(target_arch = "aarch64") || level() != Level::Portable
}

/// Runs a kernel that is written in vectors, at the best level.
///
/// # Panics
/// If there are none ([`has_vectors`]).
#[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn run<Op: pulp::WithSimd>(op: Op) -> Op::Output {
    use pulp::Simd;
    const LOST: &str = "the level was found to be there";
    #[cfg(target_arch = "x86_64")]
    return match level() {
        Level::V4 => Simd::vectorize(pulp::x86::V4::try_new().expect(LOST), op),
        Level::V3 => Simd::vectorize(pulp::x86::V3::try_new().expect(LOST), op),
        Level::Portable => panic!("vectors need at least AVX2"),
    };
    #[cfg(target_arch = "aarch64")]
    Simd::vectorize(pulp::aarch64::Neon::try_new().expect(LOST), op)
}
