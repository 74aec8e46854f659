//! Whole files, made byte by byte.

use super::super::file::testing::{assert_refused, read_bytes};
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

/// A file in C order.
fn array(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    npy(&dictionary(descr, shape), data)
}

#[test]
fn bytes_are_read() {
    let array = read_bytes(&array("'|u1'", "(2, 3)", &[1, 2, 3, 4, 5, 255]), read).unwrap();
    assert_eq!(array.shape, [2, 3]);
    assert_eq!(array.values, Values::U8(vec![1, 2, 3, 4, 5, 255]));
    assert_eq!(array.note, None);
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
            let array = read_bytes(&array(descr, text, data), read).unwrap();
            assert_eq!(array.shape, shape);
            assert_eq!(array.values, Values::F32(values.to_vec()), "{descr} {text}");
            assert_eq!(array.note, None);
        }
    }
}

#[test]
fn doubles_are_rounded_with_a_note() {
    let values = [0.1, -1e-300, f64::NEG_INFINITY, 3.402_823_5e38];
    let little = values.map(f64::to_le_bytes).concat();
    let big = values.map(f64::to_be_bytes).concat();
    for (descr, data) in [("'<f8'", little), ("'>f8'", big)] {
        let array = read_bytes(&array(descr, "(2, 2)", &data), read).unwrap();
        let expected = vec![0.1, 0.0, f32::NEG_INFINITY, f32::MAX];
        assert_eq!(array.values, Values::F32(expected));
        assert!(array.note.is_some_and(|note| note.contains("rounded to float32")));
    }
}

#[test]
fn a_double_that_overflows_is_located() {
    let data = [0.0, 1.0, 2.0, 3.0, 4.0, -1e39].map(f64::to_le_bytes).concat();
    let table = [
        ("(2, 3)", "row 1, column 2 (from 0) holds -1e39"),
        ("(6,)", "row 5, column 0"),
        ("(1, 2, 3)", "row 0, column 5"),
    ];
    for (shape, expected) in table {
        assert_refused(read_bytes(&array("'<f8'", shape, &data), read), expected);
    }
}

#[test]
fn nan_survives() {
    let data = f64::NAN.to_le_bytes();
    match read_bytes(&array("'<f8'", "(1,)", &data), read).unwrap().values {
        Values::F32(values) => assert!(values[0].is_nan()),
        other => panic!("{other:?}"),
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
        let array = read_bytes(&bytes, read).unwrap();
        assert_eq!(array.values, Values::U8(vec![8, 9]));
    }
}

#[test]
fn a_vector_has_no_order() {
    let text = "{'descr': '|u1', 'fortran_order': True, 'shape': (2,), }";
    assert_eq!(read_bytes(&npy(text, &[1, 2]), read).unwrap().shape, [2]);
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
        assert_refused(read_bytes(&whole[..length], read), expected);
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
        assert_refused(read_bytes(&bytes, read), expected);
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
        assert_refused(read_bytes(&npy(text, &[0; 4]), read), "plain dictionary");
    }
    let invalid_utf8 = b"\x93NUMPY\x01\x00\x05\x00{'\xff'}";
    assert_refused(read_bytes(invalid_utf8, read), "plain dictionary");
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
    assert_refused(read_bytes(&npy(&product, &[0; 4]), read), "any file");
}

#[test]
fn a_folder_is_refused() {
    assert_refused(read(tempfile::tempdir().unwrap().path()), "folder");
}

#[test]
fn what_is_written_is_read() {
    let values = (0..24).map(|i| i as f32 / 7.0).collect::<Vec<_>>();
    for shape in [&[24][..], &[4, 6], &[2, 3, 4], &[2, 2, 3, 2]] {
        let mut bytes = Vec::new();
        write(&mut bytes, shape, &values).unwrap();
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        let array = read_bytes(&bytes, read).unwrap();
        assert_eq!(array.shape, shape);
        assert_eq!(array.values, Values::F32(values.clone()));
    }
}

#[test]
fn writing_a_wrong_number_of_values_fails() {
    for shape in [[2, 3], [usize::MAX, 2]] {
        let error = write(&mut Vec::new(), &shape, &[0.0; 5]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
