//! What divides a text: said by the user, or found in its first records.

use std::io::Read;

use super::records::{Marks, text};
use crate::data::input::Input;
use crate::data::reader::ReadOptions;
use crate::error::{Error, Result};

/// The delimiters that are looked for, the strongest first: a weaker one may stand in the cells that a
/// stronger one divides, as commas do that are decimal.
const DELIMITERS: &[u8] = b"\t;|,";

/// Records that are looked at.
const SAMPLE: usize = 20;

/// Bytes that are looked at.
const LONGEST: usize = 1 << 20;

/// The marks of a file.
///
/// # Errors
/// [`Error::Setting`] if the user says what cannot be one; if the file cannot be read.
pub(super) fn marks(input: &Input, options: &ReadOptions) -> Result<Marks> {
    let model = options.expected.as_ref().and_then(|model| model.table.as_ref());
    let comment = match options.comment.as_deref() {
        Some("none") => None,
        Some(text) => Some(mark("comment", text, "`none`, or a character such as `%`")?),
        None => model.map_or(Some(b'#'), |table| table.comment),
    };
    let delimiter = match options.delimiter.as_deref() {
        Some("tab" | "\\t") => b'\t',
        Some("space") => b' ',
        Some(text) => mark("delimiter", text, "a character such as `;`, or `tab` or `space`")?,
        None => found(input, comment)?,
    };
    if comment == Some(delimiter) {
        return Err(Error::setting("delimiter", "this begins comments: name another --comment"));
    }
    Ok(Marks { delimiter, comment })
}

/// A character that a user names.
fn mark(setting: &str, text: &str, accepted: &str) -> Result<u8> {
    match text.as_bytes() {
        [byte]
            if byte.is_ascii()
                && !byte.is_ascii_alphanumeric()
                && !b"\"\r\n\0+-.".contains(byte) =>
        {
            Ok(*byte)
        }
        _ => Err(Error::setting(setting, format!("`{text}` is not {accepted}"))),
    }
}

/// The delimiter that most of the first records hold as often as the first does; the strongest of
/// several.
///
/// # Errors
/// If the file cannot be read.
fn found(input: &Input, comment: Option<u8>) -> Result<u8> {
    let (mut first, mut agree) = (None, [0; DELIMITERS.len()]);
    let mut bytes = text(input)?.bytes().take(LONGEST);
    for _ in 0..SAMPLE {
        let Some(counts) = next_record(&mut bytes, comment) else { break };
        let counts = counts.map_err(|e| Error::io(input.path(), e))?;
        let first: Counts = *first.get_or_insert(counts);
        for (i, agree) in agree.iter_mut().enumerate() {
            *agree += usize::from(first[i] > 0 && first[i] == counts[i]);
        }
    }
    // The last of the best is what `max_by_key` returns.
    let best = DELIMITERS.iter().zip(agree).rev().max_by_key(|(_, agree)| *agree);
    Ok(best.filter(|(_, agree)| *agree > 0).map_or(b',', |(delimiter, _)| *delimiter))
}

/// How often each delimiter stands in a record.
type Counts = [usize; DELIMITERS.len()];

/// How often each delimiter stands outside quotes in the next record that is neither blank nor a
/// comment. A quote opens a cell after any of them, since it is not known yet which one counts.
fn next_record(
    bytes: &mut impl Iterator<Item = std::io::Result<u8>>,
    comment: Option<u8>,
) -> Option<std::io::Result<Counts>> {
    let (mut counts, mut before) = (Counts::default(), b'\n');
    let (mut blank, mut quoted, mut is_comment) = (true, false, false);
    loop {
        let byte = match bytes.next() {
            Some(Ok(byte)) => byte,
            Some(Err(error)) => return Some(Err(error)),
            None => return (!blank && !is_comment).then_some(Ok(counts)),
        };
        let ends = matches!(byte, b'\r' | b'\n') && !quoted;
        if ends && !blank && !is_comment {
            return Some(Ok(counts));
        }
        if ends {
            (counts, blank, is_comment) = (Counts::default(), true, false);
        } else if blank && matches!(before, b'\r' | b'\n') && comment == Some(byte) {
            is_comment = true;
        } else if byte == b'"' && quoted {
            quoted = false;
        } else if byte == b'"' && !is_comment && opens(before) {
            quoted = true;
        } else if let Some(i) = DELIMITERS.iter().position(|d| *d == byte && !quoted) {
            counts[i] += 1;
        }
        blank &= byte.is_ascii_whitespace();
        before = byte;
    }
}

/// Whether a quote after this byte begins a cell, or is the second of two that stand for one.
fn opens(before: u8) -> bool {
    DELIMITERS.contains(&before) || b"\r\n\"".contains(&before)
}
