//! NumPy's archives. The first byte says whether the others are a file, or what its only array is, as
//! it is or deflated.
#![no_main]

use elbo::data::ReadOptions;
use elbo_fuzz::contract::{self, Growth};
use flate2::{Compression, write::DeflateEncoder};
use rawzip::{CompressionMethod, ZipArchiveWriter};
use std::io::Write;

/// An archive of one array.
fn archive(content: &[u8], deflated: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = ZipArchiveWriter::new(&mut bytes);
    let method = if deflated { CompressionMethod::DEFLATE } else { CompressionMethod::STORE };
    let start = archive.new_file("x.npy").compression_method(method).start();
    let (mut entry, config) = start.expect("a new entry");
    let descriptor = if deflated {
        let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::fast()));
        writer.write_all(content).expect("a vector takes everything");
        let (encoder, descriptor) = writer.finish().expect("as above");
        encoder.finish().expect("as above");
        descriptor
    } else {
        let mut writer = config.wrap(&mut entry);
        writer.write_all(content).expect("a vector takes everything");
        writer.finish().expect("as above").1
    };
    entry.finish(descriptor).expect("as above");
    archive.finish().expect("as above");
    bytes
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else { return };
    let bytes = match choice % 3 {
        0 => rest.to_vec(),
        kind => archive(rest, kind == 1),
    };
    contract::source("x.npz", &bytes, &ReadOptions::default(), Growth::Npz);
});
