//! A folder of pictures, from the files to pictures again.

use crate::failures::{FAILURE, USAGE, assert_refused};
use crate::lab::Lab;
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
        let cells: Vec<f64> = line.split(',').map(|c| c.parse().expect("a number")).collect();
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
    let put = |name: &str, bytes: &[u8]| {
        let path = lab.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
        std::fs::write(path, bytes).expect("a file");
    };
    put("sizes/a.png", &grey(8, 8));
    put("sizes/b.png", &grey(8, 9));
    put("cut/a.png", &grey(8, 8)[..60]);
    put("none/a.png", b"");
    put("text/a.png", b"not a picture at all, whatever its name may say");
    put("both/a.png", &grey(8, 8));
    put("both/label/b.png", &grey(8, 8));
    put("other/a.gif", b"GIF89a and so on");
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
        ("train --out run --data other", FAILURE, "other: this folder holds nothing that is read"),
        ("train --out run --data bare", FAILURE, "bare: this folder holds nothing that is read"),
        ("train --out run --data forged", FAILURE, "forged/a.png: "),
        ("train --out run --data sizes/a.png", FAILURE, "a PNG picture: name the folder"),
        ("train --out run --data sizes --label x", USAGE, "--label: this data is "),
        ("train --out run --data sizes --resize 99999999", USAGE, "--resize: 99999999 × 99999999"),
    ];
    assert_refused(&lab, &rows);
}
