//! Models. The first byte says whether the others are a file, what follows its length, or the header
//! within the header of a file that is whole otherwise.
#![no_main]

use elbo::model_file::{Header, Model};
use elbo::params::Init;
use elbo::vae::{LevelConfig, Vae, VaeConfig};
use elbo_fuzz::contract;
use safetensors::SafeTensors;
use std::sync::LazyLock;

/// Files of one and of two levels.
static FILES: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let one = VaeConfig::new(3, &[2], 1);
    let mut two = VaeConfig::new(2, &[], 1);
    two.levels.push(LevelConfig::dense(&[2], 1));
    [one, two].map(|config| {
        let vae = Vae::<f32>::new(config.clone()).expect("a small model");
        let params = vae.init(Init::Uniform, 1, None);
        Model { params, header: Header::new(&config, None), vae: vae.into() }.to_bytes()
    })
});

/// A file whose header ends with the first line. (Models are written with spaces in that place.)
fn with_length(rest: &[u8]) -> Vec<u8> {
    let end = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |i| i + 1);
    [&(end as u64).to_le_bytes()[..], rest].concat()
}

/// The same tensors under another header.
fn with_header(file: &[u8], header: &[u8]) -> Vec<u8> {
    let file = SafeTensors::deserialize(file).expect("a file of our own");
    let header = String::from_utf8_lossy(header).into_owned();
    safetensors::serialize(file.iter(), Some([("elbo".to_owned(), header)].into()))
        .expect("the same tensors")
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else { return };
    let bytes = match choice % 4 {
        0 => rest.to_vec(),
        1 => with_length(rest),
        other => with_header(&FILES[usize::from(other - 2)], rest),
    };
    contract::model(&bytes);
});
