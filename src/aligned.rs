//! Buffers that start where a line of the cache starts.
//!
//! A vector of values that lies across two lines is loaded twice, and the system's allocator puts large
//! buffers sixteen bytes behind the start of a line: every second vector of AVX2 then does, and
//! every one of AVX-512.

use ndarray::LinalgScalar;
use std::ops::{Deref, DerefMut};

/// Bytes of a line of the cache, and of the longest vector.
pub(crate) const LINE: usize = 64;

/// Values of a fixed number, the first at the start of a line.
#[derive(Debug)]
pub(crate) struct Aligned<T> {
    values: Vec<T>,
    first: usize,
}

impl<T: LinalgScalar> Aligned<T> {
    /// So many zeros.
    pub(crate) fn zeros(length: usize) -> Self {
        let mut values = vec![T::zero(); length + LINE / size_of::<T>()];
        let first = values.as_ptr().align_offset(LINE);
        values.truncate(first + length);
        Aligned { values, first }
    }
}

impl<T: Clone> From<&[T]> for Aligned<T> {
    fn from(from: &[T]) -> Self {
        let mut values: Vec<T> = Vec::with_capacity(from.len() + LINE / size_of::<T>());
        let first = values.as_ptr().align_offset(LINE).min(from.len());
        // Anything may lie before the first; values that are too few for that do not fill a line either.
        values.extend_from_slice(&from[..first]);
        values.extend_from_slice(from);
        Aligned { values, first }
    }
}

impl<T: Clone> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        Aligned::from(&self[..])
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values[self.first..]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values[self.first..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Debug;

    #[test]
    fn buffers_start_with_a_line() {
        fn check<T: LinalgScalar + PartialEq + Debug>() {
            for length in [0, 16, 1000, 100_000] {
                let mut a = Aligned::<T>::zeros(length);
                assert_eq!(a.len(), length);
                a.fill(T::one());
                let b = a.clone();
                assert_eq!(a[..], b[..]);
                let starts = [a.as_ptr(), b.as_ptr()];
                assert!(length == 0 || starts.iter().all(|p| p.addr().is_multiple_of(LINE)));
            }
        }
        check::<f32>();
        check::<f64>();
    }
}
