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
use super::bytes::{CHECKSUM, checksum, could_be, deflated, inflated, take, take_u32, u32_of};
use super::frame::{Frame, Record, State};
use super::row::RowCoder;
use super::stack::{Interval, Stack, TOTAL};
use super::symbol::{Coder, Reader, Writer, code_number};
use crate::error::Result;
use crate::model_file::Model;
use crate::vae::Vae;

/// Rows of a block at most.
pub const MOST_ROWS: u32 = 1 << 16;

/// What rows are coded with.
pub struct Context<'m> {
    model: &'m Model<f32>,
    /// The same with its weights turned, unless it was built from parts.
    turned: Option<(Vae<f32>, Vec<f32>)>,
    /// What the bytes of a row are.
    pub(super) frame: Box<dyn Frame>,
    /// How often each field has which state, `[fields]`.
    states: Vec<[u64; 3]>,
    bins: Bins,
    /// Whether rows may come back in another order: sorted.
    pub(super) any_order: bool,
}

impl<'m> Context<'m> {
    /// Of a model, for rows that are a frame's, in bins of so many bits. `states` counts how often each field has which state.
    ///
    /// # Panics
    /// If bins have no such number of bits.
    pub fn new(
        model: &'m Model<f32>,
        frame: Box<dyn Frame>,
        states: Vec<[u64; 3]>,
        bins: u32,
        any_order: bool,
    ) -> Self {
        let turned = model.vae.turned(&model.params);
        Context { model, turned, frame, states, bins: Bins::new(bins), any_order }
    }

    fn rows(&self) -> Result<RowCoder<'_>> {
        let (vae, params) = match &self.turned {
            Some((vae, params)) => (vae, &params[..]),
            None => (&*self.model.vae, &self.model.params[..]),
        };
        RowCoder::new(vae, params, self.frame.books(), &self.bins)
    }
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

impl Block {
    /// Compresses rows of bytes.
    ///
    /// # Errors
    /// As [`RowCoder::new`].
    pub fn encode(context: &Context<'_>, rows: &[impl AsRef<[u8]>]) -> Result<Self> {
        let frame = &context.frame;
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
        let mut rows = context.rows()?;
        let mut primed = 64 + context.model.vae.latents();
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
        Ok(Block {
            rows: split.len() as u32,
            primed: (primed - untouched) as u32,
            words,
            beside: deflated(&beside),
            beside_length: beside.len() as u32,
            checksum: checksum(&[&bytes]),
        })
    }

    /// The rows again.
    ///
    /// # Errors
    /// As [`RowCoder::new`].
    pub fn decode(&self, context: &Context<'_>) -> Result<Decoded> {
        context.rows().map(|mut rows| self.decode_with(context, &mut rows))
    }

    fn decode_with(&self, context: &Context<'_>, rows: &mut RowCoder<'_>) -> Decoded {
        let mut stack = Stack::from_words(self.words.clone())?;
        let records = decode_records(context, rows, &mut stack, self.rows as usize);
        if !stack.is_primed(self.primed as usize) {
            return Err("its bits are not those that were written");
        }
        let beside = inflated(&self.beside, self.beside_length as usize)?;
        let (mut bytes, mut ends, mut rest) = (Vec::new(), Vec::new(), &*beside);
        for record in &records {
            context.frame.join(record, &mut rest, &mut bytes)?;
            ends.push(bytes.len());
        }
        match rest.is_empty() && checksum(&[&bytes]) == self.checksum {
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
        let mut lengths = [0; 5];
        for length in &mut lengths {
            *length = take_u32(&mut bytes)?;
        }
        let [rows, primed, words, packed, beside_length] = lengths;
        let checksum = take(&mut bytes, CHECKSUM)?.try_into().expect("as many bytes");
        let of_words = take(&mut bytes, (words as usize).saturating_mul(4))?;
        if bytes.len() != packed as usize {
            return Err("a block is longer or shorter than it says");
        }
        if rows == 0 || rows > MOST_ROWS || primed > 1 << 21 {
            return Err("a block has a number of rows that none has");
        }
        if !could_be(bytes.len(), beside_length as usize) {
            return Err("a block says to hold more than it can");
        }
        Ok(Block {
            rows,
            primed,
            words: of_words.chunks_exact(4).map(u32_of).collect(),
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
        for (state, counts) in record.states.iter().zip(&context.states) {
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
