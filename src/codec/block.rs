//! Rows together: a stack of bits of their own, and what is kept beside it.
//!
//! ```text
//! row i = 0 … n − 1     write   bits back (`row.rs`), then push what became of its fields
//!                       read    from the last to the first
//! in any order          before row i is written, it is chosen among those that are left by popping one of n − i, all
//!                       alike; whoever reads knows which one that was, once the rows are sorted, and pushes it: the
//!                       log₂ n! bits that an order would take are not spent
//! ```
//!
//! The first row pops latents from words that mean nothing ([`Stack::primed`]). As many of them are kept as were touched,
//! and whoever reads finds them again at the end: together with a checksum of the rows that proves that all is well.
//!
//! Source, any order: Severo et al. 2021, arXiv:2107.09202.

use super::bins::Bins;
use super::frame::{Frame, Record, State, take};
use super::row::RowCoder;
use super::stack::{Interval, Stack, TOTAL};
use super::symbol::{Coder, Reader, Writer, code_number};
use crate::error::Result;
use crate::vae::Vae;
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};

/// Rows of a block at most.
pub const MOST_ROWS: u32 = 1 << 16;

/// What rows are coded with.
pub struct Context<'a> {
    /// The model.
    pub vae: &'a Vae<f32>,
    /// Its weights.
    pub params: &'a [f32],
    /// What the bytes of a row are.
    pub frame: &'a dyn Frame,
    /// How often each field has which state, `[fields]`.
    pub states: &'a [[u64; 3]],
    /// Bins of latents.
    pub bins: &'a Bins,
    /// Whether rows may come back in another order: sorted.
    pub any_order: bool,
}

/// Some rows, compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// How many rows.
    pub rows: u32,
    /// Words that meant nothing.
    primed: u32,
    /// The stack of bits.
    words: Vec<u32>,
    /// What is kept beside it, and how long that is when it is unpacked.
    beside: Vec<u8>,
    beside_length: u32,
    checksum: [u8; CHECKSUM],
}

/// The rows' bytes, one after another, and where each ends; or what is wrong with the block.
pub type Decoded = std::result::Result<(Vec<u8>, Vec<usize>), &'static str>;

/// Bytes of a checksum.
const CHECKSUM: usize = 8;

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let digest = Sha256::digest(bytes);
    std::array::from_fn(|i| digest[i])
}

/// Deflate makes no more than that of a byte.
const MOST_UNPACKED: usize = 1032;

impl Block {
    /// Compresses rows of bytes.
    ///
    /// # Errors
    /// As [`RowCoder::new`].
    pub fn encode(context: &Context<'_>, rows: &[impl AsRef<[u8]>]) -> Result<Self> {
        let frame = context.frame;
        let mut split: Vec<(Record, Vec<u8>)> = rows
            .iter()
            .map(|row| {
                let mut beside = Vec::new();
                (frame.split(row.as_ref(), &mut beside), beside)
            })
            .collect();
        if context.any_order {
            split.sort();
        }
        let beside: Vec<u8> = split.iter().flat_map(|(_, beside)| beside).copied().collect();
        let mut bytes = Vec::new();
        let mut rest = &*beside;
        for (record, _) in &split {
            frame.join(record, &mut rest, &mut bytes).expect("it was taken apart just now");
        }
        let mut rows = RowCoder::new(context.vae, context.params, frame.books(), context.bins)?;
        let mut primed = 64 + context.vae.latents();
        let (stack, primed) = loop {
            let records = split.iter().map(|(record, _)| record.clone()).collect();
            let stack = encode_records(context, &mut rows, records, primed);
            // One that had to be empty would have been given zeros, and the first latents with them.
            if stack.least() > 0 || primed > 1 << 20 {
                break (stack, primed);
            }
            primed *= 2;
        };
        let untouched = stack.least();
        let mut words = stack.into_words();
        words.drain(..untouched);
        let mut packer = DeflateEncoder::new(Vec::new(), Compression::best());
        let packed = packer.write_all(&beside).and_then(|()| packer.finish());
        Ok(Block {
            rows: split.len() as u32,
            primed: (primed - untouched) as u32,
            words,
            beside: if beside.is_empty() { Vec::new() } else { packed.expect("memory takes all") },
            beside_length: beside.len() as u32,
            checksum: checksum(&bytes),
        })
    }

    /// The rows again.
    ///
    /// # Errors
    /// As [`RowCoder::new`].
    pub fn decode(&self, context: &Context<'_>) -> Result<Decoded> {
        let mut rows =
            RowCoder::new(context.vae, context.params, context.frame.books(), context.bins)?;
        Ok(self.decode_with(context, &mut rows))
    }

    fn decode_with(&self, context: &Context<'_>, rows: &mut RowCoder<'_>) -> Decoded {
        let mut stack = Stack::from_words(self.words.clone())?;
        let records = decode_records(context, rows, &mut stack, self.rows as usize);
        if !stack.is_primed(self.primed as usize) {
            return Err("its bits are not those that were written");
        }
        let mut beside = Vec::new();
        if self.beside_length > 0 {
            let unpacked = DeflateDecoder::new(&*self.beside)
                .take(u64::from(self.beside_length) + 1)
                .read_to_end(&mut beside);
            unpacked.map_err(|_| "what is kept beside the model is damaged")?;
        }
        let (mut bytes, mut ends, mut rest) = (Vec::new(), Vec::new(), &*beside);
        for record in &records {
            context.frame.join(record, &mut rest, &mut bytes)?;
            ends.push(bytes.len());
        }
        match rest.is_empty()
            && beside.len() == self.beside_length as usize
            && checksum(&bytes) == self.checksum
        {
            true => Ok((bytes, ends)),
            false => Err("its checksum is another"),
        }
    }

    /// Bytes of it in an archive.
    pub fn to_bytes(&self) -> Vec<u8> {
        let lengths = [
            self.rows,
            self.primed,
            self.words.len() as u32,
            self.beside.len() as u32,
            self.beside_length,
        ];
        let mut bytes: Vec<u8> = lengths.iter().flat_map(|n| n.to_le_bytes()).collect();
        bytes.extend(self.checksum);
        bytes.extend(self.words.iter().flat_map(|word| word.to_le_bytes()));
        bytes.extend(&self.beside);
        bytes
    }

    /// As it was written by [`Self::to_bytes`].
    ///
    /// # Errors
    /// If there are more or fewer bytes than it says, or it says what no block can be.
    pub fn from_bytes(mut bytes: &[u8]) -> std::result::Result<Self, &'static str> {
        const SHORT: &str = "a block ends too early";
        let mut number = || -> std::result::Result<u32, &'static str> {
            Ok(u32::from_le_bytes(
                take(&mut bytes, 4).map_err(|_| SHORT)?.try_into().map_err(|_| SHORT)?,
            ))
        };
        let [rows, primed, words, packed, beside_length] =
            [number()?, number()?, number()?, number()?, number()?];
        let checksum =
            take(&mut bytes, CHECKSUM).map_err(|_| SHORT)?.try_into().map_err(|_| SHORT)?;
        let of_words = take(&mut bytes, (words as usize).saturating_mul(4)).map_err(|_| SHORT)?;
        if bytes.len() != packed as usize {
            return Err("a block is longer or shorter than it says");
        }
        if rows == 0 || rows > MOST_ROWS || primed > 1 << 21 {
            return Err("a block has a number of rows that none has");
        }
        if beside_length as usize > bytes.len().saturating_mul(MOST_UNPACKED) {
            return Err("a block says to hold more than it can");
        }
        let word = |word: &[u8]| u32::from_le_bytes(word.try_into().expect("four bytes"));
        Ok(Block {
            rows,
            primed,
            words: of_words.chunks_exact(4).map(word).collect(),
            beside: bytes.to_vec(),
            beside_length,
            checksum,
        })
    }
}

/// Codes what became of a field, if that can differ.
fn code_state(coder: &mut dyn Coder, state: State, counts: &[u64; 3]) -> State {
    let there = || State::ALL.into_iter().filter(|s| counts[*s as usize] > 0);
    let count = there().count() as u64;
    if count < 2 {
        return there().next().unwrap_or(State::Coded);
    }
    let total: f64 = counts.iter().map(|n| *n as f64).sum();
    let below =
        |k: u64| there().take(k as usize).map(|s| counts[s as usize] as f64).sum::<f64>() / total;
    let place = there().position(|s| s == state).unwrap_or(0) as u64;
    let found = code_number(coder, place, count, &below);
    there().nth(found as usize).unwrap_or(State::Coded)
}

fn encode_records(
    context: &Context<'_>,
    rows: &mut RowCoder<'_>,
    mut records: Vec<Record>,
    primed: usize,
) -> Stack {
    let (mut stack, mut writer) = (Stack::primed(primed), Writer::default());
    let mut next = 0;
    while next < records.len() {
        let mut record = match context.any_order {
            true => {
                let place = pop_place(&mut stack, &records);
                records.remove(place)
            }
            false => {
                next += 1;
                records[next - 1].clone()
            }
        };
        let numbers = std::mem::take(&mut record.numbers);
        if context.frame.presence(&mut record) {
            record.numbers = numbers;
            rows.write(&mut stack, &mut record.numbers);
        }
        for (state, counts) in record.states.iter().zip(context.states) {
            code_state(&mut writer, *state, counts);
        }
        writer.push_to(&mut stack);
    }
    stack
}

fn decode_records(
    context: &Context<'_>,
    rows: &mut RowCoder<'_>,
    stack: &mut Stack,
    count: usize,
) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::with_capacity(count);
    for _ in 0..count {
        let mut record = Record::default();
        let mut reader = Reader(stack);
        record.states = context
            .states
            .iter()
            .map(|counts| code_state(&mut reader, State::Coded, counts))
            .collect();
        if context.frame.presence(&mut record) {
            rows.read(stack, &mut record.numbers);
        }
        match context.any_order {
            true => {
                let place = records.partition_point(|other| *other < record);
                records.insert(place, record);
                let (low, high) = alike(&records, place);
                stack.push(places(low, high, records.len()));
            }
            false => records.push(record),
        }
    }
    if !context.any_order {
        records.reverse();
    }
    records
}

/// Which records of a sorted list are equal to the one there.
fn alike(records: &[Record], place: usize) -> (usize, usize) {
    let low = records.partition_point(|other| *other < records[place]);
    let high = low + records[low..].partition_point(|other| *other <= records[place]);
    (low, high)
}

/// The interval of the places from `low` to `high` of a list, where each place has the same.
fn places(low: usize, high: usize, count: usize) -> Interval {
    let edge = |i: usize| (i as u64 * u64::from(TOTAL) / count as u64) as u32;
    Interval { start: edge(low), size: edge(high) - edge(low) }
}

/// Takes a place of a sorted list off the stack: that of some record, each as likely as it is often.
fn pop_place(stack: &mut Stack, records: &[Record]) -> usize {
    let count = records.len();
    let place = stack.pop(|q| {
        let (mut at, mut end) = (0, count);
        while end - at > 1 {
            let middle = at + (end - at) / 2;
            if places(0, middle, count).size <= q { at = middle } else { end = middle }
        }
        let (low, high) = alike(records, at);
        (low as u32, places(low, high, count))
    });
    place as usize
}
