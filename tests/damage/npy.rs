//! NumPy's files.

use crate::contract::{Growth, source};
use crate::damages::{damaged, gzip};
use elbo::data::{ReadOptions, Source, Values, npy};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const NAME: &str = "some.npy";

/// NumPy's names of the types of numbers, without byte order.
const TYPES: [&str; 11] = ["u1", "i1", "i2", "i4", "i8", "u2", "u4", "u8", "f2", "f4", "f8"];

/// A value's bytes in a file, the least significant first, and the value that is there.
fn stored(dtype: &str, value: f64) -> (Vec<u8>, f64) {
    macro_rules! whole {
        ($type:ty) => {{
            // Integers that `f64` does not hold are refused.
            let value = value.clamp(-1e15, 1e15) as $type;
            (value.to_le_bytes().to_vec(), value as f64)
        }};
    }
    match dtype {
        "u1" => ((value as u8).to_le_bytes().to_vec(), value as u8 as f64),
        "i1" => whole!(i8),
        "i2" => whole!(i16),
        "i4" => whole!(i32),
        "i8" => whole!(i64),
        "u2" => whole!(u16),
        "u4" => whole!(u32),
        "u8" => whole!(u64),
        "f2" => {
            // The powers of two are enough here: sign and exponent.
            let exponent = value.abs().log2().clamp(-14.0, 15.0).floor();
            let bits = ((exponent as i32 + 15) as u16) << 10 | u16::from(value < 0.0) << 15;
            (
                bits.to_le_bytes().to_vec(),
                exponent.exp2().copysign(if value < 0.0 { -1.0 } else { 1.0 }),
            )
        }
        "f4" => ((value as f32).to_le_bytes().to_vec(), value as f32 as f64),
        "f8" => (value.to_le_bytes().to_vec(), value),
        other => panic!("{other}"),
    }
}

/// Where value `i` of a file in Fortran order is in C order.
fn in_c_order(i: usize, shape: &[usize]) -> usize {
    let mut rest = i;
    let index = shape.iter().map(|n| {
        let place = rest % n;
        rest /= n;
        place
    });
    index.zip(shape).fold(0, |place, (i, n)| place * n + i)
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

/// A file as NumPy writes it, in one of the versions, and its values in C order.
pub(crate) fn file() -> impl Strategy<Value = (Vec<u8>, Vec<f64>)> + Clone {
    let layout = (select(TYPES.to_vec()), any::<bool>(), any::<bool>(), 1..=3u8);
    (array(), layout).prop_map(|((shape, values), (dtype, big, fortran, version))| {
        let axes = shape.iter().map(|n| format!("{n}, ")).collect::<String>();
        let order = if big { '>' } else { '<' };
        let fortran_order = if fortran { "True" } else { "False" };
        let header = format!(
            "{{'descr': '{order}{dtype}', 'fortran_order': {fortran_order}, 'shape': ({axes}), }}"
        );
        let prefix = if version == 1 { 10 } else { 12 };
        let length = (prefix + header.len() + 1).next_multiple_of(64) - prefix;
        let mut bytes = [&b"\x93NUMPY"[..], &[version, 0]].concat();
        bytes.extend(&(length as u32).to_le_bytes()[..prefix - 8]);
        bytes.extend(format!("{header:<0$}\n", length - 1).as_bytes());
        let mut expected = vec![0.0; values.len()];
        for (i, value) in values.iter().enumerate() {
            let (mut value_bytes, value) = stored(dtype, *value);
            if big {
                value_bytes.reverse();
            }
            bytes.extend(value_bytes);
            expected[if fortran { in_c_order(i, &shape) } else { i }] = value;
        }
        (bytes, expected)
    })
}

/// The values, bytes as they came.
pub(crate) fn values(source: &Source) -> Vec<f64> {
    match source.train.values() {
        Values::U8(values) => values.iter().map(|&v| v as f64).collect(),
        Values::F32(values) => values.iter().map(|&v| v as f64).collect(),
        Values::F64(values) => values.clone(),
        other => panic!("{other:?}"),
    }
}

fn read(bytes: &[u8]) -> Option<Vec<f64>> {
    source(NAME, bytes, &ReadOptions::default(), Growth::Npy).map(|source| values(&source))
}

/// Equal to the bit.
pub(crate) fn bits(values: Vec<f64>) -> Vec<u64> {
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
