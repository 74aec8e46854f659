//! Archives that somebody has damaged on purpose: no panic, and nothing that is not what was written.
//!
//! `ELBO_ARCHIVES=10000000 cargo test --release --test codec hostile` tries as many.

use elbo::codec::archive::Archive;
use elbo::model_file::Model;
use elbo::rng::{Address, ChaCha8Rng, Purpose};
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use rand::RngExt;
use sha2::{Digest, Sha256};
use std::io::{Cursor, Read, Write};
use std::path::Path;

/// Where the description's length stands, and the parts behind it.
const LENGTHS: usize = 12;
const PREFIX: usize = 28;

fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// The archive with its description's text changed, packed again and with a checksum that fits.
fn described(bytes: &[u8], change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let (length, inside) = (word(bytes, LENGTHS), word(bytes, LENGTHS + 4));
    let mut text = Vec::new();
    DeflateDecoder::new(&bytes[PREFIX + 8..PREFIX + length]).read_to_end(&mut text).unwrap();
    let text = change(text);
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(&text).unwrap();
    let packed = packer.finish().unwrap();
    let json =
        [&(text.len() as u32).to_le_bytes()[..], &(packed.len() as u32).to_le_bytes(), &packed]
            .concat();
    let model = &bytes[PREFIX + length..][..inside];
    let mut head = bytes[8..LENGTHS].to_vec();
    head.extend((json.len() as u32).to_le_bytes());
    head.extend((inside as u32).to_le_bytes());
    let sum = Sha256::digest([&head[..], &json, model].concat());
    [&bytes[..8], &head, &sum[..8], &json, model, &bytes[PREFIX + length + inside..]].concat()
}

fn turn(bytes: &mut [u8], rng: &mut ChaCha8Rng) {
    if !bytes.is_empty() {
        let at = rng.random_range(0..bytes.len());
        bytes[at] = match rng.random_range(0..4) {
            0 => bytes[at] ^ (1 << rng.random_range(0..8)),
            1 => rng.random(),
            2 => b"0123456789-,[]{}\"e."[rng.random_range(0..19)],
            _ => [0, 255][rng.random_range(0..2)],
        };
    }
}

/// Reads all that can be read. Gives whether all of it came back.
fn read(bytes: &[u8], model: &Model<f32>) -> Option<Vec<u8>> {
    let mut archive = Archive::open(Path::new("archive"), Cursor::new(bytes)).ok()?;
    let (mut out, rows) = (Vec::new(), archive.description.rows);
    let _ = archive.model();
    let _ = archive.prologue();
    let mut keep = |bytes: &[u8]| {
        out.extend_from_slice(bytes);
        Ok(())
    };
    let lost = archive.read(model, 0..rows, &mut keep, &mut |_| {}).ok()?;
    lost.is_empty().then_some(out)
}

#[test]
fn damage_is_told_or_harmless() {
    let tries: u64 =
        std::env::var("ELBO_ARCHIVES").ok().and_then(|n| n.parse().ok()).unwrap_or(6_000);
    let (bytes, model) = super::archives::small();
    let original = read(&bytes, &model).unwrap();
    let (length, inside) = (word(&bytes, LENGTHS), word(&bytes, LENGTHS + 4));
    let mut whole = 0;
    for i in 0..tries {
        let rng = &mut Address::new(3, Purpose::Check).row(i).rng();
        let mut damaged = bytes.clone();
        match i % 4 {
            // Anywhere.
            0 => (0..rng.random_range(1..9)).for_each(|_| turn(&mut damaged, rng)),
            // In blocks, whose bytes no checksum keeps from being read.
            1 => {
                let first = PREFIX + length + inside;
                (0..rng.random_range(1..5)).for_each(|_| turn(&mut damaged[first..], rng));
            }
            // A description that says something else.
            2 => {
                damaged = described(&bytes, |mut text| {
                    (0..rng.random_range(1..4)).for_each(|_| turn(&mut text, rng));
                    text
                });
            }
            // Cut off, or longer, or pieces of it twice.
            _ => {
                let at = rng.random_range(0..damaged.len());
                let piece = damaged[at..(at + rng.random_range(0..40)).min(damaged.len())].to_vec();
                damaged.truncate(rng.random_range(0..=damaged.len()));
                damaged.extend(piece);
            }
        }
        if let Some(found) = read(&damaged, &model) {
            // What has another description may well be other rows, but no block is read as what it is not.
            assert!(i % 4 == 2 || found == original, "try {i}");
            whole += 1;
        }
    }
    assert!(whole < tries / 2, "{whole} of {tries} came back whole");
}

/// Numbers that nobody means.
#[test]
fn descriptions_of_nothing_are_refused() {
    let (bytes, model) = super::archives::small();
    let with = |from: &str, to: &str| {
        let changed = described(&bytes, |text| {
            let text = String::from_utf8(text).unwrap();
            assert!(text.contains(from), "{text}");
            text.replacen(from, to, 1).into_bytes()
        });
        read(&changed, &model)
    };
    for (from, to) in [
        ("\"rows\":12", "\"rows\":18446744073709551615"),
        ("\"rows\":12", "\"rows\":0"),
        ("\"block\":5", "\"block\":0"),
        ("\"block\":5", "\"block\":4000000000"),
        ("\"bins\":8", "\"bins\":60"),
        ("\"count\":", "\"count\":0,\"count\":"),
        ("\"prologue\":\"", "\"prologue\":\"x"),
        ("\"states\":[", "\"states\":[[0,0,0],"),
    ] {
        assert!(
            with(from, to).is_none_or(|rows| rows.is_empty()) || from.contains("prologue"),
            "{from} {to}"
        );
    }
}
