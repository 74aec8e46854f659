//! Folders of small pictures, made by the crate that reads them.

use std::io::Cursor;

use image::{
    DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, RgbImage,
    RgbaImage,
};
use tempfile::TempDir;

use super::super::input::testing::assert_refused;
use super::super::reader::Expected;
use super::*;

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

/// The bytes, the shape and the note of a folder that is read.
#[track_caller]
fn read_as(
    files: &[(&str, &[u8])],
    options: &ReadOptions,
) -> (Vec<u8>, [usize; 3], Option<String>) {
    let source = open(&folder(files), options).unwrap();
    let ImageShape { height, width, channels } = source.train.image().unwrap();
    let Values::U8(bytes) = source.train.values() else { panic!("pictures are bytes") };
    let of_bytes = |note: &String| note.contains("divided by 255");
    (bytes.clone(), [height, width, channels], source.notes.into_iter().find(|n| !of_bytes(n)))
}

#[track_caller]
fn refused(files: &[(&str, &[u8])], options: &ReadOptions, expected: &str) {
    assert_refused(open(&folder(files), options), expected);
}

#[test]
fn pictures_are_rows_in_the_order_of_their_names() {
    let files: [(&str, &[u8]); 6] = [
        ("b.png", &grey(1, 2, 3)),
        ("a10.PNG", &grey(1, 2, 1)),
        ("a9.png", &grey(1, 2, 2)),
        (".hidden.png", b"not read"),
        ("notes.txt", b"not read"),
        ("empty/notes.txt", b"not read"),
    ];
    let none = ReadOptions::default();
    assert_eq!(read_as(&files, &none), (vec![1, 1, 2, 2, 3, 3], [1, 2, 1], None));
    assert!(open(&folder(&files), &none).unwrap().train.labels().is_none());
}

#[test]
fn folders_are_labels() {
    let files: [(&str, &[u8]); 6] = [
        ("cat/1.png", &grey(1, 1, 2)),
        ("bird/2.png", &grey(1, 1, 1)),
        ("bird/1.png", &grey(1, 1, 0)),
        (".git/1.png", b"not read"),
        ("cat/deeper/1.png", b"not read"),
        ("none/notes.txt", b"not read"),
    ];
    assert_eq!(read_as(&files, &ReadOptions::default()).0, [0, 1, 2]);
    let source = open(&folder(&files), &ReadOptions::default()).unwrap();
    let labels = source.train.labels().unwrap();
    assert_eq!(labels.names(), ["bird", "cat"]);
    assert_eq!([0, 1, 2].map(|row| labels.name(row)), ["bird", "bird", "cat"]);
}

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
fn transparency_and_depth_are_reduced_with_a_note() {
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
    let deep = ImageBuffer::from_pixel(1, 1, image::Rgba([0u16, 257, 65535, 9]));
    let (bytes, _, note) = read_as(&[("a.png", &png(deep.into()))], &none);
    assert_eq!(bytes, [0, 1, 255]);
    assert_eq!(note.unwrap(), "transparency is dropped; 16 bits per channel are reduced to 8");
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
    let note = note.unwrap();
    assert!(
        note.starts_with("pictures are scaled to the size that the model needs; col"),
        "{note}"
    );
    assert_eq!(read_as(&files[1..], &expected(3, 5, 1)).2, None);
    let (bytes, shape, note) = read_as(&files[1..], &expected(1, 1, 3));
    assert_eq!((bytes, shape), (vec![9, 9, 9], [1, 1, 3]));
    assert!(note.unwrap().ends_with("; the grey pictures are read as colour, as the model needs"));
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

#[test]
fn folders_that_do_not_fit_together_are_refused() {
    let (small, large) = (grey(2, 3, 1), grey(3, 2, 1));
    let none = ReadOptions::default();
    let sizes: [(&str, &[u8]); 3] = [("a.png", &small), ("b.png", &small), ("c.png", &large)];
    refused(&sizes, &none, "has 3 × 2 pixels (height × width) where ");
    refused(&sizes, &none, "a.png has 2 × 3: scale all pictures to one size with --resize HEIGHTx");
    let both: [(&str, &[u8]); 2] = [("a.png", &small), ("cat/b.png", &small)];
    refused(&both, &none, "pictures both in this folder (a.png) and in folders within it (cat");
}

#[test]
fn files_that_are_no_pictures_are_refused() {
    let good = grey(1, 1, 1);
    let table: [(&[u8], &str); 9] = [
        (b"", "the file is empty"),
        (b"x", "neither PNG nor JPEG: it starts with the bytes [78]: remove it"),
        (b"<!DOCTYPE html>", "neither PNG nor JPEG: this is a web page"),
        (b"\x1f\x8b\x08", "this is a gzip file"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "a picture in the format WebP: convert it to PNG"),
        (b"GIF89a", "a picture in the format Gif"),
        (b"\x89PNG\r\n\x1a\n", "the file is damaged"),
        (b"\xff\xd8\xff\xe0", "the JPEG data end too early"),
        (b"\xff\xd8\xff\xda\xff\xd9", "the file is damaged"),
    ];
    for (bytes, expected) in table {
        refused(&[("a.png", &good), ("b.png", bytes)], &ReadOptions::default(), expected);
    }
    let dir = folder(&[("a.png", &good), ("b.png/c.txt", b"")]);
    assert_refused(open(&dir, &ReadOptions::default()), "its name promises a picture");
}

#[cfg(unix)]
#[test]
fn what_cannot_be_opened_is_the_systems_error() {
    let dir = folder(&[("a.png", &grey(1, 1, 1))]);
    std::os::unix::fs::symlink("/nowhere/at/all", dir.path().join("b.png")).unwrap();
    assert!(matches!(open(&dir, &ReadOptions::default()), Err(Error::Io { .. })));
    std::os::unix::fs::symlink("/dev/zero", dir.path().join("aa.png")).unwrap();
    assert_refused(open(&dir, &ReadOptions::default()), "a pipe or a device");
}

#[test]
fn folders_without_pictures_are_not_recognised() {
    let recognised = |dir: &Path| (reader().recognises)(&Location::Folder(dir.to_owned()));
    let dir = folder(&[("a.txt", b""), (".a.png", b""), ("a/b/c.png", b"")]);
    assert!(!recognised(dir.path()));
    assert!(recognised(&dir.path().join("a")), "one level down");
    assert!(recognised(Path::new("/nowhere/at/all")), "so that the error says why");
    assert_refused(open(&dir, &ReadOptions::default()), "nothing that is read here");
}

/// A PNG with this header, whose checksum is right.
fn forged_png(height: u32, width: u32) -> Vec<u8> {
    let mut bytes = grey(1, 1, 1);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let checksum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[test]
fn a_forged_header_is_refused_before_memory_is_taken() {
    let none = ReadOptions::default();
    for (height, width, expected) in [
        (4096, 4096, "4096 × 4096 pixels is more than the file can hold"),
        (16_385, 16_384, "more than 268435456 values"),
        (1 << 29, 1, "too large"),
        (1, u32::MAX >> 1, "too large"),
        (0, 1, "damaged"),
    ] {
        refused(&[("a.png", &forged_png(height, width))], &none, expected);
        refused(&[("a.png", &forged_png(height, width))], &resize(2, 2), expected);
    }
    let mut bytes = jpeg();
    let frame = bytes.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    for (side, expected) in [(0x0400, "can hold"), (0xffff, "more than 268435456"), (0, "damaged")]
    {
        let side: [u8; 2] = u16::to_be_bytes(side);
        bytes[frame + 5..frame + 9].copy_from_slice(&[side, side].concat());
        refused(&[("a.jpg", &bytes)], &none, expected);
    }
}

#[test]
fn every_truncation_is_refused() {
    let png = encoded(RgbImage::from_fn(5, 4, |x, y| Rgb([x as u8, y as u8, 9])), ImageFormat::Png);
    // Without the pixels' checksum and the chunk at the end, all pixels are still there.
    let pixels = png.len() - 12 - 4;
    for length in 0..pixels {
        assert!(open(&folder(&[("a.png", &png[..length])]), &ReadOptions::default()).is_err());
    }
    let jpeg = jpeg();
    for length in 0..jpeg.len() - 1 {
        let outcome = open(&folder(&[("a.jpg", &jpeg[..length])]), &ReadOptions::default());
        assert!(matches!(outcome, Err(Error::File { .. })), "{length} bytes: {outcome:?}");
    }
}

#[test]
fn damaged_pictures_are_read_or_refused() {
    let dir = folder(&[]);
    let path = dir.path().join("a.png");
    let mut state = 1u32;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    for good in [jpeg(), colour(9, 9, [1, 200, 3])] {
        for _ in 0..1000 {
            let mut bytes = good.clone();
            for _ in 0..=draw(4) {
                let at = draw(bytes.len());
                bytes[at] = draw(256) as u8;
            }
            fs::write(&path, bytes).unwrap();
            let outcome = open(&dir, &resize(2, 2));
            assert!(outcome.is_ok() || matches!(outcome, Err(Error::File { .. })), "{outcome:?}");
        }
    }
}
