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

#[test]
fn values_that_stay_in_the_file_are_the_same() {
    let values: Vec<f64> = (0..6000).map(|i| (i as f64 * 0.37).sin()).collect();
    let singles = || values.iter().map(|&v| v as f32);
    let table: [(&str, Vec<u8>); 5] = [
        ("'|u1'", (0..6000).map(|i| i as u8).collect()),
        ("'<f4'", singles().flat_map(f32::to_le_bytes).collect()),
        ("'>f4'", singles().flat_map(f32::to_be_bytes).collect()),
        ("'<f8'", values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("'>f8'", values.iter().flat_map(|v| v.to_be_bytes()).collect()),
    ];
    for (descr, data) in table {
        let bytes = array(descr, "(2, 3000)", &data);
        let (header, end) = read_header(&input(&bytes).unwrap()).unwrap();
        let element = element(&input(&bytes).unwrap(), &header).unwrap();
        let stored = Stored::new(input(&bytes).unwrap(), end, element, 6000);
        let stored = Dataset::new(Values::Stored(stored), 3000).unwrap();
        let loaded = Dataset::new(parsed(&bytes).unwrap().values, 3000).unwrap();
        assert_eq!(all::<f64>(&stored), all::<f64>(&loaded), "{descr}");
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
    let fortran = "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }";
    let huge = "(4294967295, 4294967295, 4294967295, 4294967295)";
    let table: [(Vec<u8>, &str); 25] = [
        (npy(fortran, &[0; 4]), "numpy.ascontiguousarray"),
        (array("'|O'", "(3,)", &[0; 24]), "pickled"),
        (array("[('a', '|O')]", "(3,)", &[0; 24]), "pickled"),
        (array("[('a', '<f4'), ('b', '|u1', (2,))]", "(1,)", &[0; 6]), "several fields"),
        (array("'<i8'", "(1,)", &[0; 8]), "'<i8'"),
        (array("'|i1'", "(1,)", &[0; 1]), ".astype(\"float32\")"),
        (array("'|b1'", "(1,)", &[0; 1]), "'|b1'"),
        (array("'<f2'", "(1,)", &[0; 2]), "'<f2'"),
        (array("'<c8'", "(1,)", &[0; 8]), "'<c8'"),
        (array("'<U3'", "(1,)", &[0; 12]), "'<U3'"),
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
