//! Folders of small pictures, made by the crate that reads them.

use std::fs;
use std::io::Cursor;

use image::{
    DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, RgbImage,
    RgbaImage,
};
use tempfile::TempDir;

use super::super::input::testing::assert_refused;
use super::super::reader::Expected;
use super::*;
use crate::error::Error;

/// A file of this picture.
fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A PNG of one grey.
fn grey(height: u32, width: u32, value: u8) -> Vec<u8> {
    encoded(GrayImage::from_pixel(width, height, Luma([value])), ImageFormat::Png)
}

/// A PNG of one colour.
fn colour(height: u32, width: u32, value: [u8; 3]) -> Vec<u8> {
    encoded(RgbImage::from_pixel(width, height, Rgb(value)), ImageFormat::Png)
}

/// A JPEG whose pixels all differ a little.
fn jpeg() -> Vec<u8> {
    let shade = |x, y| Rgb([(9 * x) as u8, (7 * y) as u8, 99]);
    encoded(RgbImage::from_fn(20, 17, shade), ImageFormat::Jpeg)
}

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    dir
}

fn open(dir: &TempDir, options: &ReadOptions) -> Result<Source> {
    Source::open_with(dir.path().to_str().unwrap(), options)
}

fn resize(height: usize, width: usize) -> ReadOptions {
    ReadOptions { resize: Some((height, width)), ..ReadOptions::default() }
}

/// The options for data of a model of such images.
fn expected(height: usize, width: usize, channels: usize) -> ReadOptions {
    let image = Some(ImageShape { height, width, channels });
    let expected = Some(Expected { image, ..Expected::default() });
    ReadOptions { expected, ..ReadOptions::default() }
}

/// The notes, but for what is said of all bytes.
fn told(notes: Vec<String>) -> Vec<String> {
    notes.into_iter().filter(|note| !note.contains("divided by 255")).collect()
}

/// The bytes, the shape and the first note of a folder that is read, but for what is said of the
/// range: pixels are dark here.
#[track_caller]
fn read_as(
    files: &[(&str, &[u8])],
    options: &ReadOptions,
) -> (Vec<u8>, [usize; 3], Option<String>) {
    let source = open(&folder(files), options).unwrap();
    let ImageShape { height, width, channels } = source.train.image().unwrap();
    let Values::U8(bytes) = source.train.values() else { panic!("pictures are bytes") };
    let bytes = bytes.clone();
    let note = told(source.notes).into_iter().find(|note| !note.starts_with("the largest value"));
    (bytes, [height, width, channels], note)
}

#[track_caller]
fn refused(files: &[(&str, &[u8])], options: &ReadOptions, expected: &str) {
    assert_refused(open(&folder(files), options), expected);
}

mod damage;
mod folders;
mod formats;

#[test]
fn the_content_decides_the_format() {
    let none = ReadOptions::default();
    let (bytes, shape, note) = read_as(&[("x.png", &jpeg())], &none);
    assert_eq!((shape, note), ([17, 20, 3], None));
    let pixel = &bytes[(10 * 20 + 10) * 3..][..3];
    for (found, drawn) in pixel.iter().zip([90, 70, 99]) {
        assert!(found.abs_diff(drawn) < 12, "{pixel:?}");
    }
    assert_eq!(read_as(&[("x.jpg", &grey(1, 1, 7))], &none).0, [7]);
    let grey = encoded(GrayImage::from_pixel(9, 9, Luma([200])), ImageFormat::Jpeg);
    assert_eq!(read_as(&[("x.jpeg", &grey)], &none).1, [9, 9, 1]);
}

#[test]
fn grey_among_colour_becomes_colour() {
    let files: [(&str, &[u8]); 2] =
        [("a.png", &colour(1, 1, [1, 2, 3])), ("b.png", &grey(1, 1, 9))];
    let (bytes, shape, note) = read_as(&files, &ReadOptions::default());
    assert_eq!((bytes, shape), (vec![1, 2, 3, 9, 9, 9], [1, 1, 3]));
    assert_eq!(note.unwrap(), "grey pictures are read as colour, like the others");
    let (bytes, shape, note) = read_as(&[files[1], files[1]], &ReadOptions::default());
    assert_eq!((bytes, shape, note), (vec![9], [1, 1, 1], None));
    // Colour is what the file says, not what the pixels show.
    let files: [(&str, &[u8]); 1] = [("a.png", &colour(1, 1, [5, 5, 5]))];
    assert_eq!(read_as(&files, &ReadOptions::default()).1, [1, 1, 3]);
}

#[test]
fn transparency_is_dropped_with_a_note() {
    let none = ReadOptions::default();
    let png = |image: DynamicImage| encoded(image, ImageFormat::Png);
    let clear = png(GrayAlphaImage::from_pixel(1, 1, LumaA([7, 0])).into());
    let (bytes, shape, note) = read_as(&[("a.png", &clear), ("b.png", &clear)], &none);
    assert_eq!(
        (bytes, shape, note.as_deref()),
        (vec![7, 7], [1, 1, 1], Some("transparency is dropped"))
    );
    let clear = png(RgbaImage::from_pixel(1, 1, image::Rgba([1, 2, 3, 0])).into());
    assert_eq!(read_as(&[("a.png", &clear)], &none).0, [1, 2, 3]);
}

#[test]
fn palettes_are_colour() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 3, 1);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Two);
    encoder.set_palette(&[0, 0, 0, 10, 20, 30, 40, 50, 60][..]);
    encoder.write_header().unwrap().write_image_data(&[0b00_01_10_00]).unwrap();
    let (values, shape, note) = read_as(&[("a.png", &bytes)], &ReadOptions::default());
    assert_eq!((values, shape), (vec![0, 0, 0, 10, 20, 30, 40, 50, 60], [1, 3, 3]));
    assert_eq!(note, None);
}

#[test]
fn pictures_are_scaled_as_asked() {
    // Two black columns and two white ones; shrinking averages.
    let halves = GrayImage::from_fn(4, 2, |x, _| Luma([if x < 2 { 0 } else { 255 }]));
    let files: [(&str, &[u8]); 2] =
        [("a.png", &encoded(halves, ImageFormat::Png)), ("b.png", &grey(3, 5, 9))];
    let (bytes, shape, note) = read_as(&files, &resize(1, 2));
    assert_eq!((shape, note), ([1, 2, 1], None));
    assert_eq!(bytes[0] as u32 + bytes[1] as u32, 255);
    assert!(bytes[0] < 64 && bytes[2..] == [9, 9], "{bytes:?}");
    assert_eq!(read_as(&files, &resize(6, 7)).0.len(), 2 * 42);
    // No frequency above that of the new pixels is left.
    let stripes = GrayImage::from_fn(64, 64, |x, _| Luma([if x % 2 == 0 { 0 } else { 255 }]));
    let (bytes, ..) = read_as(&[("a.png", &encoded(stripes, ImageFormat::Png))], &resize(8, 8));
    assert!(bytes.iter().all(|b| b.abs_diff(127) < 12), "{bytes:?}");
}

#[test]
fn pictures_become_what_a_model_needs() {
    let files: [(&str, &[u8]); 2] =
        [("a.png", &colour(2, 2, [50, 50, 50])), ("b.png", &grey(3, 5, 9))];
    let (bytes, shape, note) = read_as(&files, &expected(1, 2, 1));
    assert_eq!((bytes, shape), (vec![50, 50, 9, 9], [1, 2, 1]));
    assert_eq!(note.unwrap(), "pictures are scaled to the size that the model needs");
    assert_eq!(read_as(&files[1..], &expected(3, 5, 1)).2, None);
    let (bytes, shape, note) = read_as(&files[1..], &expected(1, 1, 3));
    assert_eq!((bytes, shape), (vec![9, 9, 9], [1, 1, 3]));
    assert_eq!(note.unwrap(), "pictures are scaled to the size that the model needs");
    let notes =
        open(&folder(&files[1..]), &expected(1, 1, 3)).map(|source| told(source.notes)).unwrap();
    assert_eq!(notes[1], "the grey pictures are read as colour, as the model needs");
    let notes =
        open(&folder(&files[..1]), &expected(2, 2, 1)).map(|source| told(source.notes)).unwrap();
    assert_eq!(notes, ["colours are read as grey, as the model needs"]);
    // What the user says goes before what the model expects, which may be no picture at all.
    let both = ReadOptions { resize: Some((4, 4)), ..expected(1, 1, 1) };
    assert_eq!(read_as(&files, &both).1, [4, 4, 1]);
    assert_eq!(read_as(&files[1..], &expected(9, 9, usize::MAX)).1, [3, 5, 1]);
}

#[test]
fn impossible_sizes_are_refused() {
    let files: [(&str, &[u8]); 1] = [("a.png", &grey(1, 1, 1))];
    for options in [
        resize(0, 3),
        resize(3, 0),
        resize(usize::MAX, 2),
        resize(1 << 13, 1 << 13),
        expected(usize::MAX, usize::MAX, 3),
    ] {
        let outcome = open(&folder(&files), &options);
        assert!(matches!(outcome, Err(Error::Setting { ref name, .. }) if name == "resize"));
    }
    // Scaling takes memory for the new height and the old width.
    refused(&[("a.png", &grey(1, 70_000, 1))], &resize(1000, 1), "too wide to be scaled");
}
