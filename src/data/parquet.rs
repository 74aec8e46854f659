//! Apache Parquet, as pandas, Polars, DuckDB and Spark write it: tables in columns, packed.
//!
//! The crate `parquet` reads it, and only the columns that are wanted. Packed with Snappy, zstd, gzip,
//! LZ4 or Brotli.

use std::io::BufReader;
use std::sync::Arc;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ::parquet::errors::{ParquetError, Result as ParquetResult};
use ::parquet::file::reader::{ChunkReader, Length};
use bytes::Bytes;

use super::batches::{self, At, Batches, damaged, guarded};
use super::input::Input;
use super::reader::{Location, ReadOptions, Reader, Source};
use crate::error::Result;

pub(super) fn reader() -> Reader {
    Reader {
        name: "Parquet",
        summary: "a table in columns, by name: numbers, truth values, text, dates, in one column maybe labels",
        options: &["label", "condition", "columns", "drop", "missing", "kinds"],
        recognises: |location| match location {
            Location::File(input) => input.start().starts_with(b"PAR1\x15"),
            _ => false,
        },
        read: |location, options| {
            let Location::File(input) = location else { unreachable!("it was recognised") };
            let input = Arc::new(input);
            guarded(&input, || read(&input, options))
        },
    }
}

/// Reads the columns that the options say.
///
/// # Errors
///
/// Those of [`batches::read`], and `Error::File` if the file is damaged.
fn read(input: &Arc<Input>, options: &ReadOptions) -> Result<Source> {
    let open = || {
        let builder = ParquetRecordBatchReaderBuilder::try_new(Chunks(input.clone()));
        builder.map_err(|e| damaged(input, &e))
    };
    let schema = open()?.schema().clone();
    batches::read(input, &schema, options, |wanted| {
        let builder = open()?;
        let wanted = ProjectionMask::roots(builder.parquet_schema(), wanted);
        let batches = builder.with_projection(wanted).build().map_err(|e| damaged(input, &e))?;
        Ok(Box::new(batches) as Batches<_>)
    })
}

/// An input as the crate wants to read it.
struct Chunks(Arc<Input>);

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.length()
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<At>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::new(At { input: self.0.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        // What the file's directory claims is compared with the file before memory is taken for it.
        if self.0.length().checked_sub(start).is_none_or(|left| left < length as u64) {
            return Err(ParquetError::EOF("a piece of it lies behind its end".to_owned()));
        }
        let mut bytes = vec![0; length];
        let read = self.0.read_exact_at(&mut bytes, start);
        read.map_err(|e| ParquetError::External(Box::new(e)))?;
        Ok(bytes.into())
    }
}
