//! How the networks of a chain are connected: in which order its latents are inferred, and who sees past the level
//! next to it.
//!
//! ```text
//! bottom-up  q(z_1|x) Π_{l≥2} q(z_l | z_{l−1})       or q(z_l | z_{l−1}, x)
//! top-down   q(z_L|x) Π_{l<L} q(z_l | z_{l+1} … z_L, x)
//! down       p(z_{l−1} | z_l)                        or p(z_{l−1} | z_l … z_L)
//! ```

use crate::conditional::InferBuffers;
use crate::error::{Error, Result};
use std::ops::Range;

/// In which order the latents of a chain are inferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inference {
    /// From the data upwards, each latent from the one below it.
    #[default]
    BottomUp,
    /// The topmost latent from the data alone, each other one from the data and all latents above it.
    TopDown,
}

impl Inference {
    /// Either order.
    pub const ALL: [Inference; 2] = [Inference::BottomUp, Inference::TopDown];

    /// Its name on the command line and in the model file.
    pub fn name(self) -> &'static str {
        match self {
            Inference::BottomUp => "bottom-up",
            Inference::TopDown => "top-down",
        }
    }

    /// The levels of a chain of so many, in this order; the first encoder sees the data alone.
    pub(super) fn order(self, levels: usize) -> impl DoubleEndedIterator<Item = usize> {
        (0..levels).map(move |i| match self {
            Inference::BottomUp => i,
            Inference::TopDown => levels - 1 - i,
        })
    }

    /// The levels of the latents that the encoder at level `l` sees; none, where it sees the data alone.
    pub(super) fn seen(self, l: usize, levels: usize) -> Range<usize> {
        match self {
            Inference::BottomUp => l.saturating_sub(1)..l,
            Inference::TopDown => l + 1..levels,
        }
    }

    /// The buffers of the encoder at level `l`, and of the latents that it sees.
    pub(super) fn of<T>(
        self,
        up: &mut [InferBuffers<T>],
        l: usize,
    ) -> (&mut InferBuffers<T>, &mut [InferBuffers<T>]) {
        match self {
            Inference::BottomUp => {
                let (below, here) = up.split_at_mut(l);
                (&mut here[0], &mut below[l.saturating_sub(1)..])
            }
            Inference::TopDown => {
                let (here, above) = up.split_at_mut(l + 1);
                (&mut here[l], above)
            }
        }
    }
}

impl std::str::FromStr for Inference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Inference::ALL.into_iter().find(|order| order.name() == text).ok_or_else(|| {
            let names = Inference::ALL.map(Inference::name).join(", ");
            Error::setting("inference", format!("`{text}` is unknown; known are {names}"))
        })
    }
}

/// Which networks of a chain see past the level next to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Skip {
    /// None.
    #[default]
    None,
    /// Encoders see the data beside latents, as with top-down inference they always do.
    Up,
    /// Decoders see all latents above: p(z_{l−1}|z_l … z_L).
    Down,
    /// Both.
    Both,
}

impl Skip {
    /// Every way there is.
    pub const ALL: [Skip; 4] = [Skip::None, Skip::Up, Skip::Down, Skip::Both];

    /// Its name on the command line and in the model file.
    pub fn name(self) -> &'static str {
        match self {
            Skip::None => "none",
            Skip::Up => "up",
            Skip::Down => "down",
            Skip::Both => "both",
        }
    }

    /// Whether encoders see the data.
    pub(super) fn is_up(self) -> bool {
        matches!(self, Skip::Up | Skip::Both)
    }

    /// Whether decoders see all latents above.
    pub(super) fn is_down(self) -> bool {
        matches!(self, Skip::Down | Skip::Both)
    }
}

impl std::str::FromStr for Skip {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Skip::ALL.into_iter().find(|skip| skip.name() == text).ok_or_else(|| {
            let names = Skip::ALL.map(Skip::name).join(", ");
            Error::setting("skip", format!("`{text}` is unknown; known are {names}"))
        })
    }
}
