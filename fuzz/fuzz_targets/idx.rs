//! IDX files. The first byte says what the others are, so that the search gets behind magic numbers
//! and checksums.
#![no_main]

use elbo::data::ReadOptions;
use elbo_fuzz::contract::{self, Growth};
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

/// A file whose first bytes are right.
fn plain(axes: u8, rest: &[u8]) -> Vec<u8> {
    [&[0, 0, 8, 1 + axes % 4], rest].concat()
}

/// A file whose checksum is right.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else { return };
    let axes = choice / 8;
    let bytes = match choice % 8 {
        0 => rest.to_vec(),
        1 => plain(axes, rest),
        2 => gzip(&plain(axes, rest)),
        3 => gzip(rest),
        // Two members, of which the second is as the search makes it.
        4 => [&gzip(&plain(axes, &rest[..rest.len() / 2])), &rest[rest.len() / 2..]].concat(),
        5 => [&[0x1f, 0x8b, 8], rest].concat(),
        // A stream of deflate's own, behind a plain header of gzip.
        _ => [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff], rest].concat(),
    };
    contract::source("x.idx", &bytes, &ReadOptions::default(), Growth::Idx);
});
