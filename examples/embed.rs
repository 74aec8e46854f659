//! Loads a model and uses it: `cargo run --release --no-default-features --features model-file
//! --example embed -- runs/digits/model.safetensors`
//!
//! Without the default features the program needs few crates and no thread pool; a row is encoded
//! without allocating. Every wrong input is an `Err`, never a panic.

use elbo::model_file::Model;
use elbo::rng::{Address, Purpose};
use elbo::vae::{Sampling, Score, Shown};

fn main() -> elbo::Result<()> {
    let path = std::env::args().nth(1).unwrap_or("runs/digits/model.safetensors".to_owned());
    let model = Model::<f32>::open(path)?;
    let mut session = model.session(1)?; // one row at a time; all buffers are made here

    // A new row. Rows are slices of the model's width, in the data's own units.
    let address = Address::new(7, Purpose::Sample);
    let sampling = Sampling { address, first: 0, temperature: 1.0, shown: Shown::Mean };
    let mut row = vec![0f32; session.width()];
    session.sample(&mut row, &sampling)?;

    // What the model makes of it.
    let mut z = vec![0f32; session.latent()];
    session.encode(&mut z, &row)?;
    println!("{} values become {} latents: {z:.2?}", row.len(), z.len());

    // The latents back as a row, and how odd the row is: −ELBO in nats, higher for what is rarer.
    let mut again = vec![0f32; session.width()];
    session.decode(&mut again, &z)?;
    let mut score = [Score::default()];
    session.score(&mut score, &row)?;
    let apart = row.iter().zip(&again).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
    println!("distance to its reconstruction {apart:.3}, −ELBO {:.1} nats", score[0].loss);

    // Without the noise of a draw, the same model finds a changed row odder.
    row.reverse();
    session.score(&mut score, &row)?;
    println!("turned upside down: −ELBO {:.1} nats", score[0].loss);

    // Wrong input is an error that says what is wrong.
    if let Err(error) = session.encode(&mut z, &[f32::NAN; 3]) {
        println!("refused: {error}");
    }
    Ok(())
}
