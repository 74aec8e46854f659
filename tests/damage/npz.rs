//! Archives of NumPy's.

use crate::contract::{Growth, source};
use crate::damages::damaged;
use crate::npy;
use elbo::data::ReadOptions;
use flate2::{Compression, write::DeflateEncoder};
use proptest::collection::vec;
use proptest::prelude::*;
use rawzip::{CompressionMethod, ZipArchiveWriter};
use std::io::Write;

const NAME: &str = "some.npz";

/// Files in an archive, each deflated or stored.
fn written(files: &[(Vec<u8>, bool)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = ZipArchiveWriter::new(&mut bytes);
    for (i, (content, deflated)) in files.iter().enumerate() {
        let method = if *deflated { CompressionMethod::DEFLATE } else { CompressionMethod::STORE };
        let name = format!("arr_{i}.npy");
        let start = archive.new_file(&name).compression_method(method).start();
        let (mut entry, config) = start.expect("a new entry");
        let descriptor = if *deflated {
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
    }
    archive.finish().expect("as above");
    bytes
}

/// An archive of one array, and its values.
fn single() -> impl Strategy<Value = (Vec<u8>, Vec<f64>)> + Clone {
    (npy::file(), any::<bool>())
        .prop_map(|((file, values), deflated)| (written(&[(file, deflated)]), values))
}

/// An archive of one to three arrays.
fn several() -> impl Strategy<Value = Vec<u8>> + Clone {
    let file = (npy::file().prop_map(|(file, _)| file), any::<bool>());
    vec(file, 1..4).prop_map(|files| written(&files))
}

fn read(bytes: &[u8], options: &ReadOptions) -> Option<Vec<f64>> {
    source(NAME, bytes, options, Growth::Npz).map(|source| npy::values(&source))
}

proptest! {
    #![proptest_config(crate::cases(1000))]

    #[test]
    fn what_was_written_is_read((bytes, values) in single()) {
        let found = read(&bytes, &ReadOptions::default());
        prop_assert_eq!(found.map(npy::bits), Some(npy::bits(values)));
    }

    #[test]
    fn damage_is_survived(bytes in damaged(several()), label in any::<bool>()) {
        let label = label.then(|| "arr_1".to_owned());
        read(&bytes, &ReadOptions { label, ..ReadOptions::default() });
    }
}
