//! A steady training step allocates nothing of ours, and using a model on one row allocates nothing.
//!
//! All buffers of a step are made before the first one. Where the processor has no kernel for products,
//! what remains is matrixmultiply's packing buffer, one for each product: the test then finds exactly
//! as many allocations as products. A product of one row packs nothing. It runs on one thread, where
//! the count is exact, and in one test, because the count is the whole process's.

use elbo::data::{Binarize, Parts, Roles, Source};
use elbo::nn::network;
use elbo::simd::{self, Isa};
use elbo::train::{TrainConfig, Trainer};
use elbo::vae::{LevelConfig, VaeConfig};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Allocations of the whole process so far.
static COUNT: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// A global allocator is unsafe by its signature; this one only counts and passes on.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Products of a step of one network of n dense layers: n forward, and backward n for the weights
/// and n (n − 1 where the input needs no gradient) for the inputs.
fn products(layers: usize, input_gradient: bool) -> usize {
    3 * layers - usize::from(!input_gradient)
}

fn model(levels: &[(&str, usize)]) -> VaeConfig {
    let level = |(layers, latent): &(&str, usize)| LevelConfig {
        layers: network::parse(layers).unwrap(),
        latent: *latent,
    };
    VaeConfig { levels: levels.iter().map(level).collect(), ..VaeConfig::new(784, &[], 1) }
}

fn allocations_of_a_step(model: VaeConfig, config: TrainConfig) -> usize {
    let roles =
        Roles { validation: 0.0, test: 0.0, limit: None, binarize: Binarize::Dynamic, seed: 0 };
    let data = Parts::new(Source::open("digits:count=200").unwrap(), roles).unwrap();
    let mut trainer = Trainer::<f32>::new(model, config, data).unwrap();
    trainer.step().unwrap(); // shuffles the rows of the epoch
    trainer.step().unwrap();
    let mut count = || {
        let before = COUNT.load(Ordering::Relaxed);
        trainer.step().unwrap();
        COUNT.load(Ordering::Relaxed) - before
    };
    // Rayon's queue of what comes from outside takes a new block every 63 jobs, which is none of the step's.
    count().min(count())
}

#[test]
fn allocations_are_counted_and_known() {
    #[cfg(feature = "parallel")]
    elbo::parallel::set_threads(1).unwrap();
    // The best instruction set, and the portable one.
    for forced in [None, Some(Isa::Portable)] {
        simd::force(forced);
        a_steady_step_allocates_nothing_or_the_packing_buffers_of_its_products();
    }
    simd::force(None);
    #[cfg(feature = "model-file")]
    a_session_allocates_nothing_for_one_row();
}

/// Whether products are the crate's own, which pack into buffers that are there; `matrixmultiply`
/// allocates one for each.
fn has_kernel() -> bool {
    cfg!(feature = "simd") && (cfg!(target_arch = "aarch64") || simd::isa() != Isa::Portable)
}

fn a_steady_step_allocates_nothing_or_the_packing_buffers_of_its_products() {
    let config = TrainConfig { batch_size: 20, ..TrainConfig::default() };
    let expect = |products| if has_kernel() { 0 } else { products };

    let found = allocations_of_a_step(model(&[("dense=40", 5)]), config.clone());
    let expected = expect(products(2, false) + products(2, true));
    assert_eq!(found, expected, "the textbook step");

    // Everything that a step can have: importance samples, two levels, clipping, averaging.
    let config = TrainConfig {
        objective: "iwae".parse().unwrap(),
        samples: 3,
        clip: Some(1.0),
        average: Some(0.99),
        ..config
    };
    let chain = model(&[("dense=40 dense=30", 5), ("", 3)]);
    let found = allocations_of_a_step(chain, config.clone());
    let expected = products(3, false) + products(1, true) + products(1, true) + products(3, true);
    assert_eq!(found, expect(expected), "two levels, three samples");

    // Members with tensors, noise or work of their own. A prior's pseudo-inputs go through the encoder, too.
    let prior = "vamp:pseudo-inputs=7".parse().unwrap();
    let vamp = VaeConfig { prior, ..model(&[("dense=40 batch-norm gated=30 dropout=0.2", 5)]) };
    let found = allocations_of_a_step(vamp, config.clone());
    let expected = products(4, false) + products(4, true) + products(4, true);
    assert_eq!(found, expect(expected), "a VampPrior, normalised batches, gates and dropout");
    let [prior, posterior, likelihood] =
        ["mixture:components=4", "planar:steps=3", "normal:variance=learned"]
            .map(|spec| spec.parse().unwrap());
    let chain = model(&[("dense=40", 5), ("", 3)]);
    let found = allocations_of_a_step(VaeConfig { prior, posterior, likelihood, ..chain }, config);
    let expected = products(2, false) + products(1, true) + products(1, true) + products(2, true);
    assert_eq!(found, expect(expected), "a mixture, planar flows and a learned variance");
}

/// Nothing, but for the packing buffers of its products where these are `matrixmultiply`'s. Two levels as
/// well as one; with units, so that rows are scaled on the way in and out.
#[cfg(feature = "model-file")]
fn a_session_allocates_nothing_for_one_row() {
    use elbo::model_file::{Header, Model, ScalerHeader};
    use elbo::params::Init;
    use elbo::rng::{Address, Purpose};
    use elbo::vae::{Sampling, Score, Shown, Vae};

    let level = |hidden: &[usize], latent| LevelConfig::dense(hidden, latent);
    for levels in [vec![level(&[400], 20)], vec![level(&[400, 200], 20), level(&[30], 5)]] {
        let likelihood = "normal".parse().unwrap();
        let config = VaeConfig { levels, likelihood, ..VaeConfig::new(784, &[], 1) };
        let vae = Vae::<f32>::new(config.clone()).unwrap();
        let scaler = ScalerHeader { mean: vec![1.0; 784], scale: vec![2.0; 784] };
        let header = Header { scaler: Some(scaler), ..Header::new(&config, None) };
        let model = Model { params: vae.init(Init::Uniform, 1, None), header, vae: vae.into() };
        let mut session = model.session(1).unwrap();
        let (mut x, mut again) = ([0.5f32; 784], [0f32; 784]);
        let (mut z, mut std) = ([0f32; 20], [0f32; 20]);
        let (z, std) = (&mut z[..session.latent()], &mut std[..session.latent()]);
        let address = Address::new(1, Purpose::Sample);
        let sampling = Sampling { address, first: 0, temperature: 1.0, shown: Shown::Draw };

        session.score(&mut [Score::default()], &x).unwrap(); // the first one makes its buffers
        let before = COUNT.load(Ordering::Relaxed);
        session.encode(z, &x).unwrap();
        session.encode_with_std(z, std, &x).unwrap();
        session.decode(&mut again, z).unwrap();
        session.reconstruct(&mut again, &x).unwrap();
        session.sample(&mut x, &sampling).unwrap();
        session.sample(&mut x, &Sampling { temperature: 0.5, ..sampling }).unwrap();
        session.score(&mut [Score::default()], &x).unwrap();
        let found = COUNT.load(Ordering::Relaxed) - before;
        // Up or down through the chain are so many products; a score is both, in two groups of draws.
        let chain =
            model.vae.config().levels.iter().map(|level| level.layers.len() + 1).sum::<usize>();
        let passes = 1 + 1 + 1 + 2 + 1 + 1 + 2 * 2;
        let expected = if has_kernel() { 0 } else { passes * chain };
        assert_eq!(found, expected, "{} levels", model.vae.config().levels.len());
    }
}
