//! NumPy's files. The first byte says whether the others are a file, or what follows a first line
//! whose length is right.
#![no_main]

use elbo::data::ReadOptions;
use elbo_fuzz::contract::{self, Growth};

/// A file of version `version` with the header up to the first line's end, and the rest.
fn with_header(version: u8, rest: &[u8]) -> Vec<u8> {
    let end = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |i| i + 1);
    let length = (end as u32).to_le_bytes();
    let length = if version == 1 { &length[..2] } else { &length[..] };
    [b"\x93NUMPY", &[version, 0][..], length, rest].concat()
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else { return };
    let bytes = match choice % 4 {
        0 => rest.to_vec(),
        version => with_header(version, rest),
    };
    contract::source("x.npy", &bytes, &ReadOptions::default(), Growth::Npy);
});
