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

mod description;
mod write;

pub use super::bytes::hexadecimal;
pub use description::{Description, FrameDescription, Settings, Source, digest};
pub use write::{Written, write};

use super::bins::Bins;
use super::block::{Block, Context, MOST_ROWS};
use super::bytes::{checksum, from_hexadecimal, u32_of, u64_of};
use super::embed;
use super::frame::Frame;
use crate::error::{Error, Result};
use crate::model_file::Model;
use crate::parallel;
use std::io::{Read, Seek, SeekFrom};
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
        let (magic, rest) = prefix.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(fail("this is no archive of elbo"));
        }
        let (lengths, sum) = rest.split_at(12);
        let half = |i: usize| u16::from_le_bytes([lengths[i], lengths[i + 1]]);
        if half(0) != FORMAT || half(2) != PROFILE {
            let message = format!(
                "this is an archive of format {} and arithmetic {}; this elbo reads {FORMAT} and {PROFILE}",
                half(0),
                half(2)
            );
            return Err(fail(&message));
        }
        let [json, inside] = [4, 8].map(|i| u64::from(u32_of(&lengths[i..i + 4])));
        let first = PREFIX as u64 + json + inside;
        if first > size {
            return Err(fail("the archive is cut off"));
        }
        let mut both = vec![0; (json + inside) as usize];
        read_at(&mut source, PREFIX as u64, &mut both).map_err(io)?;
        if checksum(&[lengths, &both]) != sum {
            return Err(fail("the archive's description or its model is damaged"));
        }
        let inside = both.split_off(json as usize);
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
        let (at, count) = (u64_of(&trailer[..8]), u32_of(&trailer[8..12]));
        let length = u64::from(count) * ENTRY as u64;
        if at < first || at.checked_add(length) != Some(end) {
            return Err(DAMAGED);
        }
        let mut index = vec![0; length as usize];
        read_at(&mut self.source, at, &mut index).map_err(|_| DAMAGED)?;
        if checksum(&[&index, &trailer[..12]]) != trailer[12..] {
            return Err(DAMAGED);
        }
        let starts = index.chunks_exact(ENTRY).map(|entry| u64_of(&entry[..8]));
        let starts: Vec<u64> = starts.chain([at]).collect();
        for (number, pair) in starts.windows(2).enumerate() {
            let body = pair[0].checked_add(BLOCK_PREFIX as u64).ok_or(DAMAGED)?;
            let length = pair[1].checked_sub(body).and_then(|n| u32::try_from(n).ok());
            let length = length.ok_or(DAMAGED)?;
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
            let (number, length) = (u32_of(&prefix[..4]), u32_of(&prefix[4..]));
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
        // By the index they are in order.
        let is_it = |place: &&Place| place.number == number;
        let place = self.blocks.get(number as usize).filter(is_it);
        let Some(place) = place.or_else(|| self.blocks.iter().find(is_it)).copied() else {
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
        let Description { bins, any_order, .. } = self.description;
        let states = self.description.states.clone();
        let context = Context::new(model, self.frame(model)?, states, bins, any_order);
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
