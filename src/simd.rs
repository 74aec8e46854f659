//! Run-time choice of the instruction set.
//!
//! A kernel is plain Rust in a closure. [`dispatch`] compiles that closure once for each [`Isa`] and
//! calls the best one this processor has. No kernel uses an operation whose result depends on the
//! instruction set (no fused multiply–add, sums in the fixed lanes of [`crate::math::map_sum`]), so all
//! give the same bits. So do products ([`crate::gemm`]) where the processor has fused
//! multiply–adds. `tests/precision/` holds them to it.
//!
//! Without the feature `simd` there is one, the target's baseline (SSE2 on x86-64, NEON on
//! 64-bit ARM, where nothing better needs choosing).

use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Isa {
    /// What the compiler may assume on every machine of the target.
    Portable = 1,
    /// x86-64-v3: AVX2 and its contemporaries.
    V3 = 2,
    /// x86-64-v4: AVX-512.
    V4 = 3,
}

/// The one forced by [`force`], or 0.
static FORCED: AtomicU8 = AtomicU8::new(0);

/// Makes every later [`dispatch`] of this process use `isa`, or the best one again with `None`. For tests
/// and measurements; one that the processor lacks falls back to the portable one.
pub fn force(isa: Option<Isa>) {
    FORCED.store(isa.map_or(0, |isa| isa as u8), Ordering::Relaxed);
}

/// Those that this processor and this build have, the portable one first.
pub fn available() -> Vec<Isa> {
    [Isa::Portable, Isa::V3, Isa::V4].into_iter().filter(|isa| has(*isa)).collect()
}

/// Whether this processor and this build have `isa`.
fn has(isa: Isa) -> bool {
    match isa {
        Isa::Portable => true,
        #[cfg(all(feature = "simd", target_arch = "x86_64"))]
        Isa::V3 => pulp::x86::V3::is_available(),
        #[cfg(all(feature = "simd", target_arch = "x86_64"))]
        Isa::V4 => pulp::x86::V4::is_available(),
        #[cfg(not(all(feature = "simd", target_arch = "x86_64")))]
        _ => false,
    }
}

/// The one that [`dispatch`] uses: the best one there is, or the one that [`force`] asks for.
#[inline]
pub fn isa() -> Isa {
    let forced = FORCED.load(Ordering::Relaxed);
    let wanted = |isa: &Isa| (forced == 0 || forced == *isa as u8) && has(*isa);
    [Isa::V4, Isa::V3].into_iter().find(wanted).unwrap_or(Isa::Portable)
}

/// Runs `kernel`, compiled for the best instruction set.
///
/// The closure and every closure inside it must be marked `#[inline(always)]`, as the functions of
/// [`crate::math`] are: what is not inlined keeps the baseline's instructions.
#[inline(always)]
pub fn dispatch<R>(kernel: impl FnOnce() -> R) -> R {
    #[cfg(all(feature = "simd", target_arch = "x86_64"))]
    match isa() {
        Isa::V4 => {
            if let Some(simd) = pulp::x86::V4::try_new() {
                return simd.vectorize(kernel);
            }
        }
        Isa::V3 => {
            if let Some(simd) = pulp::x86::V3::try_new() {
                return simd.vectorize(kernel);
            }
        }
        Isa::Portable => {}
    }
    kernel()
}

/// Whether [`run`] has something to run on.
#[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn has_vectors() -> bool {
    cfg!(target_arch = "aarch64") || isa() != Isa::Portable
}

/// Runs a kernel that is written in vectors, for the best instruction set.
///
/// # Panics
/// If there are none ([`has_vectors`]).
#[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn run<Op: pulp::WithSimd>(op: Op) -> Op::Output {
    use pulp::Simd;
    const LOST: &str = "it was found to be there";
    #[cfg(target_arch = "x86_64")]
    return match isa() {
        Isa::V4 => Simd::vectorize(pulp::x86::V4::try_new().expect(LOST), op),
        Isa::V3 => Simd::vectorize(pulp::x86::V3::try_new().expect(LOST), op),
        Isa::Portable => panic!("vectors need at least AVX2"),
    };
    #[cfg(target_arch = "aarch64")]
    Simd::vectorize(pulp::aarch64::Neon::try_new().expect(LOST), op)
}
