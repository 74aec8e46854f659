//! Tables in columns: Parquet and Arrow's own files.

use crate::contract::{Growth, source};
use crate::damages::damaged;
use crate::npy;
use arrow_array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray};
use elbo::data::ReadOptions;
use parquet::arrow::ArrowWriter;
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;

const NAME: &str = "some.parquet";

/// A table of two columns with numbers and one with labels, and its numbers by row.
fn table() -> impl Strategy<Value = (RecordBatch, Vec<f64>)> + Clone {
    vec((-1e9..1e9f64, any::<i32>(), 0..3usize), 1..20).prop_map(|rows| {
        let x: Float64Array = rows.iter().map(|row| Some(row.0)).collect();
        let n: Int32Array = rows.iter().map(|row| Some(row.1)).collect();
        let kind = StringArray::from_iter_values(rows.iter().map(|row| ["a", "b", "c"][row.2]));
        let columns: [(&str, ArrayRef); 3] =
            [("x", Arc::new(x)), ("n", Arc::new(n)), ("kind", Arc::new(kind))];
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        (batch, rows.iter().flat_map(|row| [row.0, row.1.into()]).collect())
    })
}

fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("a writer");
    writer.write(batch).expect("a vector takes everything");
    writer.into_inner().expect("as above")
}

fn arrow(batch: &RecordBatch) -> Vec<u8> {
    let mut writer =
        arrow_ipc::writer::FileWriter::try_new(Vec::new(), &batch.schema()).expect("a writer");
    writer.write(batch).expect("a vector takes everything");
    writer.into_inner().expect("as above")
}

fn read(bytes: &[u8]) -> Option<Vec<f64>> {
    let options = ReadOptions { label: Some("kind".to_owned()), ..ReadOptions::default() };
    source(NAME, bytes, &options, Growth::Columns).map(|source| npy::values(&source))
}

proptest! {
    #![proptest_config(crate::cases(300))]

    #[test]
    fn what_was_written_is_read((batch, values) in table()) {
        for bytes in [parquet(&batch), arrow(&batch)] {
            prop_assert_eq!(read(&bytes).map(npy::bits), Some(npy::bits(values.clone())));
        }
    }

    #[test]
    fn damage_to_parquet_is_survived(bytes in damaged(table().prop_map(|(batch, _)| parquet(&batch)))) {
        read(&bytes);
    }

    #[test]
    fn damage_to_arrow_is_survived(bytes in damaged(table().prop_map(|(batch, _)| arrow(&batch)))) {
        read(&bytes);
    }
}
