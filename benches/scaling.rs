//! How a training step's cost grows with the hidden width, the batch and the latent width:
//! `cargo bench --bench scaling [-- SECONDS]` prints CSV. `ELBO_THREADS=1` measures one thread.
//!
//! 784-H-Z on grey digits; what a series does not vary is H = 400, 128 rows, Z = 20. Each point takes
//! SECONDS, 1 if none are given, after a tenth of them as warm-up. `benches/peers/scaling.py` draws
//! the picture.

use common::{peak, threads, workload::Workload};
use elbo::nn::Activation;
use elbo::parallel;
use std::time::{Duration, Instant};

mod common {
    pub(crate) mod peak;
    pub(crate) mod threads;
    pub(crate) mod workload;
}

const HIDDEN: [usize; 6] = [100, 200, 400, 800, 1600, 3200];
const BATCH: [usize; 9] = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096];
const LATENT: [usize; 9] = [2, 5, 10, 20, 50, 100, 200, 400, 800];

/// Steps that a median is taken of, at least.
const STEPS: usize = 5;

/// The operations that a row cannot do without: two a weight forward, two for d_W and two for d_x,
/// which nobody needs in the first layer.
fn flops_per_row(width: usize, hidden: usize, latent: usize) -> usize {
    let encoder = width * hidden + hidden * 2 * latent;
    let decoder = latent * hidden + hidden * width;
    2 * (3 * (encoder + decoder) - width * hidden)
}

/// The median time of a step, and the operations of its rows.
fn point(hidden: usize, batch: usize, latent: usize, seconds: f64) -> (f64, f64) {
    let activation = Activation::Relu;
    let workload =
        Workload { hidden: &[hidden], latent, batch, samples: 1, activation, table: false };
    let mut trainer = workload.trainer();
    let mut steps = |seconds: f64, least: usize| {
        let (start, mut times) = (Instant::now(), Vec::new());
        while times.len() < least || start.elapsed() < Duration::from_secs_f64(seconds) {
            let start = Instant::now();
            trainer.step().expect("a finite loss");
            times.push(start.elapsed().as_secs_f64());
        }
        times
    };
    let mut times = parallel::enter(|| {
        steps(0.1 * seconds, 1);
        steps(seconds, STEPS)
    });
    times.sort_by(f64::total_cmp);
    let width = trainer.vae().width();
    (times[times.len() / 2], (batch * flops_per_row(width, hidden, latent)) as f64)
}

fn main() {
    threads::from_environment();
    let seconds = std::env::args().find_map(|a| a.parse().ok()).unwrap_or(1.0);
    let peak = peak::flops_per_second();
    println!("series,value,rows_per_second,gflops,share");
    let print = |series: &str, value: usize, [hidden, batch, latent]: [usize; 3]| {
        let (time, flops) = point(hidden, batch, latent, seconds);
        let (rows, rate) = (batch as f64 / time, flops / time);
        println!("{series},{value},{rows:.0},{:.2},{:.4}", rate / 1e9, rate / peak);
    };
    HIDDEN.iter().for_each(|&h| print("hidden", h, [h, 128, 20]));
    BATCH.iter().for_each(|&b| print("batch", b, [400, b, 20]));
    LATENT.iter().for_each(|&z| print("latent", z, [400, 128, z]));
}
