//! The values of a dataset: in memory, or in the file where they lie.

use std::ops::Range;

use super::input::Input;
use crate::error::{Error, Result};
use crate::real::Real;
use crate::simd;

/// Files whose values take more bytes than this are read in place.
const IN_MEMORY: u64 = 128 << 20;

/// Bytes of a file that are read at a time; they live on the stack.
const BLOCK: usize = 8192;

/// The values of a dataset, row-major.
#[derive(Debug)]
pub enum Values {
    /// Bytes; 0 … 255 stand for 0 … 1.
    U8(Vec<u8>),
    /// Numbers as they are.
    F32(Vec<f32>),
    /// Numbers as they are.
    F64(Vec<f64>),
    /// Values in a file, read when they are needed.
    Stored(Stored),
}

/// Values in a file (or in bytes like a file's), read by position.
#[derive(Debug)]
pub struct Stored {
    input: Input,
    /// Where the first value starts.
    offset: u64,
    element: Element,
    count: usize,
}

/// How a file writes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "cli"), allow(dead_code))] // floats come from NPY alone
pub(super) enum Element {
    U8,
    F32 { big_endian: bool },
    F64 { big_endian: bool },
}

impl Element {
    /// Bytes of a value.
    pub(super) fn size(self) -> usize {
        match self {
            Element::U8 => 1,
            Element::F32 { .. } => 4,
            Element::F64 { .. } => 8,
        }
    }
}

impl Stored {
    /// `count` values from `offset` on, which the input is known to hold.
    pub(super) fn new(input: Input, offset: u64, element: Element, count: usize) -> Self {
        Stored { input, offset, element, count }
    }

    /// The values in memory if they are few enough, else these.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn load_if_small(self) -> Result<Values> {
        if self.count as u64 * self.element.size() as u64 > IN_MEMORY {
            return Ok(Values::Stored(self));
        }
        let all = 0..self.count;
        match self.element {
            Element::U8 => {
                let mut bytes = vec![0; self.count];
                self.input.read_exact_at(&mut bytes, self.offset)?;
                Ok(Values::U8(bytes))
            }
            Element::F32 { .. } => {
                let mut values = Vec::with_capacity(self.count);
                self.blocks(all, &mut |_, block| block.for_each(|v| values.push(v as f32)))?;
                Ok(Values::F32(values))
            }
            Element::F64 { .. } => {
                let mut values = Vec::with_capacity(self.count);
                self.blocks(all, &mut |_, block| block.for_each(|v| values.push(v)))?;
                Ok(Values::F64(values))
            }
        }
    }

    fn blocks(&self, range: Range<usize>, each: &mut dyn FnMut(usize, Block<'_>)) -> Result<()> {
        let (mut buffer, size) = ([0; BLOCK], self.element.size());
        let mut at = range.start;
        while at < range.end {
            let count = (BLOCK / size).min(range.end - at);
            let bytes = &mut buffer[..count * size];
            self.input.read_exact_at(bytes, self.offset + (at * size) as u64)?;
            each(
                at - range.start,
                match self.element {
                    Element::U8 => Block::U8(bytes),
                    Element::F32 { big_endian } => Block::F32Bytes(bytes, big_endian),
                    Element::F64 { big_endian } => Block::F64Bytes(bytes, big_endian),
                },
            );
            at += count;
        }
        Ok(())
    }
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

/// Multiplied in f64: rounded to f32 this is the correctly rounded quotient, without the cost of a
/// division.
#[inline(always)]
fn unit(byte: u8) -> f64 {
    byte as f64 * (1.0 / 255.0)
}

impl Block<'_> {
    /// Calls `each` with every value, bytes scaled to [0, 1].
    #[inline(always)]
    pub(super) fn for_each(&self, mut each: impl FnMut(f64)) {
        match *self {
            Block::U8(v) => v.iter().for_each(|&v| each(unit(v))),
            Block::F32(v) => v.iter().for_each(|&v| each(v as f64)),
            Block::F64(v) => v.iter().for_each(|&v| each(v)),
            Block::F32Bytes(v, big) => v.chunks_exact(4).for_each(|v| each(single(v, big) as f64)),
            Block::F64Bytes(v, big) => v.chunks_exact(8).for_each(|v| each(double(v, big))),
        }
    }

    /// `out ← the values`, changed by `change(place, value)` while they are still f64.
    #[inline(always)]
    pub(super) fn fill<T: Real>(&self, out: &mut [T], change: impl Fn(usize, f64) -> f64) {
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
                Block::U8(v) => write(out, v.iter(), |&v| unit(v), change),
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
            Values::Stored(v) => v.count,
        }
    }

    /// Whether they are bytes, which stand for 0 … 1.
    pub fn are_bytes(&self) -> bool {
        matches!(self, Values::U8(_) | Values::Stored(Stored { element: Element::U8, .. }))
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

    /// Reads everything once: a 64-bit fingerprint of width and values (FNV-1a), or the error at the
    /// first value that is not finite.
    pub(super) fn inspect(&self, width: usize) -> Result<u64> {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut eat = |bits: u64| hash = (hash ^ bits).wrapping_mul(0x0000_0100_0000_01b3);
        eat(width as u64);
        let mut broken = None;
        self.blocks(0..self.len(), &mut |at, block| {
            block.for_each_bits(&mut eat);
            let mut i = at;
            if !matches!(block, Block::U8(_)) {
                block.for_each(|value| {
                    if !value.is_finite() && broken.is_none() {
                        broken = Some((i, value));
                    }
                    i += 1;
                });
            }
        })?;
        match broken {
            None => Ok(hash),
            Some((i, value)) => {
                let message = "values must be finite; remove or fill in such rows";
                Err(Error::value(i / width, i % width, value, message))
            }
        }
    }
}
