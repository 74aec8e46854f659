//! Writes `seeds/`: small valid inputs of every target, from which the search starts.

use elbo::data::{ImageShape, npy};
use elbo::model_file::{Header, Model, ScalerHeader, TrainingHeader};
use elbo::params::Init;
use elbo::vae::{LevelConfig, Vae, VaeConfig};
use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use std::path::Path;

/// Writes an input: the target's first byte, and the rest.
fn seed(target: &str, name: &str, choice: u8, rest: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join(name), [&[choice], rest].concat()).expect("a file");
}

fn idx() {
    let file = |dims: &[u32]| -> Vec<u8> {
        let axes = dims.iter().flat_map(|d| d.to_be_bytes());
        let values = (0..dims.iter().product::<u32>()).map(|i| (i * 7) as u8);
        [0, 0, 8, dims.len() as u8].into_iter().chain(axes).chain(values).collect()
    };
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("a vector takes everything");
        encoder.finish().expect("a vector takes everything")
    };
    for dims in [&[5][..], &[3, 4], &[2, 3, 4], &[2, 2, 2, 3]] {
        let (axes, bytes) = (dims.len(), file(dims));
        seed("idx", &format!("plain-{axes}"), 0, &bytes);
        let choice = 8 * (axes as u8 - 1);
        seed("idx", &format!("rest-{axes}"), choice + 1, &bytes[4..]);
        seed("idx", &format!("packed-rest-{axes}"), choice + 2, &bytes[4..]);
        seed("idx", &format!("packed-{axes}"), 0, &gzip(&bytes));
    }
    let (bytes, packed) = (file(&[30, 20]), gzip(&file(&[30, 20])));
    seed("idx", "to-be-packed", 3, &bytes);
    seed("idx", "two-members", 0, &[gzip(&bytes[..50]), gzip(&bytes[50..])].concat());
    seed("idx", "behind-magic", 5, &packed[3..]);
    seed("idx", "deflate", 6, &packed[10..]);
}

fn npy_files() {
    for (shape, double) in [(&[6][..], true), (&[2, 3], false), (&[1, 2, 3], true)] {
        let mut bytes = Vec::new();
        npy::write(&mut bytes, shape, (0..6).map(f64::from), double).expect("a vector");
        seed("npy", &format!("file-{}", shape.len()), 0, &bytes);
        seed("npy", &format!("version-1-{}", shape.len()), 1, &bytes[10..]);
        seed("npz", &format!("deflated-{}", shape.len()), 1, &bytes);
        seed("npz", &format!("stored-{}", shape.len()), 2, &bytes);
    }
    for (version, descr, size) in [(1, "|u1", 1), (2, ">f4", 4), (3, "<f8", 8), (3, ">i8", 8)] {
        let header = format!("{{'descr':'{descr}','fortran_order':False,'shape':(2,2,1,1)}}\n");
        let rest = [header.as_bytes(), &vec![0; 4 * size]].concat();
        seed("npy", &format!("version-{version}-{}", &descr[1..]), version, &rest);
    }
}

fn csv() {
    let tables = [
        ("plain", 0, "1,2,3\n4,5,6\n"),
        ("named", 0, "a,b,c\n1,2,3\n4.5,-5e3,6\n"),
        ("label", 4, "a,b\nred,1\nblue,2\n"),
        ("numbered-label", 10, "1;2.5\r\n0;3.5\r\n"),
        ("quoted", 0, "\"a\",\"b \"\"x\"\", y\"\n\"1\",2\n"),
        ("tabs", 1, "a\tb\n 1 \t2\n\n3\t4"),
        ("columns", 32, "a,b,c\n1,2,x\n3,4,y\n"),
        ("numbered-columns", 50, "x,1,2\ny,3,4\n"),
        ("bom", 0, "\u{feff}a,b\n1,2\n"),
        ("not-finite", 0, "1,nan\n2,inf\n"),
    ];
    tables.iter().for_each(|(name, choice, text)| seed("csv", name, *choice, text.as_bytes()));
}

fn models() {
    let write = |name: &str, config: VaeConfig, change: &dyn Fn(&mut Header)| {
        let vae = Vae::<f32>::new(config.clone()).expect("a small model");
        let mut header = Header::new(&config, None);
        change(&mut header);
        let params = vae.init(Init::Uniform, 1, None);
        let choice = if config.levels.len() == 1 { 2 } else { 3 };
        seed("model", &format!("header-{name}"), choice, header.to_json().as_bytes());
        let bytes = Model { params, header, vae: vae.into() }.to_bytes();
        seed("model", &format!("file-{name}"), 0, &bytes);
        // The target finds the header's length by its last byte.
        let end = 8 + u64::from_le_bytes(*bytes.first_chunk().expect("eight bytes")) as usize;
        let rest = [&bytes[8..end], b"\n", &bytes[end..]].concat();
        seed("model", &format!("rest-{name}"), 1, &rest);
    };
    let one = VaeConfig::new(3, &[2], 1);
    write("plain", one.clone(), &|_| ());
    write("full", one.clone(), &|header| {
        let image = ImageShape { height: 1, width: 1, channels: 3 };
        header.image = Some([image.height, image.width, image.channels]);
        header.columns = Some(["a", "b", "c"].map(str::to_owned).into());
        header.scaler = Some(ScalerHeader { mean: vec![0.5; 3], scale: vec![2.0; 3] });
        header.training = Some(training());
    });
    let normal = "normal:variance=learned".parse().expect("a likelihood");
    write("normal", VaeConfig { likelihood: normal, ..one }, &|_| ());
    let mut two = VaeConfig::new(2, &[], 1);
    two.levels.push(LevelConfig::dense(&[2], 1));
    write("two", two, &|_| ());
}

fn training() -> TrainingHeader {
    use elbo::data::{Binarize, Dataset, Roles, Values};
    let roles =
        Roles { validation: 0.1, test: 0.0, limit: Some(9), binarize: Binarize::Dynamic, seed: 1 };
    let data = Dataset::new(Values::U8(vec![0; 30]), 3).expect("ten rows");
    TrainingHeader::new(&Default::default(), &roles, &data, Some("digits:count=9".to_owned()))
}

fn images() {
    use image::{DynamicImage, ImageFormat, RgbImage};
    let image = DynamicImage::from(RgbImage::from_fn(4, 3, |x, y| {
        image::Rgb([60 * x as u8, 80 * y as u8, 9])
    }));
    // The choice of the target's start, and how many bytes that stands for.
    for (name, format, choice, start) in [
        ("png", ImageFormat::Png, 1, 19),
        ("jpeg", ImageFormat::Jpeg, 2, 3),
        ("gif", ImageFormat::Gif, 3, 6),
        ("bmp", ImageFormat::Bmp, 4, 2),
        ("tiff", ImageFormat::Tiff, 5, 8),
        ("pnm", ImageFormat::Pnm, 0, 0),
        ("webp", ImageFormat::WebP, 0, 0),
    ] {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).expect("a vector takes everything");
        let bytes = bytes.into_inner();
        seed("images", &format!("file-{name}"), 0, &bytes);
        seed("images", &format!("resized-{name}"), 8, &bytes);
        if choice > 0 {
            seed("images", &format!("rest-{name}"), choice, &bytes[start..]);
        }
        seed("images", &format!("two-{name}"), 24, &[&bytes[..], &[0xff, 0], &bytes].concat());
    }
    let deep = DynamicImage::from(image.to_rgb16());
    let mut bytes = std::io::Cursor::new(Vec::new());
    deep.write_to(&mut bytes, ImageFormat::Png).expect("a vector takes everything");
    seed("images", "file-deep", 0, &bytes.into_inner());
}

fn checkpoints() {
    use elbo::data::{Binarize, Dataset, Parts, Roles, Source, Values};
    use elbo::train::{TrainConfig, Trainer, checkpoint};
    // The run of the target.
    let values = (0..12).map(|i| if i % 3 == 0 { 255 } else { 0 }).collect();
    let train = Dataset::new(Values::U8(values), 3).expect("four rows");
    let source = Source { train, test: None, notes: Vec::new() };
    let roles =
        Roles { validation: 0.0, test: 0.0, limit: None, binarize: Binarize::None, seed: 0 };
    let parts = Parts::new(source, roles).expect("a part");
    let config = TrainConfig { batch_size: 2, epochs: 2, ..TrainConfig::default() };
    let mut trainer =
        Trainer::<f32>::new(VaeConfig::new(3, &[2], 1), config, parts).expect("a small run");
    let path = std::env::temp_dir().join("elbo-fuzz-seed");
    for steps in 0..3u8 {
        checkpoint::save(&path, &trainer, "the run").expect("a sound run is saved");
        let bytes = std::fs::read(&path).expect("it was written just now");
        seed("checkpoint", &format!("file-{steps}"), 0, &bytes);
        let end = 8 + u64::from_le_bytes(*bytes.first_chunk().expect("eight bytes")) as usize;
        let rest = [&bytes[8..end], b"\n", &bytes[end..]].concat();
        seed("checkpoint", &format!("rest-{steps}"), 1, &rest);
        seed("checkpoint", &format!("counters-{steps}"), 2, &f64::from(steps).to_le_bytes());
        trainer.step().expect("a step of a sound run");
    }
    std::fs::remove_file(path).expect("it was written just now");
}

fn main() {
    idx();
    npy_files();
    csv();
    models();
    images();
    checkpoints();
}
