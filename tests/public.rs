//! What programs rely on besides values: the types that threads may share or send.

use elbo::data::{Columns, Dataset, Labels, Part, Parts, Source};
use elbo::evaluate::Evaluator;
use elbo::objective::Objective;
use elbo::prior::Prior;
use elbo::train::Trainer;
use elbo::vae::{Vae, Workspace};

fn send_and_sync<T: Send + Sync + ?Sized>() {}

/// Compiling is the test.
#[test]
fn everything_can_be_sent_and_shared() {
    send_and_sync::<Vae<f32>>();
    send_and_sync::<Workspace<f32>>();
    send_and_sync::<Trainer<f32>>();
    send_and_sync::<Evaluator<f64>>();
    send_and_sync::<dyn elbo::distribution::Distribution<f32>>();
    send_and_sync::<dyn Objective<f32>>();
    send_and_sync::<dyn Prior<f32>>();
    send_and_sync::<(Source, Dataset, Labels, Part, Parts, Columns)>();
    send_and_sync::<elbo::Error>();
    #[cfg(feature = "model-file")]
    send_and_sync::<(elbo::model_file::Model<f32>, elbo::session::Session<'static, f32>)>();
    #[cfg(feature = "model-file")]
    send_and_sync::<elbo::train::checkpoint::Checkpoint>();
}
