//! A folder of pictures, from the files to pictures again.

use crate::failures::{FAILURE, USAGE, assert_refused};
use crate::lab::Lab;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageBuffer, ImageEncoder, ImageFormat, Luma, Rgb, RgbImage};
use serde_json::json;
use std::io::Cursor;

/// A PNG of this size whose pixels are `paint(y, x)`; one channel is grey, three are RGB.
fn png(height: u32, width: u32, paint: impl Fn(u32, u32) -> Vec<u8>) -> Vec<u8> {
    let pixels: Vec<u8> = (0..height)
        .flat_map(|y| (0..width).map(move |x| (y, x)))
        .flat_map(|(y, x)| paint(y, x))
        .collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    let grey = pixels.len() == (height * width) as usize;
    encoder.set_color(if grey { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&pixels).expect("pixels");
    writer.finish().expect("an end");
    bytes
}

/// A folder of these files, at any depth.
fn put(lab: &Lab, name: &str, bytes: &[u8]) {
    let path = lab.path(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
    std::fs::write(path, bytes).expect("a file");
}

/// What a command that succeeds tells the user besides its result.
fn told(lab: &Lab, args: &str) -> String {
    String::from_utf8(lab.run(args).stderr).expect("UTF-8")
}

/// 120 discs on a plain ground, warm ones and cold ones in folders of their own.
pub(crate) fn discs(lab: &Lab, folder: &str) {
    for (label, tint) in [("cold", [40u8, 80, 220]), ("warm", [230, 120, 30])] {
        std::fs::create_dir_all(lab.path(&format!("{folder}/{label}"))).expect("a new folder");
        for i in 0..60u32 {
            let (cy, cx, r) = (3 + i % 6, 3 + i / 10, 2 + i % 3);
            let disc = png(12, 12, |y, x| {
                let inside = (y.abs_diff(cy)).pow(2) + (x.abs_diff(cx)).pow(2) <= r * r;
                if inside { tint.to_vec() } else { vec![250, 250, 245] }
            });
            lab.write(&format!("{folder}/{label}/disc{i:02}.png"), disc);
        }
    }
}

#[test]
fn colour_pictures_are_learned_and_come_back() {
    let lab = Lab::new();
    discs(&lab, "discs");
    lab.write("discs/notes.txt", "passed over");
    let train = "train --data discs --likelihood normal:variance=0.01 --hidden 64 --latent 4 --lr 0.005 --batch-size 16";
    lab.run(&format!("{train} --epochs 40 --out run"));
    assert_eq!(lab.json("info run")["header"]["image"], json!([12, 12, 3]));
    let records = lab.records("run");
    let loss = |i: usize| records[i]["test"]["loss"].as_f64().expect("a number");
    assert!(loss(39) < loss(0) - 100.0, "{} {}", loss(0), loss(39));

    // The reconstruction of a picture has its colour: reading the PNG as a user's viewer does.
    lab.run("reconstruct run --data discs --part all -n 120 -o pairs.png");
    let mut picture =
        png::Decoder::new(Cursor::new(lab.bytes("pairs.png"))).read_info().expect("a PNG");
    assert_eq!(picture.info().color_type, png::ColorType::Rgb);
    let mut pixels = vec![0; picture.output_buffer_size().expect("small")];
    picture.next_frame(&mut pixels).expect("whole");
    lab.run("reconstruct run --data discs --part all -n 120 -o again.csv");
    let again = lab.text("again.csv");
    let redness = |line: &str| -> f64 {
        // Behind row, label and name.
        let cells = line.split(',').skip(3).map(|c| c.parse().expect("a number"));
        let cells: Vec<f64> = cells.collect();
        cells.chunks_exact(3).map(|p| p[0] - p[2]).sum()
    };
    let redness: Vec<f64> = again.lines().skip(1).map(redness).collect();
    let (cold, warm) = redness.split_at(60);
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    assert!(mean(warm) > mean(cold) + 5.0, "{} {}", mean(cold), mean(warm));

    // Labels are the folders' names, in order.
    lab.run("encode run --data discs -o z.csv");
    let labels: Vec<_> = lab
        .text("z.csv")
        .lines()
        .skip(1)
        .map(|l| l.split(',').nth(1).expect("a label").to_owned())
        .collect();
    assert!(labels[..60].iter().all(|l| l == "cold") && labels[60..].iter().all(|l| l == "warm"));

    // Other pictures are brought to the model's size by themselves.
    std::fs::create_dir(lab.path("large")).expect("a new folder");
    lab.write("large/one.png", png(24, 24, |_, _| vec![250, 250, 245]));
    assert_eq!(lab.json("evaluate run --data large")["rows"], 1);
}

#[test]
fn pictures_of_many_sizes_are_brought_to_one() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("mixed")).expect("a new folder");
    for i in 0..20u32 {
        let (height, width) = (10 + i, 30 - i);
        lab.write(
            &format!("mixed/{i}.png"),
            png(height, width, |y, x| vec![(y * 5 + x * 3) as u8]),
        );
    }
    let train = "train --data mixed --hidden 8 --latent 2 --epochs 1";
    lab.run(&format!("{train} --resize 8 --out square"));
    lab.run(&format!("{train} --resize 6x10 --out wide"));
    assert_eq!(lab.json("info square")["header"]["image"], json!([8, 8, 1]));
    assert_eq!(lab.json("info wide")["header"]["image"], json!([6, 10, 1]));
    // The settings of the run make it again.
    lab.run("train --config wide/config.toml --out again");
    assert_eq!(lab.bytes("wide/model.safetensors"), lab.bytes("again/model.safetensors"));
}

#[test]
fn folders_that_hold_no_such_pictures() {
    let lab = Lab::new();
    let grey = |height, width| png(height, width, |y, x| vec![(y + x) as u8]);
    let put = |name: &str, bytes: &[u8]| put(&lab, name, bytes);
    put("sizes/a.png", &grey(8, 8));
    put("sizes/b.png", &grey(8, 9));
    put("cut/a.png", &grey(8, 8)[..60]);
    put("none/a.png", b"");
    put("text/a.png", b"not a picture at all, whatever its name may say");
    put("both/a.png", &grey(8, 8));
    put("both/label/b.png", &grey(8, 8));
    put("other/a.heic", b"a telephone's");
    put("deep/cats/lion/a.png", &grey(8, 8));
    put("tiff/a.tif", b"II*\0 and so on");
    std::fs::create_dir_all(lab.path("bare")).expect("a new folder");
    // A header of 60,000 × 60,000 pixels in front of nothing.
    let mut forged = grey(8, 8);
    forged[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    put("forged/a.png", &forged);
    let rows = [
        ("train --out run --data sizes", FAILURE, "--resize"),
        ("train --out run --data cut", FAILURE, "cut/a.png: "),
        ("train --out run --data none", FAILURE, "none/a.png: "),
        ("train --out run --data text", FAILURE, "text/a.png: "),
        ("train --out run --data both", FAILURE, "both: "),
        ("train --out run --data other", FAILURE, "(it has 1 .heic): convert .heic to PNG or JPEG"),
        (
            "train --out run --data bare",
            FAILURE,
            "bare: this folder holds nothing that is read here (it is empty): name",
        ),
        (
            "train --out run --data deep",
            FAILURE,
            "deep: pictures lie more than one folder deep (cats/lion/a.png), where a folder is a label: move them up into deep/cats, or name deep/cats as the data",
        ),
        ("train --out run --data tiff", FAILURE, "tiff/a.tif: the file is damaged ("),
        (
            "train --out run --data tiff/a.tif",
            FAILURE,
            "this is a TIFF picture: name the folder with the pictures",
        ),
        ("train --out run --data forged", FAILURE, "forged/a.png: "),
        (
            "train --out run --data sizes/a.png",
            FAILURE,
            "this is a PNG picture: name the folder with the pictures",
        ),
        ("train --out run --data sizes --label x", USAGE, "--label: this data is "),
        ("train --out run --data sizes --resize 99999999", USAGE, "--resize: 99999999 × 99999999"),
    ];
    assert_refused(&lab, &rows);
}

#[test]
fn photographs_as_they_come() {
    let lab = Lab::new();
    // A telephone held upright stores its pictures lying, with a tag; other programs write WebP.
    let lying = |i: u8| RgbImage::from_fn(12, 8, |x, y| Rgb([20 * x as u8, 30 * y as u8, 10 * i]));
    let exif = [&b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"[..], &[0; 4]].concat();
    for i in 0..10 {
        let mut jpeg = Vec::new();
        let mut encoder = JpegEncoder::new(&mut jpeg);
        encoder.set_exif_metadata(exif.clone()).expect("JPEG has such data");
        DynamicImage::from(lying(i)).write_with_encoder(encoder).expect("a picture");
        put(&lab, &format!("photos/{i}.jpg"), &jpeg);
        let upright = DynamicImage::from(lying(i)).rotate90();
        let mut webp = Cursor::new(Vec::new());
        upright.write_to(&mut webp, ImageFormat::WebP).expect("a picture");
        put(&lab, &format!("photos/{i}.webp"), &webp.into_inner());
    }
    put(&lab, "photos/film.mp4", b"");
    let train =
        "train --data photos --likelihood normal:variance=0.1 --hidden 8 --latent 2 --epochs 1";
    let notes = told(&lab, &format!("{train} --out run"));
    assert!(notes.contains("note: 1 file is not read: 1 .mp4\n"), "{notes}");
    assert_eq!(lab.json("info run")["header"]["image"], json!([12, 8, 3]));
    assert_eq!(lab.json("evaluate run --data photos --part all")["rows"], 20);
}

#[test]
fn folders_of_parts() {
    let lab = Lab::new();
    let picture = |i: u32| png(6, 6, |y, x| vec![(40 * (y + i) + 3 * x) as u8]);
    for i in 0..12 {
        put(&lab, &format!("set/train/{}/{i}.png", ["cat", "dog"][i as usize % 2]), &picture(i));
    }
    for i in 0..5 {
        put(&lab, &format!("set/test/cat/{i}.png"), &picture(i));
        put(&lab, &format!("set/val/cat/{i}.png"), &picture(i));
    }
    let train = "train --data set --hidden 8 --latent 2 --epochs 1";
    let notes = told(&lab, &format!("{train} --out run"));
    let expected = "note: the folder train is the training part (12 pictures), test the test part (5)\n\
                    note: the pictures in val are in neither part and are not read; --validation 0.1";
    assert!(notes.contains(expected), "{notes}");
    assert_eq!(lab.json("evaluate run --data set")["rows"], 5);
    assert_eq!(lab.json("evaluate run --data set --part train")["rows"], 12);
    lab.run(&format!("{train} --validation 0.25 --out tuned"));
    assert_eq!(lab.json("evaluate tuned --data set --part validation")["rows"], 3);
}

#[test]
fn sixteen_bits_of_which_eight_are_used() {
    let lab = Lab::new();
    for i in 0..20u32 {
        let image = ImageBuffer::from_fn(4, 4, |x, y| Luma([(60 * x + 10 * y + i) as u16]));
        let mut file = Cursor::new(Vec::new());
        DynamicImage::ImageLuma16(image).write_to(&mut file, ImageFormat::Png).expect("a picture");
        put(&lab, &format!("camera/{i:02}.png"), &file.into_inner());
    }
    let train = "train --data camera --hidden 8 --latent 2 --epochs 1 --batch-size 4";
    let notes = told(&lab, &format!("{train} --likelihood normal --out plain"));
    assert!(notes.contains("note: the largest value is 229 of 65535"), "{notes}");
    // Pixels keep their units by themselves, and have a spread of their own if that is asked for.
    assert!(lab.json("info plain")["header"]["scaler"].is_null());
    lab.run(&format!("{train} --likelihood normal --standardize yes --out units"));
    assert!(lab.json("info units")["header"]["scaler"].is_object());
    let notes = told(&lab, "evaluate units --data camera");
    assert!(!notes.contains("largest value"), "advice for a training: {notes}");
}
