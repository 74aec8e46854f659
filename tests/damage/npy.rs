//! NumPy's files.

use crate::contract::{Growth, source};
use crate::damages::{damaged, gzip};
use elbo::data::{ReadOptions, Values, npy};
use proptest::collection::vec;
use proptest::prelude::*;

const NAME: &str = "some.npy";

/// How values are stored, and NumPy's name for it.
#[derive(Clone, Copy, Debug)]
enum Dtype {
    U1,
    F4 { big: bool },
    F8 { big: bool },
}

impl Dtype {
    fn name(self) -> &'static str {
        match self {
            Dtype::U1 => "|u1",
            Dtype::F4 { big: false } => "<f4",
            Dtype::F4 { big: true } => ">f4",
            Dtype::F8 { big: false } => "<f8",
            Dtype::F8 { big: true } => ">f8",
        }
    }

    /// The value's bytes in a file, and the value that is there.
    fn stored(self, value: f64) -> (Vec<u8>, f64) {
        match self {
            Dtype::U1 => (vec![value as u8], value as u8 as f64),
            Dtype::F4 { big } => {
                let value = value as f32;
                let bytes = if big { value.to_be_bytes() } else { value.to_le_bytes() };
                (bytes.to_vec(), value as f64)
            }
            Dtype::F8 { big } => {
                let bytes = if big { value.to_be_bytes() } else { value.to_le_bytes() };
                (bytes.to_vec(), value)
            }
        }
    }
}

fn dtype() -> impl Strategy<Value = Dtype> + Clone {
    prop_oneof![
        Just(Dtype::U1),
        any::<bool>().prop_map(|big| Dtype::F4 { big }),
        any::<bool>().prop_map(|big| Dtype::F8 { big }),
    ]
}

/// Values that `f32` holds too.
fn value() -> impl Strategy<Value = f64> + Clone {
    prop_oneof![0.0..256.0, -1e30..1e30f64, Just(-0.0)]
}

/// Axes, and as many values.
fn array() -> impl Strategy<Value = (Vec<usize>, Vec<f64>)> + Clone {
    vec(1..6usize, 1..=4).prop_flat_map(|shape| {
        let count = shape.iter().product::<usize>();
        (Just(shape), vec(value(), count))
    })
}

/// A file as NumPy writes it, in one of the versions, and its values.
fn file() -> impl Strategy<Value = (Vec<u8>, Vec<f64>)> + Clone {
    (array(), dtype(), 1..=3u8).prop_map(|((shape, values), dtype, version)| {
        let axes = shape.iter().map(|n| format!("{n}, ")).collect::<String>();
        let header =
            format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({axes}), }}", dtype.name());
        let prefix = if version == 1 { 10 } else { 12 };
        let length = (prefix + header.len() + 1).next_multiple_of(64) - prefix;
        let mut bytes = [&b"\x93NUMPY"[..], &[version, 0]].concat();
        bytes.extend(&(length as u32).to_le_bytes()[..prefix - 8]);
        bytes.extend(format!("{header:<0$}\n", length - 1).as_bytes());
        let (stored, values): (Vec<_>, Vec<_>) = values.iter().map(|v| dtype.stored(*v)).unzip();
        bytes.extend(stored.concat());
        (bytes, values)
    })
}

/// The values, bytes as they came.
fn read(bytes: &[u8]) -> Option<Vec<f64>> {
    let source = source(NAME, bytes, &ReadOptions::default(), Growth::Npy)?;
    Some(match source.train.values() {
        Values::U8(values) => values.iter().map(|&v| v as f64).collect(),
        Values::F32(values) => values.iter().map(|&v| v as f64).collect(),
        Values::F64(values) => values.clone(),
        other => panic!("{other:?}"),
    })
}

/// Equal to the bit.
fn bits(values: Vec<f64>) -> Vec<u64> {
    values.into_iter().map(f64::to_bits).collect()
}

proptest! {
    #![proptest_config(crate::cases(2000))]

    #[test]
    fn what_numpy_wrote_is_read((bytes, values) in file()) {
        prop_assert_eq!(read(&gzip(&bytes)), read(&bytes));
        prop_assert_eq!(read(&bytes).map(bits), Some(bits(values)));
    }

    #[test]
    fn what_was_written_is_read((shape, values) in array(), double in any::<bool>()) {
        let mut bytes = Vec::new();
        npy::write(&mut bytes, &shape, values.iter().copied(), double)?;
        let rounded = |v: f64| if double { v } else { v as f32 as f64 };
        let expected = values.into_iter().map(rounded).collect();
        prop_assert_eq!(read(&bytes).map(bits), Some(bits(expected)));
    }

    #[test]
    fn damage_is_survived(bytes in damaged(file().prop_map(|(bytes, _)| bytes))) {
        read(&bytes);
    }
}
