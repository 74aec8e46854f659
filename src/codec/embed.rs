//! A model inside an archive: its weights in eight bits each, and what they cost.
//!
//! ```text
//! A tensor of many weights    of each row step = max |w|/127,  w → q step, q = −127 … 127     rounded, and that is the model that codes
//! The q of a tensor           by their own histogram, on a stack of bits
//! Few weights                 as they are
//! ```
//!
//! Eight bits are a 2⁻⁸ of the largest weight; what the bound loses by them is seen, because what codes is what is sent.

use super::bytes::{deflated, inflated, take, take_u32, u32_of};
use super::stack::Stack;
use super::symbol::{Reader, Writer, code_number};
use crate::model_file::{Header, Model};
use crate::params::Slot;

/// Tensors of fewer weights than this stay as they are.
const FEW: usize = 64;

/// Values of a q.
const LEVELS: u64 = 255;

/// Bytes that a model's description has at most.
const LONGEST: usize = 1 << 26;

/// Bytes, packed by deflate, with both lengths before them.
pub(super) fn packed(bytes: &[u8]) -> Vec<u8> {
    let packed = deflated(bytes);
    let lengths = [bytes.len() as u32, packed.len() as u32].map(u32::to_le_bytes);
    [lengths.as_flattened(), &packed].concat()
}

/// Takes what [`packed`] made off the front.
pub(super) fn unpacked(bytes: &mut &[u8]) -> Result<Vec<u8>, &'static str> {
    let [length, size] = [take_u32(bytes)?, take_u32(bytes)?].map(|n| n as usize);
    let packed = take(bytes, size)?;
    if length > LONGEST {
        return Err("it says to hold more than it can");
    }
    inflated(packed, length)
}

/// F of the q, by how often each is there.
fn below(counts: &[u32]) -> impl Fn(u64) -> f64 {
    let mut sums = vec![0.0];
    counts.iter().for_each(|n| sums.push(sums[sums.len() - 1] + f64::from(*n)));
    let total = sums[counts.len()].max(1.0);
    move |k| sums[k as usize] / total
}

/// A model's bytes, and the model that they are.
pub fn pack(model: &Model<f32>) -> (Vec<u8>, Model<f32>) {
    let slots = model.vae.layout().slots();
    let mut params = model.params.clone();
    let (mut plain, mut counts_bytes, mut writer) = (Vec::new(), Vec::new(), Writer::default());
    for slot in slots {
        let weights = &mut params[slot.range()];
        if weights.len() < FEW {
            plain.extend(weights.iter().flat_map(|w| w.to_le_bytes()));
            continue;
        }
        let level = |w: f32, step: f32| {
            ((w / step).round() as i64 + 127).clamp(0, LEVELS as i64 - 1) as u64
        };
        let (mut counts, mut steps) = (vec![0u32; LEVELS as usize], Vec::new());
        for row in weights.chunks(row_of(slot)) {
            let largest = row.iter().fold(0f32, |m, w| m.max(w.abs()));
            let step = if largest > 0.0 { largest / 127.0 } else { 1.0 };
            row.iter().for_each(|w| counts[level(*w, step) as usize] += 1);
            plain.extend(step.to_le_bytes());
            steps.push(step);
        }
        let law = below(&counts);
        for (row, step) in weights.chunks_mut(row_of(slot)).zip(steps) {
            for w in row {
                let q = level(*w, step);
                code_number(&mut writer, q, LEVELS, &law);
                *w = weight(q, step);
            }
        }
        counts_bytes.extend(counts.iter().flat_map(|n| n.to_le_bytes()));
    }
    let mut stack = Stack::primed(0);
    writer.push_to(&mut stack);
    let words: Vec<u8> = stack.into_words().iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut bytes = packed(model.header.to_json().as_bytes());
    bytes.extend(packed(&plain));
    bytes.extend(packed(&counts_bytes));
    bytes.extend(words);
    let model = Model { vae: model.vae.clone(), params, header: model.header.clone() };
    (bytes, model)
}

/// Weights that share a step: a row of a matrix, all of a vector.
fn row_of(slot: &Slot) -> usize {
    if slot.shape.len() > 1 { slot.shape.last().copied().unwrap_or(1).max(1) } else { slot.len() }
}

fn weight(q: u64, step: f32) -> f32 {
    (q as i64 - 127) as f32 * step
}

/// The model that these bytes are.
///
/// # Errors
/// What is wrong with them.
pub fn unpack(mut bytes: &[u8]) -> Result<Model<f32>, String> {
    let json =
        String::from_utf8(unpacked(&mut bytes)?).map_err(|_| "its description is no text")?;
    let [plain, counts] = [unpacked(&mut bytes)?, unpacked(&mut bytes)?];
    if !bytes.len().is_multiple_of(4) {
        return Err("its weights end too early".to_owned());
    }
    let header = Header::from_json(&json)?;
    let words: Vec<u32> = bytes.chunks_exact(4).map(u32_of).collect();
    // A weight may cost next to nothing, but its tensor's histogram does not.
    let most = (plain.len() / 4).saturating_mul(FEW).saturating_add(counts.len() / 4 * (1 << 16));
    Model::of_header(header, most, |layout, params| {
        let (mut plain, mut counts) = (&*plain, &*counts);
        let mut stack = Stack::from_words(words)?;
        let mut read = || -> Result<(), &'static str> {
            for slot in layout.slots() {
                let weights = &mut params[slot.range()];
                if weights.len() < FEW {
                    for w in weights {
                        *w = f32::from_bits(take_u32(&mut plain)?);
                    }
                    continue;
                }
                let counts =
                    (0..LEVELS).map(|_| take_u32(&mut counts)).collect::<Result<Vec<_>, _>>()?;
                let law = below(&counts);
                for row in weights.chunks_mut(row_of(slot)) {
                    let step = f32::from_bits(take_u32(&mut plain)?);
                    for w in row {
                        *w = weight(code_number(&mut Reader(&mut stack), 0, LEVELS, &law), step);
                    }
                }
            }
            Ok(())
        };
        read()?;
        let is_whole = stack.is_primed(0) && plain.is_empty() && counts.is_empty();
        if is_whole { Ok(()) } else { Err("its weights are damaged") }
    })
}
