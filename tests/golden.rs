//! Archives that were written once, and are read for ever: by every instruction set, and written again to the same bytes. Every
//! likelihood, posterior, prior, kind of layer and activation is in one of them.
//!
//! `ELBO_GOLDEN=write cargo test --test golden` writes them, and `tests/golden/rows.txt` with what is in them, which
//! `.ci/machines` compares with what other machines read. Where they change, archives of before cannot be read any more:
//! raise `PROFILE`, and keep reading the old.
#![cfg(all(feature = "codec", feature = "simd"))]

use elbo::codec::archive::{self, Archive, Description, FrameDescription, Settings, hexadecimal};
use elbo::codec::{pack, unpack};
use elbo::data::{Bytes, Element, Kind};
use elbo::distribution::Moments;
use elbo::model_file::{Header, Model};
use elbo::params::Init;
use elbo::simd::{self, Isa};
use elbo::vae::{Inference, LevelConfig, Skip, Vae, VaeConfig};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

const F32: Element = Element::Number { kind: Kind::F32, big_endian: false };
const F64: Element = Element::Number { kind: Kind::F64, big_endian: true };

/// Whole numbers, of which rows are made on every machine alike.
fn mixed(i: usize, j: usize) -> usize {
    let mut x = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (j as u64 + 7).wrapping_mul(0xd1b5_4a32_d192_ed03);
    x ^= x >> 29;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (x >> 40) as usize
}

struct Case {
    name: &'static str,
    config: VaeConfig,
    element: Element,
    any_order: bool,
    rows: usize,
    value: fn(usize, usize) -> f64,
}

fn levels(layers: &[&str], latents: &[usize]) -> Vec<LevelConfig> {
    let layers: Vec<_> = layers.iter().map(|layer| layer.parse().unwrap()).collect();
    latents.iter().map(|latent| LevelConfig { layers: layers.clone(), latent: *latent }).collect()
}

/// A column of each likelihood of counts and classes.
const COUNTS: &str = "columns:1=poisson,2=negative-binomial,3=(zero-inflated:of=poisson),4=(binomial:n=9),\
    5=(beta-binomial:n=9),6=(categorical:classes=7),7=(ordinal:levels=5),8=bernoulli,\
    9=(mixture:of=poisson),10-=(discretized-logistic:levels=11)";

/// A column of each density.
const DENSITIES: &str = "columns:1=normal,2=(normal:variance=columns),3=laplace,4=logistic,5=student-t,6=log-normal,7=gamma,\
    8=continuous-bernoulli,9=(bounded-normal:floor=0.01,cap=4),10=(mixture:of=logistic,components=3),11-=full-normal";

fn cases() -> Vec<Case> {
    let base = |width, likelihood: &str| VaeConfig {
        likelihood: likelihood.parse().unwrap(),
        ..VaeConfig::new(width, &[24], 4)
    };
    let of = |spec: &str| spec.parse().unwrap();
    vec![
        Case {
            name: "bits",
            config: VaeConfig { activation: "relu".parse().unwrap(), ..base(300, "bernoulli") },
            element: Element::Byte,
            any_order: false,
            rows: 30,
            value: |i, j| if mixed(i, j).is_multiple_of(5) { 1.0 } else { 0.0 },
        },
        Case {
            name: "grey",
            config: VaeConfig {
                levels: levels(&["gated=20", "layer-norm"], &[5, 4, 3]),
                conditional: of("logistic"),
                posterior: of("bounded-normal:floor=0.01,cap=2"),
                prior: of("mixture:components=6"),
                activation: "tanh".parse().unwrap(),
                ..base(40, "discretized-logistic")
            },
            element: Element::Byte,
            any_order: true,
            rows: 40,
            value: |i, j| (mixed(i / 2, j) % 256) as f64,
        },
        Case {
            name: "counts",
            config: VaeConfig {
                levels: levels(&["dense=20", "residual", "dropout=0.2"], &[4, 3]),
                inference: Inference::TopDown,
                skip: Skip::Both,
                prior: of("vamp:pseudo-inputs=9"),
                activation: "silu".parse().unwrap(),
                ..base(12, COUNTS)
            },
            element: F32,
            any_order: false,
            rows: 40,
            value: |i, j| match j {
                0..=2 => (mixed(i, j) % 13) as f64,
                3 | 4 => (mixed(i, j) % 10) as f64,
                5 => (mixed(i, j) % 8) as f64, // one too many for the model
                6 => (mixed(i, j) % 5) as f64,
                7 => (mixed(i, j) % 2) as f64,
                8 => (mixed(i, j) % 30) as f64,
                _ => f64::from((mixed(i, j) % 11) as f32 / 10.0),
            },
        },
        Case {
            name: "densities",
            config: VaeConfig {
                levels: levels(&["dense=24", "batch-norm"], &[4]),
                posterior: of("full-normal"),
                prior: of("exemplar:count=11,neighbours=3"),
                activation: "gelu".parse().unwrap(),
                ..base(13, DENSITIES)
            },
            element: F64,
            any_order: false,
            rows: 40,
            value: |i, j| match j {
                7 => (mixed(i, j) % 1001) as f64 / 1000.0,
                5 | 6 => (1 + mixed(i, j) % 5000) as f64 / 100.0,
                _ => (mixed(i, j) % 4000) as f64 / 1000.0 - 2.0,
            },
        },
        Case {
            name: "softplus",
            config: VaeConfig {
                posterior: of("logistic"),
                activation: "softplus".parse().unwrap(),
                ..base(9, "masked:of=(mixture:of=student-t)")
            },
            element: F32,
            any_order: false,
            rows: 40,
            value: |i, j| match mixed(i, j) % 9 {
                0 => f64::NAN,
                1 => -0.0,
                n => n as f64 / 8.0,
            },
        },
        Case {
            name: "leaky",
            config: VaeConfig {
                activation: "leaky-relu".parse().unwrap(),
                ..base(9, "zero-inflated:of=negative-binomial")
            },
            element: Element::Number { kind: Kind::U16, big_endian: true },
            any_order: false,
            rows: 40,
            value: |i, j| {
                if mixed(i, j).is_multiple_of(3) { 0.0 } else { (mixed(i, j) % 300) as f64 }
            },
        },
    ]
}

impl Case {
    fn bytes(&self) -> Vec<Vec<u8>> {
        let row = |i| {
            let mut bytes = Vec::new();
            (0..self.config.width).for_each(|j| self.element.write((self.value)(i, j), &mut bytes));
            bytes
        };
        (0..self.rows).map(row).collect()
    }

    fn model(&self) -> Model<f32> {
        let vae = Vae::<f32>::new(self.config.clone()).unwrap();
        let data =
            Moments { mean: vec![0.3; self.config.width], variance: vec![0.2; self.config.width] };
        let params = vae.init(Init::Uniform, 7, Some(&data));
        let model = Model { params, header: Header::new(&self.config, None), vae: vae.into() };
        pack(&model).1
    }

    fn write(&self, model: &Model<f32>) -> Vec<u8> {
        let (rows, bytes) =
            (self.bytes(), if self.name == "bits" { Bytes::Bits } else { Bytes::Levels });
        let mut source = |first: u64, count: usize| {
            Ok(rows.iter().skip(first as usize).take(count).cloned().collect())
        };
        let count = rows.len() as u64;
        let settings = Settings { bins: 10, any_order: self.any_order, block: 25 };
        let frame = FrameDescription::array(model, self.element, bytes, count, &mut source);
        let name = self.name.as_bytes();
        let description =
            Description::new(model, frame.unwrap(), settings, name, count, &mut source).unwrap();
        let mut out = Vec::new();
        let inside = pack(model).0;
        archive::write(&mut out, model, Some(&inside), &description, &mut source, &mut |_| {})
            .unwrap();
        out
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn read(bytes: &[u8]) -> (Model<f32>, Vec<u8>) {
    let mut archive = Archive::open(Path::new("golden"), Cursor::new(bytes)).unwrap();
    let model = unpack(&archive.inside).unwrap();
    let (mut out, rows) = (Vec::new(), archive.description.rows);
    let mut keep = |bytes: &[u8]| {
        out.extend_from_slice(bytes);
        Ok(())
    };
    let lost = archive.read(&model, 0..rows, &mut keep, &mut |_| {}).unwrap();
    assert!(lost.is_empty(), "{lost:?}");
    (model, out)
}

/// One test, because the instruction set is the whole process's.
#[test]
fn what_was_written_once_is_read_for_ever() {
    let (folder, mut list) = (folder(), String::new());
    for case in cases() {
        let path = folder.join(format!("{}.elbo", case.name));
        let is_written = std::env::var("ELBO_GOLDEN").is_ok_and(|v| v == "write");
        if is_written {
            fs::write(&path, case.write(&case.model())).unwrap();
        }
        let golden = fs::read(&path).unwrap();
        let sorted = |bytes: &[u8]| {
            let mut rows: Vec<_> =
                bytes.chunks(case.element.size() * case.config.width).map(<[u8]>::to_vec).collect();
            rows.sort();
            rows
        };
        for isa in [Isa::Portable, Isa::V3, Isa::V4] {
            simd::force(Some(isa));
            if simd::isa() != isa {
                println!("skipped: this machine has not {isa:?}");
                continue;
            }
            let (model, found) = read(&golden);
            let want = case.bytes().concat();
            assert!(
                if case.any_order { sorted(&found) == sorted(&want) } else { found == want },
                "{} {isa:?}",
                case.name
            );
            assert!(
                case.write(&model) == golden,
                "{} is written in other bytes by {isa:?}",
                case.name
            );
            if isa == Isa::Portable {
                let hash = hexadecimal(&Sha256::digest(&found));
                list += &format!("{hash} {} {}.elbo\n", case.rows, case.name);
            }
        }
        simd::force(None);
        if is_written {
            fs::write(folder.join("rows.txt"), &list).unwrap();
        }
    }
    assert_eq!(fs::read_to_string(folder.join("rows.txt")).unwrap(), list);
}
