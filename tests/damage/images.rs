//! Pictures of all formats, each in a folder of its own.

use crate::contract;
use crate::damages::damaged;
use elbo::data::{ReadOptions, Values};
use image::{DynamicImage, ImageFormat};
use proptest::collection::vec;
use proptest::prelude::*;
use std::io::Cursor;
use tempfile::TempDir;

/// A picture of up to 6 × 6 pixels, and the format for its file.
fn picture() -> impl Strategy<Value = (DynamicImage, ImageFormat)> + Clone {
    let formats = [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Bmp,
        ImageFormat::Gif,
        ImageFormat::Tiff,
        ImageFormat::Pnm,
    ];
    (1..7u32, 1..7u32, prop::sample::select(formats.to_vec()), any::<bool>()).prop_flat_map(
        |(width, height, format, grey)| {
            vec(any::<u8>(), (3 * width * height) as usize).prop_map(move |values| {
                let image = image::RgbImage::from_raw(width, height, values);
                let image = DynamicImage::from(image.expect("as many values as it has"));
                (if grey { image.into_luma8().into() } else { image }, format)
            })
        },
    )
}

fn written((image, format): &(DynamicImage, ImageFormat)) -> Vec<u8> {
    // GIF and WebP know colours only.
    let image = match format {
        ImageFormat::Gif | ImageFormat::WebP => image.to_rgb8().into(),
        _ => image.clone(),
    };
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, *format).expect("a vector takes everything");
    bytes.into_inner()
}

/// A folder with this file.
fn folder(bytes: &[u8]) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("a.png"), bytes).expect("a file");
    folder
}

proptest! {
    #![proptest_config(crate::cases(1000))]

    #[test]
    fn what_was_written_is_read(picture in picture()) {
        let folder = folder(&written(&picture));
        let source = contract::pictures(folder.path(), &ReadOptions::default()).expect("it is sound");
        let shape = source.train.image().expect("a picture");
        prop_assert_eq!([shape.width, shape.height], [picture.0.width(), picture.0.height()].map(|n| n as usize));
        let exact = !matches!(picture.1, ImageFormat::Jpeg | ImageFormat::Gif);
        if exact {
            let Values::U8(found) = source.train.values() else { panic!("bytes stay bytes") };
            let expected = match shape.channels {
                1 => picture.0.to_luma8().into_raw(),
                _ => picture.0.to_rgb8().into_raw(),
            };
            prop_assert_eq!(found, &expected);
        }
    }

    #[test]
    fn damage_is_survived(bytes in damaged(picture().prop_map(|picture| written(&picture)))) {
        let folder = folder(&bytes);
        contract::pictures(folder.path(), &ReadOptions::default());
        // Other sizes than the header says are asked for, too.
        let resize = ReadOptions { resize: Some((2, 3)), ..ReadOptions::default() };
        contract::pictures(folder.path(), &resize);
    }
}
