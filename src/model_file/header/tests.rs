//! The format of the header, and what older ones mean.

use super::*;
use crate::data::{Binarize, Bytes, Dataset, Roles, Values};
use crate::family::Spec;
use crate::train::TrainConfig;
use serde_json::Map;

/// The format, to the byte: a change here is a change of the format.
#[test]
fn the_header_is_canonical() {
    let json = Header::new(&VaeConfig::new(4, &[3], 2), None).to_json();
    let expected = concat!(
        r#"{"columns":null,"format":4,"image":null,"model":{"activation":"relu","conditional":"normal","#,
        r#""levels":[{"latent":2,"layers":["dense=3"]}],"likelihood":"bernoulli","posterior":"normal","#,
        r#""prior":"standard-normal","width":4},"scaler":null,"training":null,"weights":null}"#
    );
    assert_eq!(json, expected);
    assert_eq!(Header::from_json(&json).unwrap().to_json(), json);
    // Version 1 knew neither columns nor scaler.
    let first = json.replace(r#""columns":null,"#, "").replace(r#""scaler":null,"#, "");
    let first = first.replace(r#""layers":["dense=3"]"#, r#""hidden":[3]"#);
    let first = Header::from_json(&first.replace("\"format\":4", "\"format\":1")).unwrap();
    assert_eq!(first.to_json(), json);
}

/// The header of a model that was trained on these data, in these columns.
fn trained(data: &Dataset, columns: &Columns) -> Header {
    let (validation, test, limit, seed) = (0.0, 0.0, None, 0);
    let roles = Roles { validation, test, limit, binarize: Binarize::None, seed };
    let training = TrainingHeader::new(&TrainConfig::default(), &roles, data, None);
    let header = Header::new(&VaeConfig::new(data.width(), &[], 1), None).with_columns(columns);
    Header { training: Some(training), ..header }
}

/// Names, or their numbers in the file, and units; and how a table was read.
#[test]
fn columns_come_back_as_they_were() {
    let data = || Dataset::new(Values::F64(vec![1.0, 2.0]), 2).unwrap();
    let table = || data().with_table(TableLayout { comment: Some(b'%') }, None);
    let units = Unit::all(&[1.0, -2.0], &[0.5, 3.0]).unwrap();
    let texts = ["a", "b"].map(str::to_owned).to_vec();
    for data in [
        data(),
        data().with_columns(texts.clone()).unwrap(),
        table().with_columns(texts).unwrap(),
        table().with_columns(vec![3, 1]).unwrap(),
    ] {
        for columns in [data.columns().clone(), data.columns().clone().with_units(&units).unwrap()]
        {
            let json = trained(&data, &columns).to_json();
            let again = Header::from_json(&json).unwrap();
            assert_eq!(again.columns().unwrap(), columns, "{json}");
            let Expected { columns: found, table, .. } = again.expected();
            assert_eq!((found, table.as_ref()), (Some(columns), data.table()), "{json}");
        }
    }
}

/// Models from before bytes had a name are read as they were.
#[test]
fn a_header_without_a_word_on_bytes_means_levels() {
    let of = |values| {
        let data = Dataset::new(values, 1).unwrap();
        trained(&data, data.columns())
    };
    let bytes = |json: &str| Header::from_json(json).unwrap().expected().bytes;
    let json = of(Values::U8(vec![0, 1])).to_json();
    assert_eq!(bytes(&json), Some(Bytes::Levels));
    assert_eq!(bytes(&json.replace(r#""bytes":"levels","#, "")), Some(Bytes::Levels));
    assert_eq!(bytes(&json.replace(r#""bytes":"levels""#, r#""bytes":"bits""#)), Some(Bytes::Bits));
    assert_eq!(bytes(&of(Values::F32(vec![0.5, 1.0])).to_json()), None);
    let odd =
        Header::from_json(&json.replace(r#""bytes":"levels""#, r#""bytes":"nibbles""#)).unwrap();
    assert!(odd.training.unwrap().check().is_err());
}

/// As models of before hold it, to the byte.
#[test]
fn a_training_of_before_is_read_and_written_as_it_was() {
    let training = concat!(
        r#"{"adam_beta1":0.9,"adam_beta2":0.999,"adam_epsilon":1e-8,"average":0.9,"batch_size":32,"#,
        r#""beta":1.0,"clip":5.0,"data":{"binarize":"none","bytes":"levels","embedded":"digits","#,
        r#""fingerprint":"1547f54fa5fd54bf","label":null,"limit":null,"rows":50,"table":null,"#,
        r#""test":0.0,"validation":0.2},"epochs":4,"init":"he","learning_rate":0.01,"#,
        r#""objective":"elbo:free-bits=0.1","patience":null,"samples":2,"#,
        r#""schedule":"step:every=3,factor=0.5","seed":18446744073709551615,"#,
        r#""start_at_mean":false,"warmup":0.5,"weight_decay":0.0}"#
    );
    let read = |text: &str| serde_json::from_str::<TrainingHeader>(text);
    let header = read(training).unwrap();
    // A setting that is new since then has a key more.
    let mut written = serde_json::to_value(&header).unwrap();
    let known: Map<String, Value> = serde_json::from_str(training).unwrap();
    written.as_object_mut().unwrap().retain(|key, _| known.contains_key(key));
    assert_eq!(sorted(written).to_string(), training);
    let TrainingHeader { config, .. } = header;
    assert_eq!((config.learning_rate, config.adam.beta2), (0.01, 0.999));
    assert_eq!((config.clip, config.patience), (Some(5.0), None));
    assert_eq!((config.seed, config.start_at_mean), (u64::MAX, false));
    assert_eq!(config.objective, Spec::new("elbo").with("free-bits", 0.1));

    let wrong = |from: &str, to: &str| read(&training.replace(from, to)).unwrap_err().to_string();
    assert_eq!(wrong(r#""epochs":4"#, r#""epochs":-4"#), "epochs: invalid type: expected u32");
    assert_eq!(wrong(r#""epochs":4"#, r#""epoch":4"#), "unknown field `epoch`");
    assert_eq!(wrong(r#""init":"he""#, r#""init":null"#), "init: invalid type: expected text");
    assert!(wrong(r#""data""#, r#""dates""#).contains("missing field `data`"));
}
