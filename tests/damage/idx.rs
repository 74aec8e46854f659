//! IDX files, plain and packed.

use crate::contract::{Growth, source};
use crate::damages::{damaged, gzip};
use elbo::data::{ReadOptions, Values};
use proptest::collection::vec;
use proptest::prelude::*;

const NAME: &str = "some.idx";

/// A file of one to four axes, and its values.
fn idx() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> + Clone {
    vec(1..7u32, 1..=4).prop_flat_map(|dims| {
        let count = dims.iter().product::<u32>() as usize;
        vec(any::<u8>(), count).prop_map(move |values| {
            let mut bytes = vec![0, 0, 8, dims.len() as u8];
            bytes.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
            bytes.extend(&values);
            (bytes, values)
        })
    })
}

fn read(bytes: &[u8]) -> Option<Vec<u8>> {
    let source = source(NAME, bytes, &ReadOptions::default(), Growth::Idx)?;
    match source.train.values() {
        Values::U8(values) => Some(values.clone()),
        other => panic!("an IDX file holds bytes, not {other:?}"),
    }
}

proptest! {
    #![proptest_config(crate::cases(2000))]

    #[test]
    fn what_was_written_is_read((bytes, values) in idx()) {
        prop_assert_eq!(read(&bytes), Some(values.clone()));
        prop_assert_eq!(read(&gzip(&bytes)), Some(values));
    }

    #[test]
    fn damage_is_survived(bytes in damaged(idx().prop_map(|(bytes, _)| bytes))) {
        read(&bytes);
    }

    #[test]
    fn damage_to_a_packed_file_is_noticed(
        (whole, values) in idx(),
        bytes in damaged(idx().prop_map(|(bytes, _)| gzip(&bytes))),
        packed in damaged(idx().prop_map(|(bytes, _)| bytes)),
    ) {
        read(&bytes);
        read(&gzip(&packed)); // damaged first, so that its checksum is right
        // The checksum covers the values.
        let mut flipped = gzip(&whole);
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        prop_assert!(read(&flipped).is_none_or(|found| found == values));
    }
}
