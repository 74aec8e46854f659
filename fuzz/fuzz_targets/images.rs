//! Folders of pictures. The first byte says how they are read and how the others are divided: one file,
//! or two; as they are, or behind what a format starts with.
#![no_main]

use elbo::data::ReadOptions;
use elbo_fuzz::contract;
use std::path::PathBuf;
use std::sync::LazyLock;

/// The folder, which goes with the process.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("elbo-fuzz-images-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    folder
});

/// How files of each format start.
const STARTS: [&[u8]; 8] = [
    b"",
    b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0",
    b"\xff\xd8\xff",
    b"GIF89a",
    b"BM",
    b"II*\0\x08\0\0\0",
    b"P5 3 2 255 ",
    b"RIFF\xff\0\0\0WEBPVP8",
];

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else { return };
    let start = STARTS[usize::from(choice & 7)];
    let resize = (choice & 8 != 0).then_some((2, 3));
    // A second file follows the first bytes `ff 00`, if that is asked for.
    let end = match choice & 16 {
        0 => rest.len(),
        _ => rest.windows(2).position(|two| two == [0xff, 0]).unwrap_or(rest.len()),
    };
    let (one, two) = rest.split_at(end);
    std::fs::write(FOLDER.join("1.png"), [start, one].concat()).expect("a file");
    match two {
        [] => _ = std::fs::remove_file(FOLDER.join("2.png")),
        two => std::fs::write(FOLDER.join("2.png"), [start, &two[2..]].concat()).expect("a file"),
    }
    contract::pictures(&FOLDER, &ReadOptions { resize, ..ReadOptions::default() });
});
