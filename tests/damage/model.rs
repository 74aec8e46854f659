//! Models.

use crate::contract;
use crate::damages::damaged;
use elbo::data::{Binarize, Dataset, ImageShape, Roles, Values};
use elbo::model_file::{Header, Model, ScalerHeader, TrainingHeader, WeightsHeader};
use elbo::params::Init;
use elbo::real::Real;
use elbo::train::TrainConfig;
use elbo::vae::{Inference, LevelConfig, Skip, Vae, VaeConfig};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// A small model of any kind.
pub(crate) fn config() -> impl Strategy<Value = VaeConfig> + Clone {
    let level = (vec(1..4usize, 0..3), 1..4usize)
        .prop_map(|(hidden, latent)| LevelConfig::dense(&hidden, latent));
    let likelihood = select(vec!["bernoulli", "normal", "normal:variance=0.5"]);
    let conditional = select(vec!["normal", "normal:variance=learned"]);
    let activation = select(vec!["relu", "tanh", "gelu"]);
    let order = select(Inference::ALL.to_vec());
    let skip = (order, select(Skip::ALL.to_vec()));
    (1..6usize, vec(level, 1..3), skip, likelihood, conditional, activation).prop_map(
        |(width, levels, (inference, skip), likelihood, conditional, activation)| VaeConfig {
            width,
            inference: if levels.len() > 1 { inference } else { Inference::BottomUp },
            skip: if levels.len() > 1 { skip } else { Skip::None },
            levels,
            likelihood: likelihood.parse().expect("a likelihood"),
            conditional: conditional.parse().expect("a conditional"),
            activation: activation.parse().expect("an activation"),
            ..VaeConfig::new(1, &[], 1)
        },
    )
}

/// A header with any of what a header may hold.
fn header(config: VaeConfig) -> impl Strategy<Value = Header> + Clone {
    let width = config.width;
    let image = ImageShape { height: 1, width, channels: 1 };
    let scaler = (vec(-1e9..1e9, width), vec(1e-3..1e9, width))
        .prop_map(|(mean, scale)| ScalerHeader { mean, scale });
    let columns = vec("[a-zé\"\\\\\n ]{0,4}", width);
    let weights = WeightsHeader { average: true, best: false, epoch: 3, step: 77 };
    (of(Just(image)), of(columns), of(scaler), of(training()), of(Just(weights))).prop_map(
        move |(image, columns, scaler, training, weights)| Header {
            columns,
            scaler,
            training,
            weights,
            ..Header::new(&config, image)
        },
    )
}

fn training() -> impl Strategy<Value = TrainingHeader> + Clone {
    let shares = (0.0..0.5, 0.0..0.4, of(3..9usize));
    (shares, any::<u64>(), 1e-6..1.0f64).prop_map(|((validation, test, limit), seed, rate)| {
        let config = TrainConfig { learning_rate: rate, seed, ..TrainConfig::default() };
        let roles = Roles { validation, test, limit, binarize: Binarize::None, seed };
        let data = Dataset::new(Values::U8(vec![0; 10]), 1).expect("ten rows");
        TrainingHeader::new(&config, &roles, &data, None)
    })
}

/// What a model is made of.
fn parts() -> impl Strategy<Value = (VaeConfig, Header, u64)> + Clone {
    config().prop_flat_map(|config| (Just(config.clone()), header(config), any::<u64>()))
}

fn model<T: Real>((config, header, seed): (VaeConfig, Header, u64)) -> Model<T> {
    let vae = Vae::new(config).expect("a small model");
    Model { params: vae.init(Init::Uniform, seed, None), vae: vae.into(), header }
}

/// A file in either precision.
fn file() -> impl Strategy<Value = Vec<u8>> + Clone {
    (parts(), any::<bool>()).prop_map(|(parts, double)| match double {
        false => model::<f32>(parts).to_bytes(),
        true => model::<f64>(parts).to_bytes(),
    })
}

/// What may stand where a number stood.
fn forgery() -> impl Strategy<Value = String> {
    let number = select(vec![
        "0",
        "-1",
        "1",
        "2",
        "1.5",
        "16777216",
        "16777217",
        "18446744073709551615",
        "1e400",
        "null",
        "[]",
        "\"\\n\"",
        "16777216,16777216",
    ]);
    prop_oneof![
        8 => number.prop_map(str::to_owned),
        1 => (1..3000usize).prop_map(|count| ["1"].repeat(count).join(",")),
    ]
}

/// The text with another number in the place of one of its numbers.
fn forge(text: &str, which: Index, number: &str) -> String {
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e');
    let ends = |c: char| matches!(c, ',' | ']' | '}');
    let starts = text.match_indices([':', ',', '[']).map(|(i, _)| i + 1);
    let numbers = starts
        .filter_map(|start| {
            let end = start + text[start..].find(ends)?;
            let found = end > start && text[start..end].chars().all(is_number);
            found.then_some(start..end)
        })
        .collect::<Vec<_>>();
    let place = which.get(&numbers).clone();
    [&text[..place.start], number, &text[place.end..]].concat()
}

/// The same tensors under another header.
fn with_header(file: &[u8], header: String) -> Vec<u8> {
    let file = SafeTensors::deserialize(file).expect("it was written just now");
    safetensors::serialize(file.iter(), Some([("elbo".to_owned(), header)].into()))
        .expect("the same tensors")
}

proptest! {
    #![proptest_config(crate::cases(600))]

    #[test]
    fn what_was_written_is_read(parts in parts()) {
        let model = model::<f32>(parts);
        let found = contract::model(&model.to_bytes()).expect("what was written is read");
        prop_assert_eq!(&found.params, &model.params);
        prop_assert_eq!(&found.header, &model.header);
    }

    #[test]
    fn damage_is_survived(bytes in damaged(file())) {
        contract::model(&bytes);
    }

    /// The header is text in text, where damage rarely leaves anything to read; here the file around
    /// it is whole.
    #[test]
    fn a_forged_header_is_survived(
        parts in parts(),
        forgeries in vec((any::<Index>(), forgery()), 1..3),
        damaged in damaged(parts().prop_map(|(_, header, _)| header.to_json().into_bytes())),
    ) {
        let model = model::<f32>(parts);
        let forged = forgeries
            .into_iter()
            .fold(model.header.to_json(), |text, (which, number)| forge(&text, which, &number));
        for header in [forged, String::from_utf8_lossy(&damaged).into_owned()] {
            contract::model(&with_header(&model.to_bytes(), header));
        }
    }
}

/// Weights of one byte would become four in memory: they are refused before.
#[test]
fn weights_that_are_no_floats_take_no_memory() {
    let config = VaeConfig::new(300, &[300], 2);
    let model = model::<f32>((config.clone(), Header::new(&config, None), 1));
    let file = model.to_bytes();
    let file = SafeTensors::deserialize(&file).expect("it was written just now");
    let bytes = file.iter().map(|(name, tensor)| {
        let byte = &tensor.data()[..tensor.data().len() / 4];
        (name, TensorView::new(Dtype::U8, tensor.shape().to_vec(), byte).expect("a byte each"))
    });
    let header = Some([("elbo".to_owned(), model.header.to_json())].into());
    let bytes = safetensors::serialize(bytes, header).expect("tensors of bytes");
    assert!(contract::model(&bytes).is_none());
}
