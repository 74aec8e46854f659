//! Values that lie in a file, in one of the ways in which a file writes numbers.

use std::ops::Range;

use super::input::Input;
use super::values::{Block, Values};
use crate::error::Result;

/// Files whose values take more bytes than this are read in place.
const IN_MEMORY: u64 = 128 << 20;

/// Bytes of a file that are read at a time; they live on the stack.
const BLOCK: usize = 8192;

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
#[cfg_attr(feature = "model-file", derive(serde::Serialize, serde::Deserialize))]
pub enum Element {
    /// A byte, which stays one.
    Byte,
    /// Another number.
    Number {
        /// Its type.
        kind: Kind,
        /// Whether its highest byte comes first.
        big_endian: bool,
    },
}

/// The types of numbers that are no bytes, by their bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "model-file", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs)]
pub enum Kind {
    I8,
    I16,
    I32,
    I64,
    U16,
    U32,
    U64,
    F16,
    F32,
    F64,
}

impl Element {
    /// Bytes of a value.
    pub fn size(self) -> usize {
        use Kind::*;
        match self {
            Element::Byte => 1,
            Element::Number { kind, .. } => match kind {
                I8 => 1,
                I16 | U16 | F16 => 2,
                I32 | U32 | F32 => 4,
                I64 | U64 | F64 => 8,
            },
        }
    }

    /// Whether it is a byte.
    pub fn is_byte(self) -> bool {
        self == Element::Byte
    }

    /// The value of its bytes; of an integer beyond 2⁵³ the nearest.
    ///
    /// # Panics
    /// If there are more or fewer bytes than it has.
    #[cfg(feature = "codec")]
    pub fn value(self, bytes: &[u8]) -> f64 {
        use Kind::*;
        let Element::Number { kind, big_endian: big } = self else { return bytes[0].into() };
        match kind {
            I8 => i8::from_le_bytes(array(bytes, big)).into(),
            I16 => i16::from_le_bytes(array(bytes, big)).into(),
            I32 => i32::from_le_bytes(array(bytes, big)).into(),
            I64 => i64::from_le_bytes(array(bytes, big)) as f64,
            U16 => u16::from_le_bytes(array(bytes, big)).into(),
            U32 => u32::from_le_bytes(array(bytes, big)).into(),
            U64 => u64::from_le_bytes(array(bytes, big)) as f64,
            F16 => half(u16::from_le_bytes(array(bytes, big))).into(),
            F32 => f32::from_le_bytes(array(bytes, big)).into(),
            F64 => f64::from_le_bytes(array(bytes, big)),
        }
    }

    /// Adds the bytes of the nearest value that it has.
    #[cfg(feature = "codec")]
    pub fn write(self, value: f64, out: &mut Vec<u8>) {
        use Kind::*;
        let first = out.len();
        let Element::Number { kind, big_endian } = self else {
            out.push(value.round() as u8);
            return;
        };
        let whole = value.round();
        match kind {
            I8 => out.extend((whole as i8).to_le_bytes()),
            I16 => out.extend((whole as i16).to_le_bytes()),
            I32 => out.extend((whole as i32).to_le_bytes()),
            I64 => out.extend((whole as i64).to_le_bytes()),
            U16 => out.extend((whole as u16).to_le_bytes()),
            U32 => out.extend((whole as u32).to_le_bytes()),
            U64 => out.extend((whole as u64).to_le_bytes()),
            F16 => out.extend(to_half(value).to_le_bytes()),
            F32 => out.extend((value as f32).to_le_bytes()),
            F64 => out.extend(value.to_le_bytes()),
        }
        if big_endian {
            out[first..].reverse();
        }
    }

    /// Whether these are the bytes that [`Self::write`] gives a value.
    #[cfg(feature = "codec")]
    pub fn is(self, value: f64, bytes: &[u8]) -> bool {
        let mut written = Vec::with_capacity(8);
        self.write(value, &mut written);
        written == bytes
    }

    /// Whether `f32` holds every value.
    fn is_single(self) -> bool {
        use Kind::*;
        matches!(self, Element::Number { kind: I8 | I16 | U16 | F16 | F32, .. })
    }
}

impl Stored {
    /// `count` values from `offset` on, which the input is known to hold.
    pub(super) fn new(input: Input, offset: u64, element: Element, count: usize) -> Self {
        Stored { input, offset, element, count }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Whether they are bytes.
    pub(super) fn are_bytes(&self) -> bool {
        self.element == Element::Byte
    }

    /// The values in memory if they are few enough, else these.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn load_if_small(self) -> Result<Values> {
        match self.count as u64 * self.element.size() as u64 > IN_MEMORY {
            true => Ok(Values::Stored(self)),
            false => self.load(|i| i),
        }
    }

    /// The values in memory, value `i` at `place(i)`, which must be a permutation.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn load(self, place: impl Fn(usize) -> usize) -> Result<Values> {
        let all = 0..self.count;
        if self.element == Element::Byte {
            let mut bytes = vec![0; self.count];
            self.blocks(all, &mut |at, block| {
                let Block::U8(block) = block else { unreachable!("bytes come as bytes") };
                (at..).zip(block).for_each(|(i, v)| bytes[place(i)] = *v);
            })?;
            return Ok(Values::U8(bytes));
        }
        if self.element.is_single() {
            let mut values = vec![0f32; self.count];
            self.blocks(all, &mut |at, block| {
                let mut i = at;
                block.for_each(|v| (values[place(i)], i) = (v as f32, i + 1));
            })?;
            return Ok(Values::F32(values));
        }
        let mut values = vec![0f64; self.count];
        self.blocks(all, &mut |at, block| {
            let mut i = at;
            block.for_each(|v| (values[place(i)], i) = (v, i + 1));
        })?;
        Ok(Values::F64(values))
    }

    /// The first integer that `f64` does not hold, and where it is.
    ///
    /// # Errors
    /// If the file cannot be read.
    #[cfg_attr(not(feature = "cli"), allow(dead_code))]
    pub(super) fn inexact(&self) -> Result<Option<(usize, i128)>> {
        let Element::Number { kind: kind @ (Kind::I64 | Kind::U64), big_endian } = self.element
        else {
            return Ok(None);
        };
        let mut found = None;
        self.bytes(0..self.count, &mut |at, bytes| {
            for (i, v) in (at..).zip(bytes.chunks_exact(8)) {
                let whole = match kind {
                    Kind::U64 => u64::from_le_bytes(array(v, big_endian)).into(),
                    _ => i64::from_le_bytes(array(v, big_endian)).into(),
                };
                // What is rounded up to 2⁶⁴ must not come back as the largest of its type.
                if found.is_none() && whole as f64 as i128 != whole {
                    found = Some((i, whole));
                }
            }
        })?;
        Ok(found)
    }

    /// Calls `each` with the values in `range`, a block at a time, and how far into the range it is.
    pub(super) fn blocks(
        &self,
        range: Range<usize>,
        each: &mut dyn FnMut(usize, Block<'_>),
    ) -> Result<()> {
        use Kind::*;
        let Element::Number { kind, big_endian: big } = self.element else {
            return self.bytes(range, &mut |at, bytes| each(at, Block::U8(bytes)));
        };
        let single = &mut [0f32; BLOCK / 8];
        let double = &mut [0f64; BLOCK / 8];
        self.bytes(range, &mut |at, bytes| {
            let block = match kind {
                F32 => Block::F32Bytes(bytes, big),
                F64 => Block::F64Bytes(bytes, big),
                I8 => Block::F32(wide(single, bytes, big, |v| i8::from_le_bytes(v).into())),
                I16 => Block::F32(wide(single, bytes, big, |v| i16::from_le_bytes(v).into())),
                U16 => Block::F32(wide(single, bytes, big, |v| u16::from_le_bytes(v).into())),
                F16 => Block::F32(wide(single, bytes, big, |v| half(u16::from_le_bytes(v)))),
                I32 => Block::F64(wide(double, bytes, big, |v| i32::from_le_bytes(v).into())),
                U32 => Block::F64(wide(double, bytes, big, |v| u32::from_le_bytes(v).into())),
                I64 => Block::F64(wide(double, bytes, big, |v| i64::from_le_bytes(v) as f64)),
                U64 => Block::F64(wide(double, bytes, big, |v| u64::from_le_bytes(v) as f64)),
            };
            each(at, block);
        })
    }

    /// The same before anything is made of the bytes: at most an eighth of [`BLOCK`] values of types
    /// that are widened, so that these fit a block too.
    fn bytes(&self, range: Range<usize>, each: &mut dyn FnMut(usize, &[u8])) -> Result<()> {
        let (mut buffer, size) = ([0; BLOCK], self.element.size());
        let most = match self.element {
            Element::Byte => BLOCK,
            Element::Number { kind: Kind::F32, .. } => BLOCK / 4,
            Element::Number { .. } => BLOCK / 8,
        };
        let mut at = range.start;
        while at < range.end {
            let count = most.min(range.end - at);
            let bytes = &mut buffer[..count * size];
            self.input.read_exact_at(bytes, self.offset + (at * size) as u64)?;
            each(at - range.start, bytes);
            at += count;
        }
        Ok(())
    }
}

/// The bytes of a value, the least significant first.
#[inline(always)]
fn array<const N: usize>(bytes: &[u8], big_endian: bool) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    if big_endian {
        array.reverse();
    }
    array
}

/// The values that `of` makes of `N` bytes each, the least significant first.
fn wide<'a, V, const N: usize>(
    out: &'a mut [V],
    bytes: &[u8],
    big_endian: bool,
    of: impl Fn([u8; N]) -> V,
) -> &'a [V] {
    let out = &mut out[..bytes.len() / N];
    out.iter_mut().zip(bytes.chunks_exact(N)).for_each(|(o, v)| *o = of(array(v, big_endian)));
    out
}

/// A number of half precision (IEEE 754 binary16): sign, five bits of exponent, ten of fraction.
fn half(bits: u16) -> f32 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// A number that half precision has, or the next one to it towards 0.
#[cfg(feature = "codec")]
fn to_half(value: f64) -> u16 {
    let sign = u16::from(value.is_sign_negative()) << 15;
    if value.is_nan() {
        return sign | 0x7e00;
    }
    let (mut low, mut high) = (0u16, 0x7c01);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if f64::from(half(middle)) <= value.abs() { low = middle } else { high = middle }
    }
    sign | low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "codec")]
    #[test]
    fn elements_are_written_as_they_are_read() {
        use Kind::*;
        for kind in [I8, I16, I32, I64, U16, U32, U64, F16, F32, F64] {
            for big_endian in [false, true] {
                let element = Element::Number { kind, big_endian };
                for byte in 0..=255u8 {
                    let mut bytes: Vec<u8> = (0..element.size() as u8)
                        .map(|i| byte.wrapping_mul(37).wrapping_add(i * i))
                        .collect();
                    if matches!(kind, I64 | U64) {
                        let high = if big_endian { 0 } else { 7 };
                        bytes[high] = 0;
                        bytes[if big_endian { 1 } else { 6 }] &= 15;
                    }
                    let value = element.value(&bytes);
                    assert!(
                        value.is_nan() || element.is(value, &bytes),
                        "{kind:?} {bytes:?} {value}"
                    );
                }
            }
        }
        assert!(Element::Byte.is(7.0, &[7]) && Element::Byte.value(&[255]) == 255.0);
        assert_eq!(
            [to_half(65504.0), to_half(-0.0), to_half(f64::INFINITY)],
            [0x7bff, 0x8000, 0x7c00]
        );
    }

    #[test]
    fn halves_are_exact() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x0001, 5.960_464_5e-8), // the smallest, 2⁻²⁴
            (0x03ff, 6.097_555e-5),   // the largest subnormal
            (0x0400, 6.103_515_6e-5), // the smallest normal
            (0x3555, 0.333_251_95),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x7c00, f32::INFINITY),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:04x}");
        }
        assert!(half(0x8000).is_sign_negative() && half(0x7c01).is_nan());
        // In the order of their bits, positive numbers rise.
        assert!((0..0x7c00).all(|bits| half(bits) < half(bits + 1)));
    }
}
