//! The worked reader, in a list of its own (see `src/worked.rs`).

#![allow(unreachable_pub)] // in its real place it is public

use super::input::testing::{assert_refused, input as bytes};
use super::reader::{Location, Source};
use super::{ImageShape, ReadOptions, Reader, Values, input, reader, testing::all};
use crate::error::Result;

reader::readers!(pgm);

/// Reads it as [`Source::open`] would, by the first reader of the list that recognises it.
fn read(content: &[u8]) -> Result<Source> {
    let location = Location::File(bytes(content)?);
    let readers = readers();
    let reader = readers.iter().find(|r| (r.recognises)(&location)).expect("a reader for it");
    (reader.read)(location, &ReadOptions::default())
}

#[test]
fn images_behind_each_other_are_rows() {
    let source =
        read(b"P5\n# two\n3 2\n255\n\x00\x33\xff\x00\x00#P5 3#0\n2 255\t\xff\xff\n \xff\xff")
            .unwrap();
    let data = source.train;
    assert_eq!(
        (data.rows(), data.image()),
        (2, Some(ImageShape { height: 2, width: 3, channels: 1 }))
    );
    let values = all::<f64>(&data);
    assert_eq!(values[..4], [0.0, 0.2, 1.0, 0.0]);
    assert_eq!((values[5], values[9]), (35.0 / 255.0, 32.0 / 255.0));
    assert!(source.test.is_none());
}

#[test]
fn other_files_are_left_to_other_readers() {
    for start in [&b"P2 3 2 255"[..], b"P6\n", b"PK\x03\x04", b"5"] {
        assert!(!(readers()[0].recognises)(&Location::File(bytes(start).unwrap())));
    }
}

#[test]
fn bad_files_are_refused_with_a_reason() {
    for (content, expected) in [
        (&b"P5"[..], "image 1: the header"),
        (b"P5 two 2 255 ....", "image 1: the header"),
        (b"P5 2 2 99999999999999999999 ....", "image 1: the header"),
        (b"P5 2 2 255", "image 1: the header"),
        (b"P5 2 2 255 ....\n", "image 2: the header"),
        (b"P5 2 2 65535 ........", "image 1: the largest value"),
        (b"P5 2 2 255 ....P5 1 4 255 ....", "image 2: its size"),
        (b"P5 2 2 255 ...", "image 1: the file ends"),
        (b"P5 4294967296 4294967296 255 .", "image 1: the file ends"),
        (b"P5 0 0 255 ", "0 values"),
    ] {
        assert_refused(read(content), expected);
    }
}
