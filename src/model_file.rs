//! Models on disk: one `.safetensors` file.
//!
//! The tensors have PyTorch's names and shapes (`encoder.0.layers.0.weight [out, in]`). Everything
//! else about the model is one metadata key, `elbo`, of canonical JSON ([`Header`]). The same
//! training gives the same file, byte for byte.
//!
//! Opening a file trusts nothing in it: sizes are compared with what the file really holds before
//! memory is asked for, every slot must be there with its shape and nothing else, and all values must
//! be finite. The format cannot hold code.

mod header;

pub use header::{
    CombinationHeader, ConditionHeader, ConditionsHeader, DataHeader, FORMAT, Header, LevelHeader,
    ModelHeader, NumbersHeader, ScalerHeader, TableHeader, TrainingHeader, WeightsHeader,
};

#[cfg(feature = "codec")]
use crate::error::check_memory;
use crate::error::{Error, Result, one_line};
use crate::family::Spec;
use crate::nn;
#[cfg(feature = "codec")]
use crate::params::Layout;
use crate::real::Real;
use crate::tensor_file::{Tensor, find_tensor, parse, read_tensor, serialize};
use crate::train::checkpoint::Checkpoint;
use crate::vae::{Vae, VaeConfig};
use safetensors::tensor::SafeTensors;
use std::path::Path;
use std::sync::Arc;

pub use crate::tensor_file::write_whole;

/// The metadata key that holds the header.
const KEY: &str = "elbo";

/// A model with its weights.
pub struct Model<T> {
    /// Its structure.
    pub vae: Arc<Vae<T>>,
    /// Its weights, in the structure's layout.
    pub params: Vec<T>,
    /// What it is and how it was trained.
    pub header: Header,
}

impl<T: Real> Model<T> {
    /// Opens a model, rounding or widening its weights to `T`.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::File`] if it is not a model or a damaged one.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Model::from_bytes(&bytes).map_err(|message| Error::file(path, message))
    }

    /// As [`Self::open`], from memory.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub fn from_bytes(bytes: &[u8]) -> std::result::Result<Self, String> {
        Model::read(bytes).map_err(|message| one_line(&message))
    }

    fn read(bytes: &[u8]) -> std::result::Result<Self, String> {
        let (file, json) =
            parse(bytes, KEY, "a model").map_err(|message| match without_header(bytes) {
                true => LOST_HEADER.to_owned(),
                false => message,
            })?;
        let header = Header::from_json(&json)?;
        // A file that lacks a few tensors is told below which.
        let vae = lay_out::<T>(&header, 2 * file.len(), || format!("it has {}", file.len()))?;
        // Every slot is compared with the file before the buffer for all of them is allocated.
        for slot in vae.layout().slots() {
            let tensor = find_tensor(&file, &slot.name)?;
            if tensor.shape() != slot.shape {
                return Err(format!(
                    "the tensor {} is {:?}, not {:?}",
                    slot.name,
                    tensor.shape(),
                    slot.shape
                ));
            }
        }
        if file.len() != vae.layout().slots().len() {
            let known = |name: &str| vae.layout().slots().iter().any(|s| s.name == name);
            let stranger = file.names().into_iter().find(|n| !known(n)).unwrap_or("?").to_owned();
            return Err(format!("it has a tensor `{stranger}` that does not belong to the model"));
        }
        let mut params = vec![T::zero(); vae.layout().len()];
        for slot in vae.layout().slots() {
            read_tensor(&mut params[slot.range()], &file, &slot.name)?;
        }
        Ok(Model { vae: Arc::new(vae), params, header })
    }

    /// The model that a run would leave if it ended where this checkpoint was written: the best
    /// weights on validation rows, else the moving average, else the last, as [`Trainer::weights`]
    /// chooses. `header` describes the run; which weights these are is filled in.
    ///
    /// # Errors
    /// If the header is not that of the checkpoint's run, or one of them is damaged.
    ///
    /// [`Trainer::weights`]: crate::train::Trainer::weights
    pub fn from_checkpoint(checkpoint: &Checkpoint, header: Header) -> Result<Self> {
        Model::from_state(checkpoint, header)
            .map_err(|message| Error::file(checkpoint.path(), one_line(&message)))
    }

    fn from_state(
        checkpoint: &Checkpoint,
        mut header: Header,
    ) -> std::result::Result<Self, String> {
        let len = checkpoint.len()?;
        let vae = lay_out::<T>(&header, len, || format!("its weights are {len} values"))?;
        let wanted = vae.layout().len();
        if len != wanted {
            return Err(format!("its weights are {len} values, its header asks for {wanted}"));
        }
        let decay = header.training.as_ref().and_then(|training| training.config.average);
        let (params, kind) = checkpoint.weights(decay)?;
        header.weights = Some(kind.into());
        Ok(Model { vae: Arc::new(vae), params, header })
    }

    /// The model that a header describes, of at most so many weights, which `fill` writes.
    ///
    /// # Errors
    /// If there is no such model, or `fill` finds none.
    #[cfg(feature = "codec")]
    pub(crate) fn of_header(
        header: Header,
        most: usize,
        fill: impl FnOnce(&Layout, &mut [T]) -> std::result::Result<(), &'static str>,
    ) -> std::result::Result<Self, String> {
        let vae = lay_out::<T>(&header, most, || format!("there are {most} weights"))?;
        let wanted = vae.layout().parameters();
        if wanted > most {
            return Err(format!("its header asks for {wanted} weights of {most}"));
        }
        check_memory::<T>(vae.layout().len(), "model", "its weights do not fit into memory")
            .map_err(|e| e.to_string())?;
        let mut params = vec![T::zero(); vae.layout().len()];
        fill(vae.layout(), &mut params)?;
        match params.iter().all(|p| p.is_finite()) {
            true => Ok(Model { vae: Arc::new(vae), params, header }),
            false => Err("a weight is not finite".to_owned()),
        }
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let slots = self.vae.layout().slots();
        let tensors =
            slots.iter().map(|s| Tensor::new(&s.name, s.shape.clone(), &self.params[s.range()]));
        serialize(&tensors.collect::<Vec<_>>(), KEY, self.header.to_json())
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written; an older file of that name is then still there.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write_whole(path.as_ref(), &self.to_bytes())
    }
}

/// The structure that a header describes. A layer takes memory even before it has weights: it has
/// four tensors, and there must be no more than `room` in all. `has` says how much is there.
fn lay_out<T: Real>(
    header: &Header,
    room: usize,
    has: impl Fn() -> String,
) -> std::result::Result<Vae<T>, String> {
    let damaged = |e: Error| format!("its header is damaged: {e}");
    let config = VaeConfig::try_from(&header.model).map_err(damaged)?;
    header.check_rows(config.width).map_err(damaged)?;
    if let Some(training) = &header.training {
        training.check().map_err(damaged)?;
    }
    let has_weights = |spec: &&Spec| nn::build::<T>(spec).is_ok_and(|plan| plan.width().is_some());
    let layers =
        config.levels.iter().map(|level| level.layers.iter().filter(has_weights).count() + 1);
    let layers: usize = layers.sum();
    if 4 * layers > room {
        return Err(format!("its header asks for {} tensors or more, {}", 4 * layers, has()));
    }
    Vae::lay_out(config).map_err(damaged)
}

/// What to say of a model's tensors in a file that another program has written again.
const LOST_HEADER: &str = "these are a model's tensors without the metadata `elbo`, which says what \
    model they are: pass it on when you save them, in Python with save_file(tensors, \
    \"new.safetensors\", metadata=safe_open(\"old.safetensors\", \"np\").metadata())";

/// Whether the file has tensors of a model, as far as names can tell, and none of its metadata.
fn without_header(bytes: &[u8]) -> bool {
    SafeTensors::deserialize(bytes).is_ok_and(|file| {
        ["encoder.0.head.weight", "decoder.0.head.weight"].iter().all(|n| file.tensor(n).is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Init;

    fn model<T: Real>() -> Model<T> {
        let config = VaeConfig::new(6, &[5], 2);
        let vae = Vae::<T>::new(config.clone()).unwrap();
        let params = vae.init(Init::Uniform, 1, None);
        Model { params, header: Header::new(&config, None), vae: vae.into() }
    }

    fn error(bytes: &[u8]) -> String {
        Model::<f32>::from_bytes(bytes).err().expect("a damaged file is refused")
    }

    #[test]
    fn a_model_survives_the_round_trip() {
        let bytes = model::<f32>().to_bytes();
        let again = Model::<f32>::from_bytes(&bytes).unwrap();
        assert_eq!(again.params, model::<f32>().params);
        assert_eq!(again.header, model::<f32>().header);
        assert_eq!(again.to_bytes(), bytes);
        // Widened exactly.
        let wide = Model::<f64>::from_bytes(&bytes).unwrap();
        assert!(wide.params.iter().zip(&again.params).all(|(w, n)| *w == *n as f64));
        assert_eq!(
            Model::<f64>::from_bytes(&model::<f64>().to_bytes()).unwrap().params,
            model::<f64>().params
        );
    }

    #[test]
    fn every_truncation_is_an_error() {
        let bytes = model::<f32>().to_bytes();
        for len in 0..bytes.len() {
            error(&bytes[..len]);
        }
    }

    #[test]
    fn no_damaged_byte_makes_it_panic() {
        let bytes = model::<f32>().to_bytes();
        for i in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[i] ^= flip;
                let _ = Model::<f32>::from_bytes(&damaged); // some flips only change a weight
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let fresh = model::<f32>;
        let mut m = fresh();
        m.params[3] = f32::NAN;
        assert!(error(&m.to_bytes()).contains("NaN at element 3"));

        let mut m = fresh();
        m.header.format = FORMAT + 1;
        assert!(error(&m.to_bytes()).contains(&format!("format is {}", FORMAT + 1)));

        let mut m = fresh();
        m.header.columns = Some(vec!["a".to_owned()]);
        assert!(error(&m.to_bytes()).contains("1 names for 6 columns"));

        let mut m = fresh();
        m.header.scaler = Some(ScalerHeader { mean: vec![0.0; 6], scale: vec![0.0; 6] });
        assert!(error(&m.to_bytes()).contains("column 1 "));

        let mut m = fresh();
        m.header.model.width = 7;
        assert!(error(&m.to_bytes()).contains("is [5, 6], not [5, 7]"));

        let mut m = fresh();
        m.header.model.width = usize::MAX;
        assert!(error(&m.to_bytes()).contains("not between 1 and"));

        let mut m = fresh();
        m.header.model.activation = "rely".to_owned();
        assert!(error(&m.to_bytes()).contains("`rely` is unknown"));

        let mut m = fresh();
        m.header.model.levels[0].layers.push("dense=5".to_owned());
        assert!(error(&m.to_bytes()).contains("encoder.0.layers.1.weight is missing"));

        let mut m = fresh();
        m.header.model.levels[0].layers = vec!["dense=1".to_owned(); 100];
        assert!(error(&m.to_bytes()).contains("asks for 404 tensors or more, it has 8"));

        let mut m = fresh();
        m.header.model.levels[0].layers.clear();
        assert!(error(&m.to_bytes()).contains("encoder.0.head.weight"));

        let stranger = [Tensor::new("a", vec![1], &[0f32])];
        assert!(error(&serialize(&stranger, "other", String::new())).contains("not a model"));
    }

    #[test]
    fn a_refused_write_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("model.safetensors");
        assert!(matches!(model::<f32>().save(&path), Err(Error::Io { .. })));
        model::<f32>().save(folder.path().join("m.safetensors")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
