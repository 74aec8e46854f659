//! The values of a dataset: in memory, or in the file where they lie.

use std::ops::Range;

use super::stored::Stored;
use crate::error::{Error, Result};
use crate::real::Real;
use crate::simd;

/// The values of a dataset, row-major.
#[derive(Debug)]
pub enum Values {
    /// Bytes; what they stand for is the dataset's to say ([`super::Bytes`]).
    U8(Vec<u8>),
    /// Numbers as they are.
    F32(Vec<f32>),
    /// Numbers as they are.
    F64(Vec<f64>),
    /// Values in a file, read when they are needed.
    Stored(Stored),
}

/// Consecutive values.
pub(super) enum Block<'a> {
    U8(&'a [u8]),
    F32(&'a [f32]),
    F64(&'a [f64]),
    F32Bytes(&'a [u8], bool),
    F64Bytes(&'a [u8], bool),
}

/// The four bytes of an `f32`.
#[inline(always)]
fn single(bytes: &[u8], big_endian: bool) -> f32 {
    let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
    if big_endian { f32::from_be_bytes(bytes) } else { f32::from_le_bytes(bytes) }
}

/// The eight bytes of an `f64`.
#[inline(always)]
fn double(bytes: &[u8], big_endian: bool) -> f64 {
    let mut array = [0; 8];
    array.copy_from_slice(bytes);
    if big_endian { f64::from_be_bytes(array) } else { f64::from_le_bytes(array) }
}

impl Block<'_> {
    /// Calls `each` with every value.
    #[inline(always)]
    pub(super) fn for_each(&self, mut each: impl FnMut(f64)) {
        match *self {
            Block::U8(v) => v.iter().for_each(|&v| each(v.into())),
            Block::F32(v) => v.iter().for_each(|&v| each(v as f64)),
            Block::F64(v) => v.iter().for_each(|&v| each(v)),
            Block::F32Bytes(v, big) => v.chunks_exact(4).for_each(|v| each(single(v, big) as f64)),
            Block::F64Bytes(v, big) => v.chunks_exact(8).for_each(|v| each(double(v, big))),
        }
    }

    /// `out ← the values`, bytes times `unit`, changed by `change(place, value)` while they are still
    /// f64.
    #[inline(always)]
    pub(super) fn fill<T: Real>(
        &self,
        out: &mut [T],
        unit: f64,
        change: impl Fn(usize, f64) -> f64,
    ) {
        #[inline(always)]
        fn write<T: Real, V>(
            out: &mut [T],
            values: impl Iterator<Item = V>,
            value: impl Fn(V) -> f64,
            change: impl Fn(usize, f64) -> f64,
        ) {
            for (i, (o, v)) in out.iter_mut().zip(values).enumerate() {
                *o = T::from_f64(change(i, value(v)));
            }
        }
        simd::dispatch(
            #[inline(always)]
            || match *self {
                Block::U8(v) => write(out, v.iter(), |&v| v as f64 * unit, change),
                Block::F32(v) => write(out, v.iter(), |&v| v as f64, change),
                Block::F64(v) => write(out, v.iter(), |&v| v, change),
                Block::F32Bytes(v, false) => {
                    write(out, v.chunks_exact(4), |v| single(v, false) as f64, change)
                }
                Block::F32Bytes(v, true) => {
                    write(out, v.chunks_exact(4), |v| single(v, true) as f64, change)
                }
                Block::F64Bytes(v, big) => {
                    write(out, v.chunks_exact(8), |v| double(v, big), change)
                }
            },
        );
    }

    /// Calls `each` with the bits of every value as it came, for a fingerprint.
    fn for_each_bits(&self, mut each: impl FnMut(u64)) {
        match *self {
            Block::U8(v) => v.iter().for_each(|&v| each(v as u64)),
            Block::F32(v) => v.iter().for_each(|&v| each(v.to_bits() as u64)),
            Block::F64(v) => v.iter().for_each(|&v| each(v.to_bits())),
            Block::F32Bytes(v, big) => {
                v.chunks_exact(4).for_each(|v| each(single(v, big).to_bits() as u64))
            }
            Block::F64Bytes(v, big) => {
                v.chunks_exact(8).for_each(|v| each(double(v, big).to_bits()))
            }
        }
    }
}

impl Values {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Values::U8(v) => v.len(),
            Values::F32(v) => v.len(),
            Values::F64(v) => v.len(),
            Values::Stored(v) => v.len(),
        }
    }

    /// Whether they are bytes, all of which stand for something from 0 to 1.
    pub fn are_bytes(&self) -> bool {
        match self {
            Values::U8(_) => true,
            Values::Stored(stored) => stored.are_bytes(),
            _ => false,
        }
    }

    /// All values as they came, bytes too.
    ///
    /// # Errors
    /// If a file cannot be read.
    #[cfg(feature = "cli")] // labels in an archive
    pub(super) fn numbers(&self) -> Result<Vec<f64>> {
        let mut numbers = Vec::with_capacity(self.len());
        self.blocks(0..self.len(), &mut |_, block| block.for_each(|v| numbers.push(v)))?;
        Ok(numbers)
    }

    /// Calls `each` with the values in `range`, a block at a time, and how far into the range it is.
    ///
    /// # Errors
    /// If a file cannot be read.
    #[inline]
    pub(super) fn blocks(
        &self,
        range: Range<usize>,
        each: &mut dyn FnMut(usize, Block<'_>),
    ) -> Result<()> {
        match self {
            Values::U8(v) => each(0, Block::U8(&v[range])),
            Values::F32(v) => each(0, Block::F32(&v[range])),
            Values::F64(v) => each(0, Block::F64(&v[range])),
            Values::Stored(v) => return v.blocks(range, each),
        }
        Ok(())
    }

    /// Reads everything once: a 64-bit fingerprint of width and values (FNV-1a) and the largest byte,
    /// if they are bytes, or the error at the first value that is not finite.
    pub(super) fn inspect(&self, width: usize, has_gaps: bool) -> Result<(u64, Option<u8>)> {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut eat = |bits: u64| hash = (hash ^ bits).wrapping_mul(0x0000_0100_0000_01b3);
        eat(width as u64);
        let (mut broken, mut largest) = (None, 0);
        self.blocks(0..self.len(), &mut |at, block| {
            block.for_each_bits(&mut eat);
            if let Block::U8(bytes) = block {
                largest = bytes.iter().fold(largest, |most, v| most.max(*v));
                return;
            }
            let mut i = at;
            block.for_each(|value| {
                let is_gap = has_gaps && value.is_nan();
                if !value.is_finite() && !is_gap && broken.is_none() {
                    broken = Some((i, value));
                }
                i += 1;
            });
        })?;
        match broken {
            None => Ok((hash, self.are_bytes().then_some(largest))),
            Some((i, value)) => {
                let message = "values must be finite; remove or fill in such rows";
                Err(Error::value(i / width, i % width, value, message))
            }
        }
    }
}
