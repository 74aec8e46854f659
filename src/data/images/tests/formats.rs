//! What each format can say: orientation, depth, frames, inks.

use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::pnm::{PnmEncoder, PnmSubtype, SampleEncoding};
use image::codecs::webp::WebPEncoder;
use image::metadata::Orientation;
use image::{Frame, ImageEncoder, Rgba};

use super::*;

/// Two rows of three pixels that all differ; as large blocks, so that JPEG keeps them.
fn six(block: u32) -> GrayImage {
    GrayImage::from_fn(3 * block, 2 * block, |x, y| {
        Luma([40 * (3 * (y / block) + x / block) as u8])
    })
}

/// The Exif data that say how a camera was held; in either byte order.
fn exif(orientation: u8) -> Vec<u8> {
    let little = [&b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"[..], &[orientation, 0, 0, 0]];
    let big = [&b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01"[..], &[0, orientation, 0, 0]];
    let fields = if orientation.is_multiple_of(2) { little } else { big };
    [fields.concat(), vec![0; 4]].concat()
}

/// The same picture in each format that has such data.
fn held(orientation: u8) -> Vec<(&'static str, u32, Vec<u8>)> {
    fn file<'a, E: ImageEncoder>(
        orientation: u8,
        image: DynamicImage,
        encoder: impl FnOnce(&'a mut Vec<u8>) -> E,
        out: &'a mut Vec<u8>,
    ) {
        let mut encoder = encoder(out);
        encoder.set_exif_metadata(exif(orientation)).unwrap();
        image.write_with_encoder(encoder).unwrap();
    }
    let [mut jpeg, mut png, mut webp] = [const { Vec::new() }; 3];
    file(orientation, six(16).into(), |out| JpegEncoder::new_with_quality(out, 100), &mut jpeg);
    file(orientation, six(1).into(), PngEncoder::new, &mut png);
    let colour = DynamicImage::from(six(1)).into_rgb8();
    file(orientation, colour.into(), WebPEncoder::new_lossless, &mut webp);
    let tiff = tiff(&six(1), &[(0x112, 3, u32::from(orientation))]);
    vec![("jpeg", 16, jpeg), ("png", 1, png), ("webp", 1, webp), ("tiff", 1, tiff)]
}

/// A grey TIFF of one strip, with these fields (tag, type, value) besides those it needs.
fn tiff(image: &GrayImage, more: &[(u16, u16, u32)]) -> Vec<u8> {
    let (width, height) = image.dimensions();
    let mut fields = vec![
        (0x100, 4, width),
        (0x101, 4, height),
        (0x102, 3, 8),
        (0x103, 3, 1),
        (0x106, 3, 1),
        (0x111, 4, 0),
        (0x115, 3, 1),
        (0x116, 4, height),
        (0x117, 4, width * height),
    ];
    fields.extend(more);
    fields.sort_unstable();
    let pixels = 8 + 2 + 12 * fields.len() as u32 + 4;
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend((fields.len() as u16).to_le_bytes());
    for (tag, kind, value) in fields {
        let value = if tag == 0x111 { pixels } else { value };
        bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        bytes.extend([1u32.to_le_bytes(), value.to_le_bytes()].concat());
    }
    bytes.extend([0; 4]);
    bytes.extend(image.as_raw());
    bytes
}

#[test]
fn pictures_are_turned_as_they_were_taken() {
    // The first row of the upright picture, and its shape, by the numbers of the Exif standard.
    let expected: [(&[u8], [usize; 2]); 8] = [
        (&[0, 1, 2, 3, 4, 5], [2, 3]),
        (&[2, 1, 0, 5, 4, 3], [2, 3]),
        (&[5, 4, 3, 2, 1, 0], [2, 3]),
        (&[3, 4, 5, 0, 1, 2], [2, 3]),
        (&[0, 3, 1, 4, 2, 5], [3, 2]),
        (&[3, 0, 4, 1, 5, 2], [3, 2]),
        (&[5, 2, 4, 1, 3, 0], [3, 2]),
        (&[2, 5, 1, 4, 0, 3], [3, 2]),
    ];
    for (orientation, (pixels, [height, width])) in (1..).zip(expected) {
        assert!(Orientation::from_exif(orientation).is_some());
        for (format, block, file) in held(orientation) {
            let (bytes, shape, _) = read_as(&[("a.png", &file)], &ReadOptions::default());
            let (block, channels) = (block as usize, shape[2]);
            assert_eq!(shape[..2], [height * block, width * block], "{format} {orientation}");
            for (i, pixel) in pixels.iter().enumerate() {
                let (y, x) = (block * (i / width) + block / 2, block * (i % width) + block / 2);
                let found = bytes[(y * shape[1] + x) * channels];
                assert!(found.abs_diff(40 * pixel) < 5, "{format} {orientation}: {bytes:?}");
            }
        }
    }
    // Nonsense is no orientation, and pictures are compared as they stand upright.
    for orientation in [0, 9, 255] {
        for (_, block, file) in held(orientation) {
            let shape = read_as(&[("a.png", &file)], &ReadOptions::default()).1;
            assert_eq!(shape[..2], [2, 3].map(|n| n * block as usize));
        }
    }
    let [(.., sideways), (.., upright)] = [held(6).remove(1), held(1).remove(1)];
    let files: [(&str, &[u8]); 2] = [("a.png", &sideways), ("b.png", &upright)];
    refused(&files, &ReadOptions::default(), "has 2 × 3 pixels (height × width) where ");
}

#[test]
fn every_format_is_read_by_its_content() {
    let image = RgbImage::from_fn(6, 4, |x, y| Rgb([40 * x as u8, 60 * y as u8, 9]));
    for format in
        [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::Pnm]
    {
        let file = encoded(image.clone(), format);
        for name in ["a.png", "a.WEBP", "a.bmp", "a.gif", "a.tif", "a.tiff", "a.ppm", "a.jfif"] {
            let (bytes, shape, note) = read_as(&[(name, &file)], &ReadOptions::default());
            assert_eq!((&bytes, shape, note), (image.as_raw(), [4, 6, 3], None), "{format:?}");
        }
    }
    // One palette holds these few colours.
    let (bytes, shape, note) =
        read_as(&[("a.gif", &encoded(image.clone(), ImageFormat::Gif))], &ReadOptions::default());
    assert_eq!((&bytes, shape, note), (image.as_raw(), [4, 6, 3], None));
    // Formats mix.
    let files = [("a.png", ImageFormat::Png), ("b.webp", ImageFormat::WebP)]
        .map(|(name, format)| (name, encoded(image.clone(), format)));
    let files: Vec<(&str, &[u8])> = files.iter().map(|(n, f)| (*n, &f[..])).collect();
    let bytes = read_as(&files, &ReadOptions::default()).0;
    assert_eq!(bytes, [image.as_raw().as_slice(), image.as_raw()].concat());
}

#[test]
fn greys_of_plain_formats_stay_grey() {
    let image = GrayImage::from_fn(5, 3, |x, y| Luma([(50 * x + y) as u8]));
    let colour = DynamicImage::from(image.clone()).into_rgb8();
    let gif = encoded(colour, ImageFormat::Gif);
    let (bytes, shape, _) = read_as(&[("a.gif", &gif)], &ReadOptions::default());
    assert_eq!((&bytes, shape), (image.as_raw(), [3, 5, 1]));
    for format in [ImageFormat::Bmp, ImageFormat::Tiff] {
        let (bytes, shape, _) =
            read_as(&[("a.png", &encoded(image.clone(), format))], &ReadOptions::default());
        assert_eq!(bytes, *image.as_raw(), "{format:?}");
        assert!(shape == [3, 5, 1], "{format:?}");
    }
    let mut file = Vec::new();
    let encoder =
        PnmEncoder::new(&mut file).with_subtype(PnmSubtype::Graymap(SampleEncoding::Ascii));
    image.write_with_encoder(encoder).unwrap();
    assert_eq!(read_as(&[("a.pgm", &file)], &ReadOptions::default()).0, *image.as_raw());
    // A camera of 12 bits says so here, and fills the range.
    let file = b"P5 2 1 4095 \x0f\xff\x00\x00";
    assert_eq!(units(&[("a.pgm", file)], &ReadOptions::default()), [1.0, 0.0]);
}

/// The numbers of a folder that is read as such.
#[track_caller]
fn units(files: &[(&str, &[u8])], options: &ReadOptions) -> Vec<f32> {
    let source = open(&folder(files), options).unwrap();
    let Values::F32(units) = source.train.values() else { panic!("they need more than bytes") };
    assert!(source.train.are_pixels());
    units.clone()
}

/// A PNG of 16 bits.
fn deep(values: &[u16]) -> Vec<u8> {
    let image: ImageBuffer<Luma<u16>, _> =
        ImageBuffer::from_raw(values.len() as u32, 1, values.to_vec()).unwrap();
    encoded(image, ImageFormat::Png)
}

#[test]
fn sixteen_bits_are_kept() {
    let none = ReadOptions::default();
    let values = [0, 1, 255, 256, 40_000, 65_535];
    let expected = values.map(|v| (f64::from(v) / 65_535.0) as f32);
    assert_eq!(units(&[("a.png", &deep(&values))], &none), expected);
    // Among them, a byte is what it stands for elsewhere.
    let byte = encoded(GrayImage::from_fn(6, 1, |x, _| Luma([51 * x as u8])), ImageFormat::Png);
    let files: [(&str, &[u8]); 2] = [("a.png", &byte), ("b.png", &deep(&values))];
    let bytes = [0, 51, 102, 153, 204, 255].map(|b| b as f32 / 255.0);
    assert_eq!(units(&files, &none), [bytes, expected].concat());
    let source = open(&folder(&files), &none).unwrap();
    assert_eq!(source.notes, ["16 bits per channel are kept: all pixels are numbers from 0 to 1"]);
    // Colour and scaling keep them too.
    let red = ImageBuffer::from_pixel(2, 1, Rgb([1000u16, 2, 3]));
    let found = units(&[("a.png", &encoded(red, ImageFormat::Png))], &resize(1, 1));
    assert_eq!(found, [1000.0, 2.0, 3.0].map(|v: f64| (v / 65_535.0) as f32));
}

#[test]
fn a_range_that_is_far_from_full_is_said() {
    let none = ReadOptions::default();
    let notes = |file: &[u8], options: &ReadOptions| {
        open(&folder(&[("a.png", file)]), options).map(|source| told(source.notes)).unwrap()
    };
    let said = |largest: &str| {
        format!(
            "the largest value is {largest}, and so all pixels are nearly black: rescale the \
             files, or use --likelihood normal --standardize yes"
        )
    };
    assert_eq!(notes(&deep(&[0, 255]), &none)[1], said("255 of 65535"));
    assert_eq!(notes(&deep(&[0, 16_384]), &none).len(), 1);
    assert_eq!(notes(&grey(1, 1, 20), &none), [said("20 of 255")]);
    assert_eq!(notes(&grey(1, 1, 64), &none), [""; 0]);
    // A model has been trained already.
    assert_eq!(notes(&grey(1, 1, 20), &expected(1, 1, 1)), [""; 0]);
}

#[test]
fn the_first_of_several_frames_is_read() {
    let mut gif = Vec::new();
    let frames = [[255, 0, 0, 255], [0, 0, 255, 255]]
        .map(|colour| Frame::new(RgbaImage::from_pixel(2, 1, Rgba(colour))));
    GifEncoder::new(&mut gif).encode_frames(frames).unwrap();
    let mut apng = Vec::new();
    let mut encoder = png::Encoder::new(&mut apng, 2, 1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[255, 0, 0, 255, 0, 0]).unwrap();
    writer.write_image_data(&[0, 0, 255, 0, 0, 255]).unwrap();
    writer.finish().unwrap();
    for file in [&gif, &apng] {
        let (bytes, _, note) = read_as(&[("a.png", file)], &ReadOptions::default());
        assert_eq!(bytes, [255, 0, 0, 255, 0, 0]);
        assert_eq!(note.unwrap(), "a.png has several frames or pages: the first is read");
    }
    let files: [(&str, &[u8]); 2] = [("a.gif", &gif), ("b.gif", &gif)];
    let note = read_as(&files, &ReadOptions::default()).2;
    assert_eq!(note.unwrap(), "2 files (a.gif, …) have several frames or pages: the first is read");
    let webp =
        animated_webp(&encoded(RgbImage::from_pixel(2, 1, Rgb([255, 0, 0])), ImageFormat::WebP));
    let (bytes, _, note) = read_as(&[("a.webp", &webp)], &ReadOptions::default());
    assert_eq!(bytes, [255, 0, 0, 255, 0, 0]);
    assert!(note.unwrap().starts_with("a.webp has several frames"));
}

/// A file that shows this WebP of 2 × 1 pixels twice.
fn animated_webp(still: &[u8]) -> Vec<u8> {
    let chunk = |name: &[u8], data: &[u8]| {
        [name, &(data.len() as u32).to_le_bytes(), data, &vec![0; data.len() % 2]].concat()
    };
    let frame = [&[0; 6][..], &[1, 0, 0, 0, 0, 0, 9, 0, 0, 2], &still[12..]].concat();
    let body = [
        b"WEBP".to_vec(),
        chunk(b"VP8X", &[2, 0, 0, 0, 1, 0, 0, 0, 0, 0]),
        chunk(b"ANIM", &[0; 6]),
        chunk(b"ANMF", &frame),
        chunk(b"ANMF", &frame),
    ];
    chunk(b"RIFF", &body.concat())
}

#[test]
fn the_first_of_several_pages_is_read() {
    let mut two = tiff(&six(1), &[]);
    let (first, next, end) = (8, 8 + 2 + 12 * 9, two.len());
    assert_eq!(two[next..next + 4], [0; 4]);
    two.extend_from_within(first..next + 4);
    two[next] = end as u8;
    let (bytes, _, note) = read_as(&[("a.tif", &two)], &ReadOptions::default());
    assert_eq!(bytes, *six(1).as_raw());
    assert_eq!(note.unwrap(), "a.tif has several frames or pages: the first is read");
}

#[test]
fn transparent_gifs_say_so() {
    let clear = RgbaImage::from_fn(2, 1, |x, _| Rgba([9, 8, 7, if x == 0 { 0 } else { 255 }]));
    let note = read_as(&[("a.gif", &encoded(clear, ImageFormat::Gif))], &ReadOptions::default()).2;
    assert_eq!(note.unwrap(), "transparency is dropped");
}

/// A JPEG of 8 × 8 pixels without cyan and black but with all magenta and yellow, as programs for
/// printing write it (Adobe's marker, all inks upside down).
const CMYK: &str = "ffd8ffee000e41646f626500640000000000ffdb0043001b12141714111b1716171e1c1b2028422b\
    28252528513a3d3042605565645f555d5b6a7899816a7190735b5d85b586909ea3abadab6780bcc9baa6c799a8aba4\
    ffc000140800080008044311004d11005911004b1100ffc40014000100000000000000000000000000000006ffc400\
    14100100000000000000000000000000000000ffda000e0443004d0059004b00003f004c32324cffd9";

#[test]
fn inks_become_light() {
    let digits: Vec<u8> = CMYK.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
    let cmyk: Vec<u8> = digits.chunks(2).map(byte).collect();
    let (bytes, shape, _) = read_as(&[("a.jpg", &cmyk)], &ReadOptions::default());
    assert_eq!(shape, [8, 8, 3]);
    assert!(bytes.chunks(3).all(|p| p[0] > 240 && p[1] < 15 && p[2] < 15), "{:?}", &bytes[..3]);
}

#[test]
fn kinds_that_are_not_read_are_named() {
    let none = ReadOptions::default();
    // A TIFF of floats, and one of a palette.
    let floats = ImageBuffer::from_pixel(1, 1, Rgb([0.5f32; 3]));
    let floats = encoded(DynamicImage::ImageRgb32F(floats), ImageFormat::Tiff);
    refused(&[("a.tif", &floats)], &none, "numpy.save");
    let mut palette = tiff(&six(1), &[]);
    palette[8 + 2 + 4 * 12 + 8] = 3;
    refused(&[("a.tif", &palette)], &none, "a TIFF of a kind that is not read (");
}
