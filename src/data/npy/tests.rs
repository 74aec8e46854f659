//! Whole files, made byte by byte.

use super::super::Dataset;
use super::super::input::testing::{assert_refused, input};
use super::super::testing::all;
use super::*;

/// A file of version 1.0 with this dictionary.
fn npy(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((dictionary.len() as u16).to_le_bytes());
    bytes.extend(dictionary.as_bytes());
    bytes.extend(data);
    bytes
}

/// A dictionary in C order.
fn dictionary(descr: &str, shape: &str) -> String {
    format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n")
}

fn parsed(bytes: &[u8]) -> Result<Npy> {
    read(input(bytes)?)
}

/// The values, in the type in which they are kept.
fn singles(array: &Npy) -> &[f32] {
    match &array.values {
        Values::F32(values) => values,
        other => panic!("{other:?}"),
    }
}

fn doubles(array: &Npy) -> &[f64] {
    match &array.values {
        Values::F64(values) => values,
        other => panic!("{other:?}"),
    }
}

fn bytes(array: &Npy) -> &[u8] {
    match &array.values {
        Values::U8(values) => values,
        other => panic!("{other:?}"),
    }
}

/// A file in C order.
fn array(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    npy(&dictionary(descr, shape), data)
}

#[test]
fn bytes_are_read() {
    let array = parsed(&array("'|u1'", "(2, 3)", &[1, 2, 3, 4, 5, 255])).unwrap();
    assert_eq!(array.shape, [2, 3]);
    assert_eq!(bytes(&array), [1, 2, 3, 4, 5, 255]);
}

#[test]
fn floats_are_read_in_both_byte_orders_and_all_numbers_of_axes() {
    let values = [0.5f32, -1.25, 3e38, f32::MIN_POSITIVE, f32::INFINITY, 7.0];
    let little = values.map(f32::to_le_bytes).concat();
    let big = values.map(f32::to_be_bytes).concat();
    let shapes: [(&str, &[usize]); 4] = [
        ("(6,)", &[6]),
        ("(2, 3)", &[2, 3]),
        ("(2, 3, 1)", &[2, 3, 1]),
        ("(1, 2, 3, 1)", &[1, 2, 3, 1]),
    ];
    for (text, shape) in shapes {
        for (descr, data) in [("'<f4'", &little), ("'>f4'", &big)] {
            let array = parsed(&array(descr, text, data)).unwrap();
            assert_eq!(array.shape, shape);
            assert_eq!(singles(&array), values, "{descr} {text}");
        }
    }
}

#[test]
fn doubles_stay_doubles() {
    let values = [0.1, -1e-300, f64::NEG_INFINITY, 1e39];
    let little = values.map(f64::to_le_bytes).concat();
    let big = values.map(f64::to_be_bytes).concat();
    for (descr, data) in [("'<f8'", little), ("'>f8'", big)] {
        let array = parsed(&array(descr, "(2, 2)", &data)).unwrap();
        assert_eq!(doubles(&array), values);
    }
}

/// Numbers from −50 to 49 as all types hold them, in some order.
fn whole_numbers(count: usize) -> impl Iterator<Item = i32> + Clone {
    (0..count as i32).map(|i| i * 37 % 100 - 50)
}

/// A type of numbers: its name, and how it writes one, least significant byte first.
type Type = (&'static str, fn(i32) -> Vec<u8>);

/// All types of numbers.
fn types() -> [Type; 10] {
    [
        ("i1", |v| (v as i8).to_le_bytes().to_vec()),
        ("i2", |v| (v as i16).to_le_bytes().to_vec()),
        ("i4", |v| v.to_le_bytes().to_vec()),
        ("i8", |v| (v as i64).to_le_bytes().to_vec()),
        ("u2", |v| ((v + 50) as u16).to_le_bytes().to_vec()),
        ("u4", |v| ((v + 50) as u32).to_le_bytes().to_vec()),
        ("u8", |v| ((v + 50) as u64).to_le_bytes().to_vec()),
        ("f2", |v| {
            let power = (v != 0).then(|| v.unsigned_abs().ilog2());
            let magnitude = power.map_or(0, |p| {
                (p as u16 + 15) << 10 | ((v.unsigned_abs() << (10 - p)) & 1023) as u16
            });
            (magnitude | u16::from(v < 0) << 15).to_le_bytes().to_vec()
        }),
        ("f4", |v| (v as f32).to_le_bytes().to_vec()),
        ("f8", |v| (v as f64).to_le_bytes().to_vec()),
    ]
}

/// Every type in both byte orders: its name in a header, its bytes, and the values.
fn stored_types(count: usize) -> Vec<(String, Vec<u8>, Vec<f64>)> {
    let both =
        types().into_iter().flat_map(|(name, write)| [(name, write, '<'), (name, write, '>')]);
    both.map(|(name, write, order)| {
        let unsigned = if name.starts_with('u') { 50 } else { 0 };
        let bytes = whole_numbers(count).flat_map(|v| {
            let mut bytes = write(v);
            if order == '>' {
                bytes.reverse();
            }
            bytes
        });
        let values = whole_numbers(count).map(|v| (v + unsigned).into()).collect();
        (format!("'{order}{name}'"), bytes.collect(), values)
    })
    .collect()
}

/// A dataset of these bytes.
fn data(bytes: &[u8]) -> Dataset {
    dataset(input(bytes).unwrap()).unwrap()
}

#[test]
fn all_types_of_numbers_are_read_as_they_are() {
    for (descr, bytes, values) in stored_types(100) {
        let data = data(&array(&descr, "(25, 4)", &bytes));
        assert_eq!(all::<f64>(&data), values, "{descr}");
        let singles = ["i1'", "i2'", "u2'", "f2'", "f4'"].iter().any(|end| descr.ends_with(end));
        assert_eq!(matches!(data.values(), Values::F32(_)), singles, "{descr}");
        assert_eq!(data.bytes(), None);
    }
}

#[test]
fn fortran_order_is_the_transpose() {
    for (descr, bytes, values) in stored_types(120) {
        let text = format!("{{'descr': {descr}, 'fortran_order': True, 'shape': (5, 2, 4, 3), }}");
        let found = all::<f64>(&data(&npy(&text, &bytes)));
        for (i, value) in values.iter().enumerate() {
            let [a, b, c, d] = [i % 5, i / 5 % 2, i / 10 % 4, i / 40];
            assert_eq!(found[((a * 2 + b) * 4 + c) * 3 + d], *value, "{descr} {i}");
        }
    }
    let text = "{'descr': '|u1', 'fortran_order': True, 'shape': (3, 2), }";
    assert_eq!(bytes(&parsed(&npy(text, &[1, 2, 3, 4, 5, 6])).unwrap()), [1, 4, 2, 5, 3, 6]);
}

#[test]
fn truth_values_are_0_and_1() {
    let bools = data(&array("'|b1'", "(2, 2)", &[1, 0, 0, 1]));
    assert_eq!(all::<f32>(&bools), [1.0, 0.0, 0.0, 1.0]);
    assert_eq!(bools.bytes(), Some(Bytes::Bits));
    assert_refused(dataset(input(&array("'|b1'", "(2,)", &[1, 2])).unwrap()), "a byte of 2");
}

#[test]
fn integers_that_no_float_is_equal_to_are_refused() {
    const MOST: i64 = 1 << 53;
    let signed =
        |values: [i64; 4]| array("'<i8'", "(2, 2)", &values.map(i64::to_le_bytes).concat());
    let exact = [MOST, -MOST, MOST + 2, i64::MIN];
    assert_eq!(doubles(&parsed(&signed(exact)).unwrap()), exact.map(|v| v as f64));
    for (wrong, place) in [
        ([0, 0, MOST + 1, 0], "row 2, column 1: the integer 9007199254740993"),
        ([0, -MOST - 1, 0, 0], "row 1, column 2: the integer -9007199254740993"),
        ([0, 0, 0, i64::MAX], "row 2, column 2: the integer 9223372036854775807"),
    ] {
        assert_refused(parsed(&signed(wrong)), place);
    }
    let most = [u64::MAX, 0].map(u64::to_be_bytes).concat();
    assert_refused(parsed(&array("'>u8'", "(2,)", &most)), "the integer 18446744073709551615");
    let text = "{'descr': '<i8', 'fortran_order': True, 'shape': (2, 2), }";
    let columns = [0, 0, MOST + 1, 0].map(i64::to_le_bytes).concat();
    assert_refused(parsed(&npy(text, &columns)), "row 1, column 2: the integer");
}

#[test]
fn values_that_stay_in_the_file_are_the_same() {
    let mut table = stored_types(6000);
    let bytes = (0..6000).map(|i| i as u8);
    table.push((
        "'|u1'".to_owned(),
        bytes.clone().collect(),
        bytes.map(|v| v as f64 * (1.0 / 255.0)).collect(),
    ));
    for (descr, bytes, values) in table {
        let bytes = array(&descr, "(2, 3000)", &bytes);
        let (header, end) = read_header(&input(&bytes).unwrap()).unwrap();
        let (element, _) = element(&input(&bytes).unwrap(), &header).unwrap();
        let stored = Stored::new(input(&bytes).unwrap(), end, element, 6000);
        let stored = Dataset::new(Values::Stored(stored), 3000).unwrap();
        let loaded = data(&bytes);
        assert!(all::<f64>(&stored) == values && all::<f64>(&loaded) == values, "{descr}");
        assert_eq!(stored.fingerprint(), loaded.fingerprint(), "{descr}");
        assert_eq!(stored.values().are_bytes(), descr == "'|u1'");
    }
}

#[test]
fn versions_2_and_3_are_read() {
    let text = dictionary("'|u1'", "(2,)");
    for version in [2, 3] {
        let mut bytes = b"\x93NUMPY".to_vec();
        bytes.extend([version, 0]);
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.extend([8, 9]);
        let array = parsed(&bytes).unwrap();
        assert_eq!(super::tests::bytes(&array), [8, 9]);
    }
}

#[test]
fn a_vector_has_no_order() {
    let text = "{'descr': '|u1', 'fortran_order': True, 'shape': (2,), }";
    assert_eq!(parsed(&npy(text, &[1, 2])).unwrap().shape, [2]);
}

#[test]
fn every_truncation_is_refused() {
    let whole = array("'<f4'", "(2, 3)", &[0; 24]);
    let header = whole.len() - 24;
    for length in 0..whole.len() {
        let expected = match length {
            0 => "empty",
            1..6 => "not a NumPy array",
            _ if length < header => "ends inside its header",
            _ => "more than the",
        };
        assert_refused(parsed(&whole[..length]), expected);
    }
}

#[test]
fn malformed_files_are_refused() {
    let huge = "(4294967295, 4294967295, 4294967295, 4294967295)";
    let table: [(Vec<u8>, &str); 22] = [
        (array("'|O'", "(3,)", &[0; 24]), "pickled"),
        (array("[('a', '|O')]", "(3,)", &[0; 24]), "pickled"),
        (
            array("[('a', '<f4'), ('b', '|u1', (2,))]", "(1,)", &[0; 6]),
            "structured_to_unstructured",
        ),
        (array("'<f16'", "(1,)", &[0; 16]), "'<f16' where an integer"),
        (array("'<c8'", "(1,)", &[0; 8]), "'<c8'"),
        (array("'<U3'", "(1,)", &[0; 12]), "'<U3'"),
        (array("'|S3'", "(1,)", &[0; 3]), "if the words are numbers"),
        (array("'<M8[ns]'", "(1,)", &[0; 8]), "'<M8[ns]'"),
        (array("'<f4'", "()", &[0; 4]), "single number"),
        (array("'<f4'", "(1, 1, 1, 1, 1)", &[0; 4]), "5 axes"),
        (array("'<f4'", "(0, 3)", &[]), "empty (0 × 3)"),
        (array("'<f4'", "(3, 0)", &[]), "empty (3 × 0)"),
        (array("'|u1'", "(2,)", &[0; 3]), "less than the 3 bytes"),
        (array("'<f4'", "(2,)", &[0; 7]), "more than the 7 bytes"),
        (array("'<f4'", "(4294967295, 4294967295)", &[0; 8]), "more than the 8 bytes"),
        (array("'<f4'", huge, &[]), "any file"),
        (array("'<f4'", "(9223372036854775808, 0, 2)", &[]), "any file"),
        (array("'<f4'", "(0, 9223372036854775808, 2)", &[]), "any file"),
        (b"\x93NUMPY\x04\x00\x02\x00{}".to_vec(), "version is 4.0"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}".to_vec(), "claims 4294967295 bytes"),
        (vec![0, 0, 8, 1, 0, 0, 0, 1, 7], "this is an IDX file"),
        (b"\x80\x04\x95 pickle".to_vec(), "a Python pickle"),
    ];
    for (bytes, expected) in table {
        assert_refused(parsed(&bytes), expected);
    }
}

#[test]
fn headers_that_are_not_numpys_are_refused() {
    for text in [
        "",
        "{}",
        "[]",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'shape': (1,), }",
        "{'descr': '=f4', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 1, }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0xff,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1L,), }",
        "{'descr': '<f4', 'fortran_order': False, 'sh\\x61pe': (1,), }",
        "{\"descr\": '<f4', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)",
    ] {
        assert_refused(parsed(&npy(text, &[0; 4])), "plain dictionary");
    }
    let invalid_utf8 = b"\x93NUMPY\x01\x00\x05\x00{'\xff'}";
    assert_refused(parsed(invalid_utf8), "plain dictionary");
}

#[test]
fn headers_that_are_dear_to_parse_are_not_parsed() {
    for text in [
        "(".repeat(9000),
        "[".repeat(9000),
        "{".repeat(9000),
        "{'a':".repeat(1000),
        "('))))', ".repeat(1000),
        "'''a'b'''(".repeat(100),
    ] {
        assert_eq!(screen(text.as_bytes()), Err(NOT_PLAIN), "{}", &text[..10]);
    }
    let product = dictionary("'<f4'", &format!("({})", "7, ".repeat(3000)));
    assert_refused(parsed(&npy(&product, &[0; 4])), "any file");
}

#[test]
fn a_folder_is_refused() {
    assert_refused(Input::open(tempfile::tempdir().unwrap().path()), "folder");
}

#[test]
fn what_is_written_is_read() {
    let values = (0..24).map(|i| i as f32 / 7.0).collect::<Vec<_>>();
    for shape in [&[24][..], &[4, 6], &[2, 3, 4], &[2, 2, 3, 2]] {
        let mut bytes = Vec::new();
        let exact = values.iter().map(|&v| v as f64);
        write(&mut bytes, shape, exact.clone(), false).unwrap();
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        let array = parsed(&bytes).unwrap();
        assert_eq!(array.shape, shape);
        assert_eq!(singles(&array), values);
        let mut bytes = Vec::new();
        write(&mut bytes, shape, exact.clone(), true).unwrap();
        assert_eq!(doubles(&parsed(&bytes).unwrap()), exact.collect::<Vec<_>>());
    }
}

#[test]
fn writing_a_wrong_number_of_values_fails() {
    for shape in [[2, 3], [usize::MAX, 2]] {
        let error = write(&mut Vec::new(), &shape, [0.0; 5].into_iter(), false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
