//! Whole files of both formats, made by the crates that read them.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, DictionaryArray, Float16Array, Float32Array, Float64Array,
    Int64Array, StringArray, TimestampMicrosecondArray, TimestampSecondArray, UInt8Array,
    UInt64Array,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::super::input::testing::assert_refused;
use super::super::reader::Expected;
use super::super::testing::all;
use super::super::{ColumnKind, Columns};
use super::*;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

/// A table with numbers of many types, and a column of text.
fn table() -> RecordBatch {
    let half = Float16Array::from_iter_values(
        [0.5f32, -2.0].map(<Float16Type as ArrowPrimitiveType>::Native::from_f32),
    );
    let coded = DictionaryArray::<Int8Type>::new(
        vec![1i8, 0].into(),
        Arc::new(Float64Array::from(vec![7.5, 8.5])),
    );
    let words: DictionaryArray<Int32Type> = ["red", "white"].into_iter().collect();
    batch(vec![
        ("kind", Arc::new(StringArray::from(vec!["b", "a"]))),
        ("acid", Arc::new(Float64Array::from(vec![1.5, -2.5]))),
        ("year", Arc::new(Int64Array::from(vec![2001, 1 << 60]))),
        ("sweet", Arc::new(BooleanArray::from(vec![true, false]))),
        ("grade", Arc::new(UInt8Array::from(vec![1, 0]))),
        ("half", Arc::new(half)),
        ("coded", Arc::new(coded)),
        ("colour", Arc::new(words)),
    ])
}

fn parquet(batch: &RecordBatch, compression: Compression) -> Vec<u8> {
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn arrow(batch: &RecordBatch, compression: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut writer =
        FileWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

/// A table in both formats.
fn both(batch: &RecordBatch) -> [Vec<u8>; 2] {
    [parquet(batch, Compression::SNAPPY), arrow(batch, None)]
}

fn open(bytes: &[u8], options: &ReadOptions) -> Result<Source> {
    Source::from_bytes("x", bytes.to_vec(), options)
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn columns(names: &[&str], label: Option<&str>) -> ReadOptions {
    let label = label.map(str::to_owned);
    ReadOptions { columns: Some(strings(names)), label, ..ReadOptions::default() }
}

#[test]
fn all_kinds_of_numbers_are_read_and_packed_in_all_ways() {
    let names = ["half", "acid", "year", "sweet", "grade", "coded"];
    let options = columns(&names, Some("kind"));
    let packed = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
    ];
    let kinds = [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)];
    let files = packed.into_iter().map(|kind| parquet(&table(), kind));
    for file in files.chain(kinds.into_iter().map(|kind| arrow(&table(), kind))) {
        let data = open(&file, &options).unwrap().train;
        let wide = (1u64 << 60) as f64;
        let expected = [0.5, 1.5, 2001.0, 1.0, 1.0, 8.5, -2.0, -2.5, wide, 0.0, 0.0, 7.5];
        assert_eq!(all::<f64>(&data), expected);
        assert_eq!(data.columns().texts().unwrap(), names);
        let labels = data.labels().unwrap();
        assert_eq!([labels.name(0), labels.name(1)], ["b", "a"]);
    }
}

#[test]
fn labels_are_text_or_numbers() {
    for file in both(&table()) {
        for (label, expected) in
            [("colour", ["red", "white"]), ("sweet", ["1", "0"]), ("coded", ["8.5", "7.5"])]
        {
            let data = open(&file, &columns(&["acid"], Some(label))).unwrap().train;
            let labels = data.labels().unwrap();
            assert_eq!([labels.name(0), labels.name(1)], expected, "{label}");
        }
    }
}

#[test]
fn what_is_no_number_is_refused_by_row_and_column() {
    let bad: [(&str, ArrayRef, &str); 7] = [
        (
            "n",
            Arc::new(Float64Array::from(vec![Some(1.0), None])),
            "row 2, column 2 (`n`): the cell is empty",
        ),
        (
            "n",
            Arc::new(Float32Array::from(vec![1.0, f32::NAN])),
            "row 2, column 2 (`n`): NaN is not",
        ),
        (
            "n",
            Arc::new(Int64Array::from(vec![(1 << 53) + 1, 0])),
            "row 1, column 2 (`n`): 9007199254740993",
        ),
        (
            "n",
            Arc::new(UInt64Array::from(vec![0, u64::MAX])),
            "row 2, column 2 (`n`): 18446744073709551615",
        ),
        (
            "n",
            Arc::new(StringArray::from(vec!["a", "b"])),
            "column 2 (`n`) is Utf8, and no number: name it with --label",
        ),
        ("n", Arc::new(TimestampSecondArray::from(vec![1, 2])), "leave it out with --drop n"),
        ("n", Arc::new(DictionaryArray::<Int8Type>::from_iter([Some("a"), None])), "and no number"),
    ];
    let good: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
    for (name, array, expected) in bad {
        for file in both(&batch(vec![("x", good.clone()), (name, array)])) {
            assert_refused(open(&file, &ReadOptions::default()), expected);
            assert_eq!(open(&file, &columns(&["x"], None)).unwrap().train.width(), 1);
        }
    }
    for file in both(&table()) {
        assert_refused(open(&file, &columns(&["rust"], None)), "there is no column `rust`");
        let all = ["acid"; 2];
        assert_refused(open(&file, &columns(&all, None)), "asked for twice");
    }
    for file in both(&batch(vec![("x", Arc::new(Float64Array::from(Vec::<f64>::new())))])) {
        assert_refused(open(&file, &ReadOptions::default()), "no rows");
    }
}

#[test]
fn pandas_index_is_left_out_unless_it_is_asked_for() {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![4, 5]));
    for file in both(&batch(vec![("x", column.clone()), (INDEX, column)])) {
        let source = open(&file, &ReadOptions::default()).unwrap();
        assert_eq!(source.train.columns().texts().unwrap(), ["x"]);
        assert!(source.notes[0].contains("pandas' index"), "{:?}", source.notes);
        let asked = open(&file, &columns(&["x", INDEX], None)).unwrap();
        assert_eq!((asked.train.width(), asked.notes.len()), (2, 0));
    }
}

#[test]
fn a_model_finds_its_columns_by_name() {
    let columns = Columns::alike(2, ColumnKind::Number);
    let columns = columns.with_names(strings(&["acid", "half"])).unwrap();
    let expected = Expected { columns: Some(columns), ..Expected::default() };
    let options = ReadOptions { expected: Some(expected), ..ReadOptions::default() };
    for file in both(&table()) {
        let data = open(&file, &options).unwrap().train;
        assert_eq!(all::<f64>(&data), [1.5, 0.5, -2.5, -2.0]);
    }
}

#[test]
fn every_truncation_is_refused() {
    let x: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
    for file in both(&batch(vec![("x", x)])) {
        for length in 1..file.len() {
            assert!(open(&file[..length], &ReadOptions::default()).is_err(), "{length}");
        }
    }
}

/// Text, dates, truth values and gaps: columns of several kinds, as those of a CSV file, where the reader may.
#[test]
fn a_table_of_several_kinds_is_one() {
    let table = batch(vec![
        ("town", Arc::new(StringArray::from(vec![Some("Rome"), None, Some("Bonn, \"a\"")]))),
        ("day", Arc::new(Date32Array::from(vec![Some(19_358), Some(19_359), None]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![1_672_572_600_000_000; 3]))),
        ("fee", Arc::new(Float64Array::from(vec![Some(0.1), Some(f64::NAN), Some(2.5)]))),
        ("paid", Arc::new(BooleanArray::from(vec![true, false, true]))),
        ("who", Arc::new(StringArray::from(vec!["x", "y", "x"]))),
    ]);
    let options = ReadOptions {
        mixed: true,
        drop: Some(strings(&["paid"])),
        label: Some("who".to_owned()),
        ..ReadOptions::default()
    };
    for file in both(&table) {
        let data = open(&file, &options).unwrap().train;
        let kinds = data.kinds().unwrap();
        let told: Vec<String> =
            kinds.columns.iter().map(|c| format!("{}: {}", c.name, c.describe())).collect();
        assert_eq!(told[0], "town: 2 classes: Bonn, \"a\", Rome");
        assert!(told[1].starts_with("day: date (%Y-%m-%d), 2023-01-01 … 2023-01-02"), "{told:?}");
        assert_eq!(told[2], "at: constant: 2023-01-01T11:30:00");
        assert!(told[3].starts_with("fee: number of 1 decimals, 0.1 … 2.5"), "{told:?}");
        assert_eq!(told.len(), 4);
        let values = all::<f64>(&data);
        let missing: Vec<bool> = values.iter().map(|v| v.is_nan()).collect();
        assert_eq!(missing, [false, false, false, true, false, true, false, true, false]);
        assert_eq!([values[0], values[2], values[6], values[8]], [1.0, 0.1, 0.0, 2.5]);
        assert_eq!(data.labels().unwrap().name(1), "y");

        // A model of it reads another such file by its own table, and only numbers take the way of numbers.
        let expected = Expected { kinds: Some(kinds.clone()), ..Expected::default() };
        let expected = Expected { columns: Some(data.columns().clone()), ..expected };
        let again = ReadOptions { expected: Some(expected), ..ReadOptions::default() };
        let again = all::<f64>(&open(&file, &again).unwrap().train);
        assert!(again.iter().zip(&values).all(|(a, b)| a == b || a.is_nan() && b.is_nan()));
        let paid = ReadOptions { mixed: true, ..columns(&["paid"], None) };
        let paid = open(&file, &paid).unwrap().train;
        assert!(paid.kinds().is_none() && all::<f64>(&paid) == [1.0, 0.0, 1.0]);
        assert_refused(open(&file, &ReadOptions::default()), "column 1 (`town`) is Utf8");
    }
}
