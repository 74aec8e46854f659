//! Files that are no pictures, or not whole ones.

use super::*;

#[test]
fn files_that_are_no_pictures_are_refused() {
    let good = grey(1, 1, 1);
    let table: [(&[u8], &str); 12] = [
        (b"", "the file is empty"),
        (b"x", "TIFF, PNM): it starts with the bytes [78]: remove it"),
        (b"some notes, no picture", "no picture (PNG, JPEG, WebP, BMP, GIF, TIFF, PNM): it starts"),
        (
            b"<!DOCTYPE html>",
            "no picture (PNG, JPEG, WebP, BMP, GIF, TIFF, PNM): this is a web page",
        ),
        (b"\x1f\x8b\x08", "the gzip data end too early"),
        (b"qoif and so on", "a picture in the format Qoi: convert it to PNG"),
        (b"GIF89a", "the file is damaged"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "the WebP data end too early"),
        (b"RIFF\x08\0\0\0WEBPVP8 ", "the file is damaged"),
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

/// A small picture in every format, and how many bytes at its end can be missed.
fn files() -> Vec<(ImageFormat, Vec<u8>, usize)> {
    let image = RgbImage::from_fn(9, 7, |x, y| Rgb([(25 * x) as u8, (x * y) as u8, 9]));
    let file = |format| encoded(image.clone(), format);
    vec![
        // The pixels' checksum, and the chunk at the end.
        (ImageFormat::Png, file(ImageFormat::Png), 12 + 4),
        (ImageFormat::Jpeg, jpeg(), 1),
        (ImageFormat::WebP, file(ImageFormat::WebP), 0),
        (ImageFormat::Bmp, file(ImageFormat::Bmp), 0),
        // The code at the end of the pixels, the end of their blocks, and the trailer.
        (ImageFormat::Gif, file(ImageFormat::Gif), 4),
        (ImageFormat::Tiff, file(ImageFormat::Tiff), 0),
        (ImageFormat::Pnm, file(ImageFormat::Pnm), 0),
    ]
}

#[test]
fn every_truncation_is_refused() {
    for (format, whole, spare) in files() {
        for length in 0..whole.len() - spare {
            let outcome = open(&folder(&[("a.jpg", &whole[..length])]), &ReadOptions::default());
            let refused = matches!(outcome, Err(Error::File { .. }));
            assert!(refused, "{format:?}, {length} of {} bytes: {outcome:?}", whole.len());
        }
        assert!(open(&folder(&[("a.jpg", &whole)]), &ReadOptions::default()).is_ok());
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
    for (_, good, _) in files() {
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

#[test]
fn a_single_picture_is_no_data_but_its_folder_is() {
    for (format, bytes, _) in files() {
        let dir = folder(&[("a.png", &bytes)]);
        let file = dir.path().join("a.png");
        let outcome = Source::open(file.to_str().unwrap());
        let text = format == ImageFormat::Pnm; // might be a table
        assert_refused(
            outcome,
            if text { "" } else { " picture: name the folder with the pictures" },
        );
        assert!(open(&dir, &ReadOptions::default()).is_ok());
    }
}
