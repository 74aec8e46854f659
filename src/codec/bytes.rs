//! What all that is read from an archive begins with: bytes off the front, checksums, what is packed by deflate.

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};

/// Bytes of a checksum.
pub(super) const CHECKSUM: usize = 8;

/// Deflate makes no more than that of a byte.
const MOST_UNPACKED: usize = 1032;

/// Takes the first bytes off.
pub(super) fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], &'static str> {
    let (first, rest) = bytes.split_at_checked(count).ok_or("it ends too early")?;
    *bytes = rest;
    Ok(first)
}

/// Takes a number of four bytes off.
pub(super) fn take_u32(bytes: &mut &[u8]) -> Result<u32, &'static str> {
    take(bytes, 4).map(u32_of)
}

/// The number that four bytes are.
///
/// # Panics
/// If there are more or fewer.
pub(super) fn u32_of(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().expect("four bytes"))
}

/// The number that eight bytes are.
///
/// # Panics
/// If there are more or fewer.
pub(super) fn u64_of(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

/// The first bytes of SHA-256 of these, one after another.
pub(super) fn checksum(parts: &[&[u8]]) -> [u8; CHECKSUM] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    let digest = hash.finalize();
    std::array::from_fn(|i| digest[i])
}

/// Bytes packed by deflate; nothing of nothing.
pub(super) fn deflated(bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() {
        return Vec::new();
    }
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).and_then(|()| packer.finish()).expect("memory takes all")
}

/// Whether so many packed bytes can be that many.
pub(super) fn could_be(packed: usize, length: usize) -> bool {
    length <= packed.saturating_mul(MOST_UNPACKED)
}

/// What [`deflated`] made of so many bytes.
pub(super) fn inflated(packed: &[u8], length: usize) -> Result<Vec<u8>, &'static str> {
    if !could_be(packed.len(), length) {
        return Err("it says to hold more than it can");
    }
    let mut bytes = Vec::new();
    if length > 0 {
        let read = DeflateDecoder::new(packed).take(length as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|_| "what is packed cannot be unpacked")?;
    }
    if bytes.len() == length { Ok(bytes) } else { Err("what is packed is of another length") }
}

/// Bytes in hexadecimal.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes from hexadecimal, if they are that.
pub(super) fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| (c as char).to_digit(16).map(|d| d as u8);
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}
