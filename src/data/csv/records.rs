//! Text as records: the cells of a line, or of several where a quoted cell spans them.
//!
//! The crate `csv-core` knows the quotes (RFC 4180). Around it, this counts lines as an editor does,
//! passes over comments, finds quotes that are never closed, and limits what a record takes: its cells
//! are the only thing here that grows with the file.

use std::io::{BufRead, Read};

use csv_core::{ReadRecordResult, Reader};

use crate::data::input::Input;
use crate::error::{Error, Result};

/// The mark that some programs put before text in UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Cells of a record. Rows are not that wide: a colour picture of 290 × 290 pixels has fewer values.
const MOST_CELLS: usize = 1 << 18;

/// Bytes of a record: as many numbers are written with fewer.
const LONGEST: usize = 1 << 23;

/// What divides a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    /// What stands between cells.
    pub(super) delimiter: u8,
    /// What a line begins with that is passed over, if there are such lines.
    pub(super) comment: Option<u8>,
}

/// A record's cells.
#[derive(Clone)]
pub(super) struct Record {
    /// The cells, one after another, and maybe more.
    text: Vec<u8>,
    /// Where in `text` each cell ends, and maybe more.
    ends: Vec<usize>,
    /// How many cells there are.
    width: usize,
    /// The line of the file in which it starts, from 1.
    line: u64,
}

impl Record {
    /// A record of these cells.
    #[cfg(feature = "parquet")]
    pub(super) fn of(cells: &[String]) -> Self {
        let ends = cells.iter().scan(0, |end, cell| {
            *end += cell.len();
            Some(*end)
        });
        let (text, ends) = (cells.concat().into_bytes(), ends.collect());
        Record { text, ends, width: cells.len(), line: 1 }
    }

    /// How many cells there are, at least one.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The line of the file in which it starts, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Cell `j` (from 0) without the spaces around it.
    pub(super) fn cell(&self, j: usize) -> &[u8] {
        let start = if j == 0 { 0 } else { self.ends[j - 1] };
        self.text[start..self.ends[j]].trim_ascii()
    }

    /// All cells without the spaces around them.
    pub(super) fn cells(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.width).map(|j| self.cell(j))
    }

    /// Whether it is a line of nothing but spaces. One empty cell between quotes is not.
    fn is_blank(&self) -> bool {
        self.width == 1 && self.ends[0] > 0 && self.cell(0).is_empty()
    }
}

/// The records of a file that are not blank.
pub(super) struct Records<'a> {
    input: &'a Input,
    source: Box<dyn BufRead + 'a>,
    parser: Reader,
    lines: Lines,
    comment: Option<u8>,
    comments: u64,
    record: Record,
}

impl<'a> Records<'a> {
    pub(super) fn new(input: &'a Input, marks: Marks) -> Result<Self> {
        Ok(Records {
            input,
            source: text(input)?,
            parser: csv_core::ReaderBuilder::new().delimiter(marks.delimiter).build(),
            lines: Lines { current: 1, after_return: false },
            comment: marks.comment,
            comments: 0,
            record: Record { text: vec![0; 1024], ends: vec![0; 64], width: 0, line: 1 },
        })
    }

    /// The next one, if there is one.
    ///
    /// # Errors
    /// If the file cannot be read, a quote is not closed, or the record is too large.
    pub(super) fn next(&mut self) -> Result<Option<&Record>> {
        while self.read()? {
            if !self.record.is_blank() {
                return Ok(Some(&self.record));
            }
        }
        Ok(None)
    }

    /// How many comments there were so far.
    pub(super) fn comments(&self) -> u64 {
        self.comments
    }

    /// Reads a record, if there is one.
    fn read(&mut self) -> Result<bool> {
        self.skip_line_ends()?;
        while self.skip_comment()? {
            self.comments += 1;
            self.skip_line_ends()?;
        }
        self.record.line = self.lines.current;
        let (mut length, mut width) = (0, 0);
        loop {
            let rest = self.source.fill_buf().map_err(|e| Error::io(self.input.path(), e))?;
            let ended = rest.is_empty();
            // If the last line has no end it gets one: what goes on after that is within quotes.
            let bytes = if ended { b"\n" } else { rest };
            let Record { text, ends, .. } = &mut self.record;
            let (outcome, read, written, split) =
                self.parser.read_record(bytes, &mut text[length..], &mut ends[width..]);
            if !ended {
                self.lines.pass(&bytes[..read]);
                self.source.consume(read);
            }
            (length, width) = (length + written, width + split);
            match outcome {
                ReadRecordResult::Record => {
                    self.record.width = width;
                    return Ok(true);
                }
                ReadRecordResult::OutputFull if grow(text, LONGEST) => {}
                ReadRecordResult::OutputEndsFull if grow(ends, MOST_CELLS) => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    return Err(self.endless(TOO_LONG));
                }
                ReadRecordResult::InputEmpty | ReadRecordResult::End if !ended => {}
                _ if length + width == 0 => return Ok(false),
                _ => return Err(self.endless(NOT_CLOSED)),
            }
        }
    }

    /// Skips the ends of empty lines, so that the next byte is in the line where a record starts.
    fn skip_line_ends(&mut self) -> Result<()> {
        self.skip_while(|byte| matches!(byte, b'\n' | b'\r'))
    }

    /// Skips a comment but for its line's end, if the next line is one.
    fn skip_comment(&mut self) -> Result<bool> {
        let Some(mark) = self.comment else { return Ok(false) };
        let bytes = self.source.fill_buf().map_err(|e| Error::io(self.input.path(), e))?;
        let found = bytes.first() == Some(&mark);
        if found {
            self.skip_while(|byte| !matches!(byte, b'\n' | b'\r'))?;
        }
        Ok(found)
    }

    /// Skips bytes of a kind.
    fn skip_while(&mut self, kind: fn(&u8) -> bool) -> Result<()> {
        loop {
            let bytes = self.source.fill_buf().map_err(|e| Error::io(self.input.path(), e))?;
            let count = bytes.iter().take_while(|byte| kind(byte)).count();
            self.lines.pass(&bytes[..count]);
            let more = count == bytes.len() && count > 0;
            self.source.consume(count);
            if !more {
                return Ok(());
            }
        }
    }

    /// The error of a record without an end.
    fn endless(&self, wrong: &str) -> Error {
        self.input.error(format!("line {}: {wrong}", self.record.line))
    }
}

/// What is wrong with a record that goes on beyond the file, and what to do.
const NOT_CLOSED: &str = "a quote is opened that is never closed: close or remove it";

/// What is wrong with a record above the limits, and what to do.
const TOO_LONG: &str = "this is longer than 8 MiB or has more than 262144 cells: check that the file \
                        is a table, that its lines have ends, and that its quotes are closed";

/// Makes room for more, if there is not the most already.
fn grow<T: Clone + Default>(room: &mut Vec<T>, most: usize) -> bool {
    let before = room.len();
    room.resize((2 * before).min(most), T::default());
    room.len() > before
}

/// Counts lines that end as on any system: `\n`, `\r\n` or `\r`.
struct Lines {
    /// The line of the next byte, from 1.
    current: u64,
    /// Whether the last byte was `\r`, so that `\n` is no further end.
    after_return: bool,
}

impl Lines {
    fn pass(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.current += (byte == b'\r' || byte == b'\n' && !self.after_return) as u64;
            self.after_return = byte == b'\r';
        }
    }
}

/// The bytes after the mark that says UTF-8, if there is one.
pub(super) fn text(input: &Input) -> Result<Box<dyn BufRead + '_>> {
    let mut source = input.reader();
    if input.start().starts_with(BOM) {
        let read = source.read_exact(&mut [0; BOM.len()]);
        read.map_err(|e| Error::io(input.path(), e))?;
    }
    Ok(Box::new(source))
}
