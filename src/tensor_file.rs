//! `.safetensors` files with one metadata key, read with suspicion and written whole or not at all.
//!
//! Models ([`crate::model_file`]) and checkpoints ([`crate::train::checkpoint`]) are both such files.

use crate::error::{Error, Result};
use crate::real::Real;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

/// Writes to a temporary name in the same folder, then renames: never half a file. What is there and
/// is no file, a device or a pipe, is written to as it is: renaming would put a file in its place. A
/// link stays a link, and a file that is replaced keeps its permissions.
///
/// # Errors
/// [`Error::Io`]; nothing is left behind.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let old = std::fs::metadata(path).ok();
    if old.as_ref().is_some_and(|m| !m.is_file() && !m.is_dir()) {
        let open = std::fs::OpenOptions::new().write(true).open(path);
        return open.and_then(|mut out| out.write_all(bytes)).map_err(|e| Error::io(path, e));
    }
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = target.with_file_name(name);
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        // The rename must not reach the disk before the content.
        file.sync_all()?;
        if let Some(old) = &old {
            std::fs::set_permissions(&temporary, old.permissions())?;
        }
        std::fs::rename(&temporary, &target)
    };
    write().map_err(|e| {
        let _ = std::fs::remove_file(&temporary);
        Error::io(path, e)
    })
}

/// A named tensor on its way into a file.
pub(crate) struct Tensor {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Tensor {
    pub(crate) fn new<T: Real>(name: &str, shape: Vec<usize>, values: &[T]) -> Self {
        let mut bytes = Vec::with_capacity(size_of_val(values));
        values.iter().for_each(|v| v.write_le(&mut bytes));
        let dtype = if T::NAME == "F32" { Dtype::F32 } else { Dtype::F64 };
        Tensor { name: name.to_owned(), dtype, shape, bytes }
    }
}

/// A `.safetensors` file of these tensors and one metadata key.
pub(crate) fn serialize(tensors: &[Tensor], key: &str, json: String) -> Vec<u8> {
    let views = tensors.iter().map(|t| {
        let view = TensorView::new(t.dtype, t.shape.clone(), &t.bytes)
            .expect("as many bytes as the shape says");
        (t.name.as_str(), view)
    });
    safetensors::serialize(views, Some(HashMap::from([(key.to_owned(), json)])))
        .expect("tensors with distinct names and whole elements serialise")
}

/// The tensors of a `.safetensors` file and the JSON under `key`; `what` is what the file should be.
pub(crate) fn parse<'a>(
    bytes: &'a [u8],
    key: &str,
    what: &str,
) -> std::result::Result<(SafeTensors<'a>, String), String> {
    let foreign = || format!("this is not {what} that elbo wrote");
    let file = SafeTensors::deserialize(bytes)
        .map_err(|e| format!("{}, or it is damaged ({e})", foreign()))?;
    let (_, metadata) =
        SafeTensors::read_metadata(bytes).map_err(|e| format!("it is damaged ({e})"))?;
    let json = metadata.metadata().as_ref().and_then(|m| m.get(key)).ok_or_else(foreign)?;
    Ok((file, json.clone()))
}

/// The tensor of that name, if it is of a type that is read.
pub(crate) fn find_tensor<'a>(
    file: &SafeTensors<'a>,
    name: &str,
) -> std::result::Result<TensorView<'a>, String> {
    let tensor = file.tensor(name).map_err(|_| format!("the tensor {name} is missing"))?;
    match tensor.dtype() {
        Dtype::F32 | Dtype::F64 => Ok(tensor),
        other => Err(format!("the tensor {name} is {other}; F32 and F64 are read")),
    }
}

/// `out ← the tensor`, converted to `T`.
pub(crate) fn read_tensor<T: Real>(
    out: &mut [T],
    file: &SafeTensors<'_>,
    name: &str,
) -> std::result::Result<(), String> {
    let tensor = find_tensor(file, name)?;
    if tensor.shape().iter().product::<usize>() != out.len() {
        return Err(format!("the tensor {name} has the wrong size"));
    }
    let data = tensor.data();
    match tensor.dtype() {
        Dtype::F32 => convert::<f32, T>(out, data),
        _ => convert::<f64, T>(out, data),
    }
    match out.iter().position(|v| !v.is_finite()) {
        Some(i) => Err(format!("the tensor {name} holds {} at element {i}", out[i])),
        None => Ok(()),
    }
}

fn convert<S: Real, T: Real>(out: &mut [T], data: &[u8]) {
    for (o, bytes) in out.iter_mut().zip(data.chunks_exact(size_of::<S>())) {
        *o = T::from_f64(S::read_le(bytes).to_f64());
    }
}
