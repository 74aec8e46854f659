//! An archive: what a file was, in blocks that stand for themselves.
//!
//! | bytes | meaning |
//! |---|---|
//! | 8 | `8E 45 4C 42 4F 0D 0A 1A` |
//! | 2, 2 | version of the format, and of the arithmetic ([`PROFILE`]) |
//! | 4, 4 | lengths of the description and of the model, which may be 0 |
//! | 8 | checksum of the twelve bytes before and of both |
//! | … | the description: canonical JSON ([`Description`]), packed by deflate with its length |
//! | … | the model, if it is inside (`embed.rs`) |
//! | blocks | each `42 4C 4B 1A`, its number and its length (4, 4), a checksum of these (8), and the block (`block.rs`) |
//! | index | where each block is and how many rows are before its end (8, 8) |
//! | 8, 4, 8 | where the index is, how many blocks, and its checksum |
//!
//! Numbers are little-endian. Checksums are the first eight bytes of SHA-256. The index is for access to single blocks; where it is
//! damaged, blocks are found by their marks, and those that are whole come back.

use super::bins::Bins;
use super::block::{Block, Context, MOST_ROWS};
use super::book::Book;
use super::embed;
use super::frame::{ArrayFrame, Frame, State, take};
#[cfg(feature = "cli")]
use super::frame::{TableFrame, Writing};
use super::row::Books;
use crate::data::{Bytes, Element};
use crate::error::{Error, Result};
use crate::model_file::Model;
use crate::parallel;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"\x8eELBO\r\n\x1a";
const MARK: [u8; 4] = *b"BLK\x1a";

/// The version of the format.
pub const FORMAT: u16 = 1;

/// The version of the arithmetic that decides symbols: whoever changes a bit of a network's pass or of a law raises it.
pub const PROFILE: u16 = 1;

/// Bytes before the description, and before a block.
const PREFIX: usize = 28;
const BLOCK_PREFIX: usize = 20;
/// Bytes of the index for a block, and behind all of them.
const ENTRY: usize = 16;
const TRAILER: usize = 20;

/// What an archive is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// SHA-256 of the model file, in hexadecimal.
    pub model: String,
    /// Bits of a latent's bin.
    pub bins: u32,
    /// Whether rows may come back in another order.
    pub any_order: bool,
    /// How many rows there are.
    pub rows: u64,
    /// How many of them a block has; the last one has the rest.
    pub block: u32,
    /// Bytes before the rows, in hexadecimal.
    pub prologue: String,
    /// What rows are.
    pub frame: FrameDescription,
    /// How often each field is coded, missing, or kept beside the model; or all alike.
    pub states: Vec<[u64; 3]>,
}

/// What rows are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FrameDescription {
    /// Elements, one after another.
    Array {
        /// Their type.
        element: Element,
        /// What bytes stand for.
        bytes: String,
        /// Whether each value has a state.
        masked: bool,
        /// The values of each column.
        books: Vec<Book>,
    },
    /// Lines of cells.
    #[cfg(feature = "cli")]
    Table {
        /// How they are written.
        writing: Writing,
        /// The values of each of the model's columns.
        books: Vec<Book>,
    },
}

/// What an archive is to be.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Bits of a latent's bin.
    pub bins: u32,
    /// Whether rows may come back in another order.
    pub any_order: bool,
    /// Rows of a block.
    pub block: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { bins: 8, any_order: false, block: 4096 }
    }
}

/// The first bytes of SHA-256.
fn checksum(parts: &[&[u8]]) -> [u8; 8] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    let digest = hash.finalize();
    std::array::from_fn(|i| digest[i])
}

/// Bytes in hexadecimal.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes from hexadecimal, if they are that.
pub fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| (c as char).to_digit(16).map(|d| d as u8);
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// What tells a model from all others: SHA-256 of its file.
pub fn digest(model: &Model<f32>) -> String {
    hexadecimal(&Sha256::digest(model.to_bytes()))
}

impl FrameDescription {
    /// The frame, for a model's columns.
    ///
    /// # Errors
    /// If it is none, or not one for this model.
    pub fn frame(&self, model: &Model<f32>) -> std::result::Result<Box<dyn Frame>, String> {
        match self {
            FrameDescription::Array { element, bytes, masked, books } => {
                let columns = model.header.columns().map_err(|e| e.to_string())?;
                if books.len() != columns.width() || !books.iter().all(Book::is_sound) {
                    return Err("its columns are not those of its model".to_owned());
                }
                let bytes: Bytes = bytes.parse().map_err(|e: Error| e.to_string())?;
                let rest_of = vec![None; books.len()];
                let books = Books::new(books.clone(), columns, rest_of);
                Ok(Box::new(ArrayFrame::new(books, *element, bytes, *masked)))
            }
            #[cfg(feature = "cli")]
            FrameDescription::Table { writing, books } => {
                let table = model.header.kinds.clone().ok_or("its model is none of a table")?;
                let columns = model.header.columns().map_err(|e| e.to_string())?;
                if books.len() != columns.width() || !books.iter().all(Book::is_sound) {
                    return Err("its columns are not those of its model".to_owned());
                }
                let mut rest_of = vec![None; books.len()];
                for place in table.places().iter().filter(|place| place.slot() > place.first) {
                    rest_of[place.slot()] = Some(place.atoms.len() as u64);
                }
                let books = Books::new(books.clone(), columns, rest_of);
                Ok(Box::new(TableFrame::new(table, books, writing.clone())?))
            }
        }
    }
}

/// What became of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Bytes of all rows before.
    pub original: u64,
    /// Bytes of the archive.
    pub archive: u64,
    /// Of these, those of the model inside.
    pub model: u64,
    /// Of these, those of the blocks.
    pub blocks: u64,
}

/// Rows to be compressed, as many as are asked for and there are.
pub type Source<'a> = dyn FnMut(u64, usize) -> Result<Vec<Vec<u8>>> + 'a;

/// Counts how often each field has which state.
///
/// # Errors
/// Those of the source.
pub fn count_states(
    frame: &dyn Frame,
    rows: u64,
    source: &mut Source<'_>,
) -> Result<Vec<[u64; 3]>> {
    let mut states = vec![[0; 3]; frame.fields()];
    let (mut first, mut beside) = (0, Vec::new());
    while first < rows {
        let some = source(first, MOST_ROWS as usize / 16)?;
        for row in &some {
            beside.clear();
            let record = frame.split(row, &mut beside);
            states
                .iter_mut()
                .zip(&record.states)
                .for_each(|(counts, state)| counts[*state as usize] += 1);
        }
        first += some.len().max(1) as u64;
    }
    Ok(states)
}

/// Writes an archive: blocks are compressed on as many threads as there are, each is read again, and the bytes do not
/// depend on how many there are.
///
/// # Errors
/// Those of the source and of `out`; if a model cannot code; or if a block does not come back as it was.
pub fn write(
    out: &mut dyn Write,
    model: &Model<f32>,
    embedded: Option<&[u8]>,
    description: &Description,
    source: &mut Source<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Written> {
    let io = |e| Error::io("the archive", e);
    let frame =
        description.frame.frame(model).map_err(|message| Error::setting("model", message))?;
    let bins = Bins::new(description.bins);
    let turned = model.vae.turned(&model.params);
    let (vae, params) =
        turned.as_ref().map_or((&*model.vae, &*model.params), |(vae, params)| (vae, params));
    let context = Context {
        vae,
        params,
        frame: &*frame,
        states: &description.states,
        bins: &bins,
        any_order: description.any_order,
    };
    let json =
        embed::packed(serde_json::to_string(description).expect("it is plain data").as_bytes());
    let inside = embedded.unwrap_or_default();
    let mut prefix = Vec::new();
    prefix.extend([FORMAT, PROFILE].iter().flat_map(|v| v.to_le_bytes()));
    prefix.extend([json.len(), inside.len()].iter().flat_map(|n| (*n as u32).to_le_bytes()));
    let sum = checksum(&[&prefix, &json, inside]);
    let parts = [&MAGIC[..], &prefix, &sum, &json, inside];
    let mut at = 0u64;
    for part in parts {
        out.write_all(part).map_err(io)?;
        at += part.len() as u64;
    }
    let mut written = Written { model: inside.len() as u64, ..Written::default() };
    let (mut index, mut number) = (Vec::new(), 0u32);
    while written.rows < description.rows {
        let mut batch = Vec::new();
        let mut first = written.rows;
        while batch.len() < parallel::threads() && first < description.rows {
            let some = source(first, description.block as usize)?;
            if some.is_empty() {
                return Err(Error::setting("rows", "there are fewer rows than were counted"));
            }
            first += some.len() as u64;
            batch.push(some);
        }
        let encode = |rows: &mut Vec<Vec<u8>>| -> Result<(Block, u64)> {
            let block = Block::encode(&context, rows)?;
            let size = rows.iter().map(Vec::len).sum::<usize>();
            let again = block.decode(&context)?;
            let is_same =
                |bytes: &[u8], ends: &[usize]| match (description.any_order, frame.is_exact()) {
                    (true, _) => ends.len() == rows.len(),
                    (false, true) => bytes == rows.concat(),
                    (false, false) => {
                        let starts = [0].iter().chain(ends);
                        let read = starts
                            .zip(ends)
                            .map(|(start, end)| frame.split(&bytes[*start..*end], &mut Vec::new()));
                        read.eq(rows.iter().map(|row| frame.split(row, &mut Vec::new())))
                    }
                };
            match again {
                Ok((bytes, ends)) if is_same(&bytes, &ends) => Ok((block, size as u64)),
                _ => Err(Error::setting(
                    "model",
                    "a block that was compressed does not come back as it was: this is a fault of elbo, and nothing was written",
                )),
            }
        };
        for block in parallel::map(&mut batch, encode) {
            let (block, original) = block?;
            let bytes = block.to_bytes();
            let mut prefix = number.to_le_bytes().to_vec();
            prefix.extend((bytes.len() as u32).to_le_bytes());
            let sum = checksum(&[&prefix]);
            written.rows += u64::from(block.rows);
            index.extend([at, written.rows].iter().flat_map(|n| n.to_le_bytes()));
            for part in [&MARK[..], &prefix, &sum, &bytes] {
                out.write_all(part).map_err(io)?;
                at += part.len() as u64;
            }
            written.original += original;
            written.blocks += (BLOCK_PREFIX + bytes.len()) as u64;
            number += 1;
            progress(written.rows);
        }
    }
    let mut trailer = at.to_le_bytes().to_vec();
    trailer.extend(number.to_le_bytes());
    let sum = checksum(&[&index, &trailer]);
    for part in [&index[..], &trailer, &sum] {
        out.write_all(part).map_err(io)?;
        at += part.len() as u64;
    }
    out.flush().map_err(io)?;
    written.archive = at;
    Ok(written)
}

/// An archive that is read.
pub struct Archive<R> {
    path: PathBuf,
    source: R,
    /// What it is.
    pub description: Description,
    /// The model inside, packed; empty, if it is not.
    pub inside: Vec<u8>,
    /// Where each block is, behind its mark, how long, and how many rows are before its end.
    blocks: Vec<Place>,
    /// What is wrong with its index, if it is.
    pub damage: Option<String>,
    /// Bytes of all of it.
    pub size: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    number: u32,
    at: u64,
    length: u32,
}

impl<R: Read + Seek> Archive<R> {
    /// Opens an archive. `path` is for messages.
    ///
    /// # Errors
    /// If it is none, of another version, or damaged before its blocks.
    pub fn open(path: &Path, mut source: R) -> Result<Self> {
        let fail = |message: &str| Error::file(path, message);
        let io = |e| Error::io(path, e);
        let size = source.seek(SeekFrom::End(0)).map_err(io)?;
        let mut prefix = [0; PREFIX];
        if size < PREFIX as u64 {
            return Err(fail("this is no archive of elbo: it is too short"));
        }
        read_at(&mut source, 0, &mut prefix).map_err(io)?;
        let mut rest = &prefix[..];
        let mut next = |n| take(&mut rest, n).expect("as long as it was read");
        if next(8) != MAGIC {
            return Err(fail("this is no archive of elbo"));
        }
        let lengths = next(12);
        let half = |i: usize| u16::from_le_bytes([lengths[i], lengths[i + 1]]);
        let word = |i: usize| {
            u32::from_le_bytes(lengths[i..i + 4].try_into().expect("four bytes")) as usize
        };
        if half(0) != FORMAT || half(2) != PROFILE {
            let message = format!(
                "this is an archive of format {} and arithmetic {}; this elbo reads {FORMAT} and {PROFILE}",
                half(0),
                half(2)
            );
            return Err(fail(&message));
        }
        let (json, inside) = (word(4), word(8));
        if (PREFIX + json + inside) as u64 > size {
            return Err(fail("the archive is cut off"));
        }
        let mut both = vec![0; json + inside];
        read_at(&mut source, PREFIX as u64, &mut both).map_err(io)?;
        if checksum(&[lengths, &both]) != next(8) {
            return Err(fail("the archive's description or its model is damaged"));
        }
        let inside = both.split_off(json);
        let text =
            embed::unpacked(&mut &*both).map_err(|e| fail(&format!("the description: {e}")))?;
        let description: Description = serde_json::from_slice(&text)
            .map_err(|_| fail("the description is not one that this elbo understands"))?;
        // One that is cut off still says how many it had; beyond that nobody counts.
        let most = size / (BLOCK_PREFIX as u64 + 28) + u64::from(MOST_ROWS);
        if description.rows.div_ceil(u64::from(description.block).max(1)) > most {
            return Err(fail("the description has more rows than the archive could hold"));
        }
        if !Bins::BITS.contains(&description.bins) || !(1..=MOST_ROWS).contains(&description.block)
        {
            return Err(fail("the description has settings that no archive has"));
        }
        let first = (PREFIX + json) as u64 + inside.len() as u64;
        let mut archive = Archive {
            path: path.to_owned(),
            source,
            description,
            inside,
            blocks: Vec::new(),
            damage: None,
            size,
        };
        if let Err(message) = archive.read_index(first) {
            archive.damage = Some(message.to_owned());
            archive.find_blocks(first)?;
        }
        Ok(archive)
    }

    /// The blocks by the index.
    fn read_index(&mut self, first: u64) -> std::result::Result<(), &'static str> {
        const DAMAGED: &str = "the index is damaged or cut off";
        let end =
            self.size.checked_sub(TRAILER as u64).filter(|end| *end >= first).ok_or(DAMAGED)?;
        let mut trailer = [0; TRAILER];
        read_at(&mut self.source, end, &mut trailer).map_err(|_| DAMAGED)?;
        let at = u64::from_le_bytes(trailer[..8].try_into().expect("eight bytes"));
        let count = u32::from_le_bytes(trailer[8..12].try_into().expect("four bytes")) as usize;
        if at < first || at.checked_add((count * ENTRY) as u64) != Some(end) {
            return Err(DAMAGED);
        }
        let mut index = vec![0; count * ENTRY];
        read_at(&mut self.source, at, &mut index).map_err(|_| DAMAGED)?;
        if checksum(&[&index, &trailer[..12]]) != trailer[12..] {
            return Err(DAMAGED);
        }
        let starts = index
            .chunks_exact(ENTRY)
            .map(|e| u64::from_le_bytes(e[..8].try_into().expect("eight bytes")));
        let starts: Vec<u64> = starts.chain([at]).collect();
        for (number, pair) in starts.windows(2).enumerate() {
            let body = pair[0] + BLOCK_PREFIX as u64;
            let length =
                pair[1].checked_sub(body).and_then(|n| u32::try_from(n).ok()).ok_or(DAMAGED)?;
            self.blocks.push(Place { number: number as u32, at: body, length });
        }
        Ok(())
    }

    /// The blocks by their marks: all that are where one could be.
    fn find_blocks(&mut self, first: u64) -> Result<()> {
        let io = |e| Error::io(&self.path, e);
        self.source.seek(SeekFrom::Start(first)).map_err(io)?;
        let mut bytes = Vec::new();
        self.source.read_to_end(&mut bytes).map_err(io)?;
        let mut at = 0;
        while at + BLOCK_PREFIX <= bytes.len() {
            let prefix = &bytes[at + 4..at + 12];
            if bytes[at..at + 4] != MARK || checksum(&[prefix]) != bytes[at + 12..at + BLOCK_PREFIX]
            {
                at += 1;
                continue;
            }
            let word =
                |i: usize| u32::from_le_bytes(prefix[i..i + 4].try_into().expect("four bytes"));
            let (number, length) = (word(0), word(4));
            self.blocks.push(Place { number, at: first + (at + BLOCK_PREFIX) as u64, length });
            at += BLOCK_PREFIX;
        }
        Ok(())
    }

    /// How many blocks there should be.
    pub fn blocks(&self) -> u32 {
        self.description.rows.div_ceil(self.description.block.into()) as u32
    }

    /// A block by its number.
    ///
    /// # Errors
    /// If it cannot be read; inside, what is wrong with it.
    pub fn block(&mut self, number: u32) -> Result<std::result::Result<Block, &'static str>> {
        let Some(place) = self.blocks.iter().find(|place| place.number == number).copied() else {
            return Ok(Err("it is not there"));
        };
        if place.at + u64::from(place.length) > self.size {
            return Ok(Err("it is cut off"));
        }
        let mut bytes = vec![0; place.length as usize];
        read_at(&mut self.source, place.at, &mut bytes).map_err(|e| Error::io(&self.path, e))?;
        let first = u64::from(number) * u64::from(self.description.block);
        let rows = (self.description.rows - first.min(self.description.rows))
            .min(self.description.block.into());
        Ok(Block::from_bytes(&bytes).and_then(|block| match u64::from(block.rows) == rows {
            true => Ok(block),
            false => Err("it has not the rows that it should have"),
        }))
    }

    /// The model inside, if it is.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn model(&self) -> Result<Option<Model<f32>>> {
        if self.inside.is_empty() {
            return Ok(None);
        }
        let model = embed::unpack(&self.inside);
        model.map(Some).map_err(|e| Error::file(&self.path, format!("the model inside: {e}")))
    }

    /// What its rows are, with a model.
    ///
    /// # Errors
    /// If the model is not the one that it was written with.
    pub fn frame(&self, model: &Model<f32>) -> Result<Box<dyn Frame>> {
        let (found, wanted) = (digest(model), &self.description.model);
        if found != *wanted {
            let message = format!(
                "the archive was written with another model: {}…, this one is {}…",
                wanted.get(..12).unwrap_or(wanted),
                &found[..12]
            );
            return Err(Error::file(&self.path, message));
        }
        let frame = self.description.frame.frame(model).map_err(|e| Error::file(&self.path, e))?;
        match self.description.states.len() == frame.fields() {
            true => Ok(frame),
            false => {
                Err(Error::file(&self.path, "the description counts other fields than there are"))
            }
        }
    }

    /// Bytes before the rows.
    ///
    /// # Errors
    /// If they are not there.
    pub fn prologue(&self) -> Result<Vec<u8>> {
        let bytes = from_hexadecimal(&self.description.prologue);
        bytes.ok_or_else(|| Error::file(&self.path, "the description has no bytes before the rows"))
    }

    /// Reads the rows `rows`, block after block, and calls `each` with the bytes of those that came back. Gives what is wrong
    /// with blocks that did not.
    ///
    /// # Errors
    /// If the archive cannot be read, the model is another, or `each` fails.
    pub fn read(
        &mut self,
        model: &Model<f32>,
        rows: std::ops::Range<u64>,
        each: &mut dyn FnMut(&[u8]) -> Result<()>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<(u32, &'static str)>> {
        let (frame, bins) = (self.frame(model)?, Bins::new(self.description.bins));
        let states = self.description.states.clone();
        let turned = model.vae.turned(&model.params);
        let (vae, params) =
            turned.as_ref().map_or((&*model.vae, &*model.params), |(vae, params)| (vae, params));
        let context = Context {
            vae,
            params,
            frame: &*frame,
            states: &states,
            bins: &bins,
            any_order: self.description.any_order,
        };
        let per_block = u64::from(self.description.block);
        let numbers = rows.start / per_block..rows.end.div_ceil(per_block);
        let (mut broken, numbers) = (Vec::new(), numbers.map(|n| n as u32).collect::<Vec<_>>());
        for some in numbers.chunks(parallel::threads().max(1)) {
            let mut blocks = some.iter().map(|n| self.block(*n)).collect::<Result<Vec<_>>>()?;
            let decode = |block: &mut std::result::Result<Block, &'static str>| match block {
                Ok(block) => block.decode(&context),
                Err(message) => Ok(Err(*message)),
            };
            for (number, decoded) in some.iter().zip(parallel::map(&mut blocks, decode)) {
                match decoded? {
                    Ok((bytes, ends)) => {
                        let first = u64::from(*number) * per_block;
                        let end = |row: u64| match row.saturating_sub(first) {
                            0 => 0,
                            n => ends[(n as usize).min(ends.len()) - 1],
                        };
                        each(&bytes[end(rows.start)..end(rows.end)])?;
                    }
                    Err(message) => broken.push((*number, message)),
                }
                progress((u64::from(*number) + 1) * per_block);
            }
        }
        Ok(broken)
    }
}

fn read_at(source: &mut (impl Read + Seek), at: u64, out: &mut [u8]) -> std::io::Result<()> {
    source.seek(SeekFrom::Start(at))?;
    source.read_exact(out)
}

/// Whether all fields of all rows are coded by the model.
pub fn all_coded(states: &[[u64; 3]]) -> bool {
    states
        .iter()
        .all(|counts| counts[State::Missing as usize] + counts[State::Beside as usize] == 0)
}
