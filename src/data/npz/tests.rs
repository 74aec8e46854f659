//! Whole archives, made by the crate that reads them and, for what it would not write, byte by byte.

use std::io::Write;

use flate2::{Compression, write::DeflateEncoder};
use rawzip::ZipArchiveWriter;

use super::super::input::testing::{assert_refused, input};
use super::super::reader::Expected;
use super::super::testing::all;
use super::super::{Bytes, Values};
use super::*;

/// A file of version 1.0.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend(data);
    bytes
}

/// An archive of these files, deflated or stored.
fn npz(files: &[(&str, Vec<u8>)], deflated: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = ZipArchiveWriter::new(&mut bytes);
    for (name, content) in files {
        let method = if deflated { CompressionMethod::DEFLATE } else { CompressionMethod::STORE };
        let (mut entry, config) =
            archive.new_file(name).compression_method(method).start().unwrap();
        let descriptor = if deflated {
            let encoder = DeflateEncoder::new(&mut entry, Compression::default());
            let mut writer = config.wrap(encoder);
            writer.write_all(content).unwrap();
            let (encoder, descriptor) = writer.finish().unwrap();
            encoder.finish().unwrap();
            descriptor
        } else {
            let mut writer = config.wrap(&mut entry);
            writer.write_all(content).unwrap();
            writer.finish().unwrap().1
        };
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    bytes
}

/// Two columns, labels of three rows, and other things.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (
            "X.npy",
            npy(
                "<f4",
                "(3, 2)",
                &[1.5f32, -2.0, 0.0, 4.0, 5.0, 6.0].map(f32::to_le_bytes).concat(),
            ),
        ),
        ("y.npy", npy("<i8", "(3,)", &[10i64, -1, 10].map(i64::to_le_bytes).concat())),
        ("u.npy", npy("|u1", "(3, 1)", &[0, 1, 1])),
        ("half.npy", npy("<f8", "(3,)", &[0.5f64, 1.0, 2.0].map(f64::to_le_bytes).concat())),
        ("words.npy", npy("<U1", "(3,)", &[0; 12])),
        ("notes.txt", b"not an array".to_vec()),
    ]
}

fn label(name: &str) -> ReadOptions {
    ReadOptions { label: Some(name.to_owned()), ..ReadOptions::default() }
}

fn open(bytes: &[u8], name: Option<&str>, options: &ReadOptions) -> Result<Source> {
    read(&input(bytes)?, name, options)
}

/// The labels by row.
fn labels(source: &Source) -> Vec<&str> {
    let labels = source.train.labels().unwrap();
    (0..labels.rows()).map(|row| labels.name(row)).collect()
}

#[test]
fn an_array_is_read_by_name_or_because_it_is_the_only_one() {
    let none = ReadOptions::default();
    for deflated in [false, true] {
        let archive = npz(&files(), deflated);
        for name in ["X", "X.npy"] {
            let data = open(&archive, Some(name), &none).unwrap().train;
            assert_eq!(all::<f32>(&data), [1.5, -2.0, 0.0, 4.0, 5.0, 6.0]);
            assert_eq!((data.rows(), data.labels()), (3, None));
        }
        let only = npz(&files()[..1], deflated);
        assert_eq!(open(&only, None, &none).unwrap().train.rows(), 3);
        let source = open(&npz(&files()[..2], deflated), None, &label("y")).unwrap();
        assert_eq!((source.train.width(), labels(&source)), (2, vec!["10", "-1", "10"]));
    }
}

#[test]
fn another_array_may_be_the_labels() {
    let archive = npz(&files(), true);
    let source = open(&archive, Some("X"), &label("y.npy")).unwrap();
    assert_eq!(labels(&source), ["10", "-1", "10"]);
    let found = source.train.labels().unwrap();
    assert_eq!((found.names(), found.column()), (&["-1", "10"].map(str::to_owned)[..], Some("y")));
    // Bytes are numbers here, whatever they would stand for as values.
    assert_eq!(labels(&open(&archive, Some("X"), &label("u")).unwrap()), ["0", "1", "1"]);
    for (name, expected) in [
        ("half", "test:half: the label 0.5 is not a whole number"),
        ("words", "test:words: these are no numbers (the dtype"),
        ("X", "an array of 3 × 2 is not one value for each of 3 rows"),
        ("z", "no array `z`: there are X [3 × 2], y [3], u [3 × 1]"),
    ] {
        let error = open(&archive, Some("X"), &label(name)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    // Others may be what rows are given.
    let given = |names: &[&str]| ReadOptions {
        classes: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..label("y")
    };
    let source = open(&archive, Some("X"), &given(&["half", "u"])).unwrap();
    let classes = source.train.all_classes().iter().map(|c| (c.column().unwrap(), c.name(0)));
    assert_eq!(classes.collect::<Vec<_>>(), [("half", "0.5"), ("u", "0")]);
    let error = open(&archive, Some("X"), &given(&["words"])).unwrap_err().to_string();
    assert!(error.contains("name an array of one number for each row with --condition"), "{error}");
    // A model's labels need not be there.
    let expected = |label: &str| {
        let expected = Expected { label: Some(label.to_owned()), ..Expected::default() };
        ReadOptions { expected: Some(expected), ..ReadOptions::default() }
    };
    assert!(open(&archive, Some("X"), &expected("class")).unwrap().train.labels().is_none());
    assert_eq!(labels(&open(&archive, Some("X"), &expected("y")).unwrap()), ["10", "-1", "10"]);
}

#[test]
fn labels_that_lie_beside_the_rows_are_pointed_out() {
    let note = "`X` is read; `y` has a number for each of its rows: --label y makes it their label";
    let notes = |files: &[(&str, Vec<u8>)], options: &ReadOptions| {
        open(&npz(files, true), Some("X"), options).unwrap().notes
    };
    assert_eq!(notes(&files(), &ReadOptions::default()), [note]);
    assert_eq!(notes(&files(), &label("y")), [""; 0]);
    let model = ReadOptions { expected: Some(Expected::default()), ..ReadOptions::default() };
    assert_eq!(notes(&files(), &model), [""; 0]);
    // Two numbers are not the labels of three rows; of the arrays, the one with rows is proposed.
    let mut others = vec![("w.npy", npy("|u1", "(2,)", &[0, 1])), files().swap_remove(0)];
    assert_eq!(notes(&others, &ReadOptions::default()), [""; 0]);
    let none = ReadOptions::default();
    assert_refused(open(&npz(&others, false), None, &none), "as in --data test:X");
    others.push(files().swap_remove(1));
    assert_refused(open(&npz(&others, false), None, &none), "--data test:X, and with --label y");
}

#[test]
fn bytes_are_settled_as_everywhere() {
    let bytes = npz(&[("bits", npy("|u1", "(2, 1)", &[0, 1]))].map(|(_, b)| ("bits.npy", b)), true);
    let source = Source::from_bytes("x.npz", bytes, &ReadOptions::default()).unwrap();
    assert_eq!((source.train.bytes(), source.notes.len()), (Some(Bytes::Bits), 1));
    assert!(matches!(source.train.values(), Values::U8(_)));
}

#[test]
fn what_cannot_be_read_is_refused() {
    let none = ReadOptions::default();
    let archive = npz(&files(), false);
    assert_refused(open(&archive, None, &none), "several arrays (X [3 × 2], y [3], u [3 × 1]");
    assert_refused(open(&archive, None, &none), "--data test:X, and with --label y as its labels");
    assert_refused(open(&archive, Some("Z"), &none), "there is no array `Z`: there are X");
    assert_refused(open(&archive, Some("words"), &none), "the dtype is '<U1'");
    assert_refused(open(&npz(&files()[..1], true), None, &label("X")), "leave these out");
    assert_refused(open(&npz(&files()[5..], true), None, &none), "holds no arrays");
    assert_refused(open(b"PK\x03\x04 and so on", None, &none), "a zip archive, but damaged");
    for length in 1..archive.len() {
        assert!(open(&archive[..length], Some("X"), &none).is_err(), "{length}");
    }
    // The checksum covers the values.
    let at = archive.windows(4).position(|w| w == 1.5f32.to_le_bytes()).unwrap();
    let mut flipped = archive.clone();
    flipped[at] ^= 1;
    assert_refused(open(&flipped, Some("X"), &none), "the array `X` cannot be unpacked");
    // In the directory, the method is another.
    let at = archive.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    let first = archive.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let mut other = archive.clone();
    other[first + 10] = 12;
    assert_refused(open(&other, Some("X"), &none), "neither stored nor deflated");
    // It claims more than there is.
    let mut bomb = npz(&files()[..1], true);
    let at = bomb.windows(4).position(|w| w == b"PK\x01\x02").unwrap_or(at);
    bomb[at + 24..at + 28].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
    assert_refused(open(&bomb, None, &none), "2147483647 bytes, which the file does not hold");
}
