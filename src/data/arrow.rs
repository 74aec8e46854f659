//! Arrow's own format for files (IPC, also called Feather version 2): tables in columns, as they lie in
//! memory, maybe packed with LZ4 or zstd.

use std::io::BufReader;
use std::sync::Arc;

use arrow_ipc::reader::FileReader;

use super::batches::{self, At, Batches, damaged, guarded};
use super::input::Input;
use super::reader::{Location, ReadOptions, Reader, Source};
use crate::error::Result;

pub(super) fn reader() -> Reader {
    Reader {
        name: "Arrow",
        summary: "a file of Arrow's (IPC, Feather): the same",
        options: &["label", "condition", "columns", "drop", "missing", "kinds"],
        recognises: |location| match location {
            Location::File(input) => input.start().starts_with(b"ARROW1\0\0"),
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
    let open = |columns| {
        let stream = BufReader::new(At { input: input.clone(), at: 0 });
        FileReader::try_new(stream, columns).map_err(|e| damaged(input, &e))
    };
    let schema = open(None)?.schema();
    batches::read(input, &schema, options, |wanted| Ok(Box::new(open(Some(wanted))?) as Batches<_>))
}
