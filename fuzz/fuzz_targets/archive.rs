//! Archives, that have their model inside or not. The first byte says whether the others are a whole one, or what follows its first
//! eight bytes.
#![no_main]

use elbo::codec::archive::Archive;
use std::io::Cursor;
use std::path::Path;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else { return };
    let bytes = match choice % 2 {
        0 => rest.to_vec(),
        _ => [&b"\x8eELBO\r\n\x1a"[..], rest].concat(),
    };
    let Ok(mut archive) = Archive::open(Path::new("input"), Cursor::new(&bytes)) else { return };
    let Ok(Some(model)) = archive.model() else { return };
    let rows = archive.description.rows.min(64);
    let _ = archive.read(&model, 0..rows, &mut |_| Ok(()), &mut |_| {});
});
