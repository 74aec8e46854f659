//! The binary grey maps of NetPBM (`P5`), one or more in a file, each a row.
//!
//! | bytes | meaning |
//! |---|---|
//! | `P5` | the format |
//! | text | width, height and largest value in decimal, after white space; `#` starts a comment |
//! | 1 | white space |
//! | width · height | the pixels; the largest value, 255 here, is white |
//!
//! The next image follows without a gap. All have the size of the first.

use super::Values;
use super::input::Input;
use super::reader::{Location, Reader, Source, shaped};
use crate::error::{Result, check_memory};

pub(super) fn reader() -> Reader {
    Reader {
        name: "PGM",
        summary: "a binary PGM file of one or more grey images of one size, as 0 … 1",
        options: &[],
        recognises: |location| match location {
            Location::File(input) => input.start().starts_with(b"P5"),
            _ => false,
        },
        read: |location, _| {
            let Location::File(input) = location else { unreachable!("it was recognised") };
            read(&input)
        },
    }
}

/// Reads all images.
///
/// # Errors
///
/// `Error::Io` if the system refuses to read, `Error::File` if an image is cut off, counts to another
/// value than 255 or has another size than the first, `Error::Setting` if there is not the memory.
fn read(input: &Input) -> Result<Source> {
    let length = usize::try_from(input.length()).unwrap_or(usize::MAX);
    check_memory::<u8>(length.saturating_mul(2), "data", "split the file")?;
    let (mut bytes, mut pixels) = (vec![0; length], Vec::with_capacity(length));
    input.read_exact_at(&mut bytes, 0)?;

    let (mut rest, mut count, mut first) = (&bytes[..], 0, None);
    while !rest.is_empty() {
        count += 1;
        let wrong = |what| input.error(format!("image {count}: {what}"));
        let ([width, height, largest], raster) =
            header(rest).ok_or_else(|| wrong("the header is no binary PGM's: write it again"))?;
        if largest != 255 {
            return Err(wrong("the largest value is not 255: convert it with `pamdepth 255`"));
        }
        if *first.get_or_insert([width, height]) != [width, height] {
            return Err(wrong("its size is not that of the first: scale it with `pamscale`"));
        }
        // The header is compared with what is there before it is believed.
        let area = width.checked_mul(height).filter(|area| *area <= raster.len());
        let area = area.ok_or_else(|| wrong("the file ends before its pixels: fetch it again"))?;
        pixels.extend_from_slice(&raster[..area]);
        rest = &raster[area..];
    }
    let [width, height] = first.expect("an input is never empty");
    let train = shaped(input.path(), Values::U8(pixels), &[count, height, width])?;
    Ok(Source { train, test: None, notes: Vec::new() })
}

/// Width, height and largest value, and the bytes behind them.
fn header(bytes: &[u8]) -> Option<([usize; 3], &[u8])> {
    let (mut rest, mut numbers) = (bytes.strip_prefix(b"P5")?, [0; 3]);
    for number in &mut numbers {
        loop {
            rest = match rest {
                [b'#', ..] => &rest[rest.iter().position(|b| *b == b'\n')?..],
                [space, tail @ ..] if space.is_ascii_whitespace() => tail,
                _ => break,
            };
        }
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (text, tail) = rest.split_at(digits);
        (*number, rest) = (std::str::from_utf8(text).ok()?.parse().ok()?, tail);
    }
    match rest {
        [space, raster @ ..] if space.is_ascii_whitespace() => Some((numbers, raster)),
        _ => None,
    }
}
