//! Writing an archive, block by block.

use super::{Description, FORMAT, MAGIC, MARK, PROFILE, Source};
use crate::codec::block::{Block, Context};
use crate::codec::bytes::checksum;
use crate::codec::embed;
use crate::error::{Error, Result};
use crate::model_file::Model;
use crate::parallel;
use std::io::Write;

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

/// Writes an archive: blocks are compressed on as many threads as there are, each is read again, and the bytes do not
/// depend on how many there are.
///
/// # Errors
/// Those of the source and of `out`; if a model cannot code; or if a block does not come back as it was.
///
/// # Panics
/// If the description has settings that none can have.
pub fn write(
    out: &mut dyn Write,
    model: &Model<f32>,
    embedded: Option<&[u8]>,
    description: &Description,
    source: &mut Source<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Written> {
    let io = |e| Error::io("the archive", e);
    let Description { rows, block, bins, any_order, .. } = *description;
    let frame = description.frame.frame(model).map_err(|e| Error::setting("model", e))?;
    let context = Context::new(model, frame, description.states.clone(), bins, any_order);
    let json =
        embed::packed(serde_json::to_string(description).expect("it is plain data").as_bytes());
    let inside = embedded.unwrap_or_default();
    let mut prefix = Vec::new();
    prefix.extend([FORMAT, PROFILE].iter().flat_map(|v| v.to_le_bytes()));
    prefix.extend([json.len(), inside.len()].iter().flat_map(|n| (*n as u32).to_le_bytes()));
    let sum = checksum(&[&prefix, &json, inside]);
    let mut at = 0u64;
    let mut put = |parts: &[&[u8]]| -> Result<u64> {
        for part in parts {
            out.write_all(part).map_err(io)?;
            at += part.len() as u64;
        }
        Ok(at)
    };
    let mut end = put(&[&MAGIC, &prefix, &sum, &json, inside])?;
    let mut written = Written { model: inside.len() as u64, ..Written::default() };
    let (mut index, mut number) = (Vec::new(), 0u32);
    while written.rows < rows {
        let (mut batch, mut first) = (Vec::new(), written.rows);
        while batch.len() < parallel::threads() && first < rows {
            let some = source(first, block as usize)?;
            if some.is_empty() {
                return Err(Error::setting("rows", "there are fewer rows than were counted"));
            }
            first += some.len() as u64;
            batch.push(some);
        }
        for block in parallel::map(&mut batch, |rows| encode(&context, rows)) {
            let (block, original) = block?;
            let bytes = block.to_bytes();
            let prefix = [number, bytes.len() as u32].map(u32::to_le_bytes);
            let prefix = prefix.as_flattened();
            written.rows += u64::from(block.rows);
            index.extend([end, written.rows].iter().flat_map(|n| n.to_le_bytes()));
            let before = end;
            end = put(&[&MARK, prefix, &checksum(&[prefix]), &bytes])?;
            written.original += original;
            written.blocks += end - before;
            number += 1;
            progress(written.rows);
        }
    }
    let mut trailer = end.to_le_bytes().to_vec();
    trailer.extend(number.to_le_bytes());
    let sum = checksum(&[&index, &trailer]);
    written.archive = put(&[&index, &trailer, &sum])?;
    out.flush().map_err(io)?;
    Ok(written)
}

/// A block, and how many bytes its rows have; it was read again, and is what it was.
fn encode(context: &Context<'_>, rows: &[Vec<u8>]) -> Result<(Block, u64)> {
    let block = Block::encode(context, rows)?;
    let frame = &context.frame;
    let is_same = |bytes: &[u8], ends: &[usize]| match (context.any_order, frame.is_exact()) {
        (true, _) => ends.len() == rows.len(),
        (false, true) => bytes == rows.concat(),
        (false, false) => {
            let again = [0].iter().chain(ends).zip(ends).map(|(start, end)| &bytes[*start..*end]);
            let numbers = |row: &[u8]| frame.split(row, &mut Vec::new());
            again.map(numbers).eq(rows.iter().map(|row| numbers(row)))
        }
    };
    match block.decode(context)? {
        Ok((bytes, ends)) if is_same(&bytes, &ends) => {
            let original: usize = rows.iter().map(Vec::len).sum();
            Ok((block, original as u64))
        }
        _ => Err(Error::setting(
            "model",
            "a block that was compressed does not come back as it was: this is a fault of elbo, and nothing was written",
        )),
    }
}
