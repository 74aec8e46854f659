//! Two plain classifiers of 28×28 images, to judge data and samples by.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

/// Pixels of an image.
pub(crate) const PIXELS: usize = 784;
/// Classes.
pub(crate) const CLASSES: usize = 10;

/// Images of intensities in [0, 1], with their labels.
pub(crate) struct Items {
    /// `[N, PIXELS]`
    pub(crate) pixels: Vec<f32>,
    /// `[N]`
    pub(crate) labels: Vec<usize>,
}

impl Items {
    /// The images, one after another.
    pub(crate) fn images(&self) -> impl Iterator<Item = &[f32]> {
        self.pixels.chunks_exact(PIXELS)
    }

    /// The share of items that `classify` gets wrong.
    pub(crate) fn error(&self, classify: impl Fn(&[f32]) -> usize) -> f64 {
        let wrong =
            self.images().zip(&self.labels).filter(|(x, label)| classify(x) != **label).count();
        wrong as f64 / self.labels.len() as f64
    }
}

/// Σ aᵢ bᵢ in sixteen sums, which the compiler keeps in vectors.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; 16];
    for (a, b) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

/// The three nearest training images (Euclidean) vote; without a majority the nearest decides.
pub(crate) struct Neighbours<'a> {
    train: &'a Items,
    /// |image|² of each.
    squares: Vec<f32>,
}

impl<'a> Neighbours<'a> {
    /// The classifier that remembers `train`.
    pub(crate) fn of(train: &'a Items) -> Self {
        Neighbours { train, squares: train.images().map(|x| dot(x, x)).collect() }
    }

    /// The label of `image`.
    pub(crate) fn classify(&self, image: &[f32]) -> usize {
        // Squared distances up to the constant |image|², the nearest first.
        let mut nearest = [(f32::INFINITY, usize::MAX); 3];
        for ((known, label), square) in
            self.train.images().zip(&self.train.labels).zip(&self.squares)
        {
            let distance = square - 2.0 * dot(known, image);
            if distance < nearest[2].0 {
                let rank = nearest.iter().filter(|n| n.0 <= distance).count();
                nearest[rank..].rotate_right(1);
                nearest[rank] = (distance, *label);
            }
        }
        let [first, second, third] = nearest.map(|n| n.1);
        if second == third { second } else { first }
    }

    /// The squared distance to the nearest training image.
    #[allow(dead_code)] // each test file uses its own share of this module
    pub(crate) fn distance(&self, image: &[f32]) -> f32 {
        let nearest = self
            .train
            .images()
            .map(|known| known.iter().zip(image).map(|(a, b)| (a - b) * (a - b)).sum::<f32>());
        nearest.fold(f32::INFINITY, f32::min)
    }
}

/// Multinomial logistic regression, by gradient descent with momentum to near convergence.
#[allow(dead_code)]
pub(crate) struct Linear {
    /// `[CLASSES, PIXELS + 1]`, the bias last.
    weights: Vec<f32>,
}

#[allow(dead_code)]
impl Linear {
    const EPOCHS: usize = 30;
    const BATCH: usize = 50;
    const RATE: f32 = 0.03;
    const MOMENTUM: f32 = 0.9;
    const ROW: usize = PIXELS + 1;

    fn logits(&self, image: &[f32]) -> [f32; CLASSES] {
        std::array::from_fn(|class| {
            let row = &self.weights[class * Self::ROW..][..Self::ROW];
            dot(&row[..PIXELS], image) + row[PIXELS]
        })
    }

    /// The label of `image`.
    pub(crate) fn classify(&self, image: &[f32]) -> usize {
        let logits = self.logits(image);
        (0..CLASSES).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap()
    }

    /// Learns from `items`.
    pub(crate) fn train(items: &Items) -> Self {
        let mut model = Linear { weights: vec![0.0; CLASSES * Self::ROW] };
        let mut velocity = vec![0.0; model.weights.len()];
        let mut order: Vec<usize> = (0..items.labels.len()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        for epoch in 0..Self::EPOCHS {
            order.shuffle(&mut rng);
            // The rate declines to zero, so that the weights settle.
            let rate = Self::RATE * (1.0 - epoch as f32 / Self::EPOCHS as f32);
            for batch in order.chunks(Self::BATCH) {
                let gradient = model.gradient(items, batch);
                for ((w, v), g) in model.weights.iter_mut().zip(&mut velocity).zip(gradient) {
                    *v = Self::MOMENTUM * *v - rate * g;
                    *w += *v;
                }
            }
        }
        model
    }

    /// The gradient of the mean cross-entropy of a batch.
    fn gradient(&self, items: &Items, batch: &[usize]) -> Vec<f32> {
        let mut gradient = vec![0.0; self.weights.len()];
        for &i in batch {
            let image = &items.pixels[i * PIXELS..(i + 1) * PIXELS];
            let logits = self.logits(image);
            let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let exps = logits.map(|l| (l - max).exp());
            let total: f32 = exps.iter().sum();
            for (class, row) in gradient.chunks_exact_mut(Self::ROW).enumerate() {
                let truth = if class == items.labels[i] { 1.0 } else { 0.0 };
                let delta = (exps[class] / total - truth) / batch.len() as f32;
                row[..PIXELS].iter_mut().zip(image).for_each(|(g, x)| *g += delta * x);
                row[PIXELS] += delta;
            }
        }
        gradient
    }
}
