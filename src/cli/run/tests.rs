//! Files of before, and the second spelling of free bits.

use super::*;

/// A run as its `config.toml` held it when free bits were a key of their own.
const BEFORE: &str = r#"
    data = "digits:count=50"
    header = "auto"
    standardize = "auto"
    validation = 0.2
    test = 0.1
    binarize = "none"
    hidden = "8"
    latent = "2"
    activation = "relu"
    likelihood = "bernoulli"
    conditional = "normal"
    posterior = "normal"
    prior = "standard-normal"
    init = "he"
    random-bias = true
    objective = "elbo"
    samples = 3
    beta = 0.5
    warmup = 1.5
    free-bits = 0.1
    batch-size = 64
    epochs = 2
    lr = 0.002
    schedule = "cosine"
    clip = 5.0
    adam-beta1 = 0.8
    adam-beta2 = 0.99
    adam-epsilon = 0.00000001
    weight-decay = 0.1
    average = 0.9
    patience = 3
    seed = 7
"#;

#[test]
fn a_run_of_before_is_read() {
    let run: Run = toml::from_str(BEFORE).unwrap();
    run.check().unwrap();
    let Run { task, train } = &run;
    assert_eq!((task.hidden.as_str(), task.validation), ("8", 0.2));
    assert_eq!(train.objective.to_string(), "elbo:free-bits=0.1");
    assert_eq!((train.init.name(), train.start_at_mean), ("he", false));
    assert_eq!((train.samples, train.batch_size, train.epochs), (3, 64, 2));
    assert_eq!((train.warmup.beta, train.warmup.epochs), (0.5, 1.5));
    assert_eq!((train.learning_rate, train.schedule.spec().name()), (0.002, "cosine"));
    assert_eq!((train.clip, train.average, train.patience), (Some(5.0), Some(0.9), Some(3)));
    let adam = train.adam;
    assert_eq!((adam.beta1, adam.beta2, adam.epsilon), (0.8, 0.99, 1e-8));
    assert_eq!((adam.weight_decay, train.seed), (0.1, 7));
    // A checkpoint of before held the same as JSON.
    let json = serde_json::to_string(&BEFORE.parse::<toml::Table>().unwrap()).unwrap();
    assert_eq!(serde_json::from_str::<Run>(&json).unwrap(), run);
    // Written again it says the same without the second spelling.
    let again = run.to_toml();
    assert!(again.contains(r#"objective = "elbo:free-bits=0.1""#) && !again.contains("\nfree"));
    assert_eq!(toml::from_str::<Run>(&again).unwrap(), run);
}

#[test]
fn free_bits_are_said_once() {
    let read = |from: &str, to: &str| toml::from_str::<Run>(&BEFORE.replace(from, to));
    let objective = |from: &str, to: &str| read(from, to).unwrap().train.objective.to_string();
    assert_eq!(objective("free-bits = 0.1", "free-bits = 0.0"), "elbo");
    assert_eq!(objective("free-bits = 0.1", ""), "elbo");
    let refused = |from: &str, to: &str| read(from, to).unwrap_err().to_string();
    assert!(refused("elbo\"", "elbo:free-bits=1\"").contains("is given twice"));
    assert!(refused("elbo\"", "iwae\"").contains("only the objective elbo"));
    assert!(refused("free-bits", "free-bit").contains("unknown field `free-bit`"));
}

#[test]
fn seeds_fit_into_toml() {
    let mut run: Run = toml::from_str(BEFORE).unwrap();
    run.train.seed = i64::MAX as u64;
    run.check().unwrap();
    assert_eq!(toml::from_str::<Run>(&run.to_toml()).unwrap(), run);
    run.train.seed += 1;
    assert!(run.check().is_err());
}

/// Stages are one text, or a list of them.
#[test]
fn stages_may_stand_in_a_list() {
    let of = |text: &str| {
        let toml: toml::Table = BEFORE.parse().unwrap();
        let map = serde_json::to_value(toml).unwrap().as_object().unwrap().clone();
        Run::try_from(map).unwrap().with_toml(text)
    };
    let text = of("then = \"epochs=3 samples=5 / epochs=2\"").unwrap().0;
    let list = of("then = [\"epochs=3 samples=5\", \"epochs=2\"]").unwrap().0;
    assert_eq!(text, list);
    assert_eq!(text.train.all_epochs(), 2 + 3 + 2);
    assert!(of("then = \"samples=5\"").unwrap_err().contains("says no epochs=N"));
    assert!(of("then = [5]").is_err());
}
