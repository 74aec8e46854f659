//! What can happen to a file.

use flate2::{Compression, write::GzEncoder};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use std::io::Write;

/// One mishap. The places are shares of the file's length.
#[derive(Clone, Debug)]
enum Damage {
    /// Bits of a byte change.
    Flip(Index, u8),
    /// A byte becomes one that sizes, signs and digits are made of.
    Set(Index, u8),
    /// Bytes are as a sector that was never written leaves them.
    Blank(Index, u8, u8),
    /// Bytes come in.
    Insert(Index, Vec<u8>),
    /// A number in text gets more digits.
    Grow(Index, String),
    /// Bytes go.
    Delete(Index, u8),
    /// Bytes are written a second time, elsewhere.
    Duplicate(Index, u8, Index),
    /// The rest is gone.
    Truncate(Index),
    /// The rest is another file's.
    Splice(Index, Index),
}

impl Damage {
    /// The bytes after it; `other` is the other file.
    fn apply(&self, bytes: &mut Vec<u8>, other: &[u8]) {
        // A place between two bytes, or before the first, or behind the last.
        let gap = |at: &Index, bytes: &[u8]| at.index(bytes.len() + 1);
        let piece = |at: &Index, count: u8, bytes: &[u8]| {
            let start = gap(at, bytes);
            start..bytes.len().min(start + count as usize)
        };
        match self {
            Damage::Flip(..) | Damage::Set(..) if bytes.is_empty() => {}
            Damage::Flip(at, bits) => *at.get_mut(bytes) ^= bits,
            Damage::Set(at, value) => *at.get_mut(bytes) = *value,
            Damage::Blank(at, count, value) => {
                let piece = piece(at, *count, bytes);
                bytes[piece].fill(*value);
            }
            Damage::Insert(at, new) => {
                let at = gap(at, bytes);
                bytes.splice(at..at, new.iter().copied());
            }
            Damage::Grow(at, digits) => {
                let is_digit = |&i: &usize| bytes[i].is_ascii_digit();
                let places = (0..bytes.len()).filter(is_digit).collect::<Vec<_>>();
                if !places.is_empty() {
                    let at = *at.get(&places);
                    bytes.splice(at..at, digits.bytes());
                }
            }
            Damage::Delete(at, count) => {
                let piece = piece(at, *count, bytes);
                bytes.drain(piece);
            }
            Damage::Duplicate(at, count, to) => {
                let copy = bytes[piece(at, *count, bytes)].to_vec();
                let to = gap(to, bytes);
                bytes.splice(to..to, copy);
            }
            Damage::Truncate(at) => bytes.truncate(at.index(bytes.len() + 1)),
            Damage::Splice(at, from) => {
                bytes.truncate(gap(at, bytes));
                bytes.extend(&other[gap(from, other)..]);
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    let telling =
        prop::sample::select(b"\x00\x01\x02\x04\x08\x7f\x80\xff09-+.,:'\"\n\\{}[]()en ".to_vec());
    prop_oneof![
        3 => (at(), 1..=255u8).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        3 => (at(), telling).prop_map(|(at, value)| Damage::Set(at, value)),
        1 => (at(), 1..40u8, prop::sample::select(vec![0, 0xff]))
            .prop_map(|(at, count, value)| Damage::Blank(at, count, value)),
        1 => (at(), vec(any::<u8>(), 1..9)).prop_map(|(at, new)| Damage::Insert(at, new)),
        2 => (at(), "[0-9]{1,8}").prop_map(|(at, digits)| Damage::Grow(at, digits)),
        1 => (at(), 1..20u8).prop_map(|(at, count)| Damage::Delete(at, count)),
        1 => (at(), 1..60u8, at()).prop_map(|(at, count, to)| Damage::Duplicate(at, count, to)),
        1 => at().prop_map(Damage::Truncate),
        1 => (at(), at()).prop_map(|(at, from)| Damage::Splice(at, from)),
    ]
}

/// Two files of the same kind become one that went through up to three mishaps.
pub(crate) fn damaged(
    file: impl Strategy<Value = Vec<u8>> + Clone,
) -> impl Strategy<Value = Vec<u8>> {
    (file.clone(), file, vec(damage(), 1..4)).prop_map(|(mut bytes, other, damages)| {
        damages.iter().for_each(|damage| damage.apply(&mut bytes, &other));
        bytes
    })
}

/// The same, packed.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}
