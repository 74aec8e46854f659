//! The configurations of the published numbers: each runs from the command line.

use crate::lab::Lab;
use std::path::Path;

/// One small epoch of every row: on drawings of the size of MNIST's images, of which a few do. All stages are made
/// at the start, so that one which could not be is told here, too.
#[test]
fn every_configuration_runs() {
    let lab = Lab::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let files =
        std::fs::read_dir(&folder).expect("the folder is there").map(|entry| entry.unwrap().path());
    let mut names: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    names.sort();
    assert!(names.len() >= 12, "{names:?}");
    let script = std::fs::read_to_string(folder.join("published.py")).unwrap();
    for path in names {
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(script.contains(&format!("(\"{name}\", ")), "{name} has no row in the table");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.contains(&format!("--config configs/{name}.toml")),
            "{name} does not say how it is run"
        );
        lab.write("config.toml", &text);
        let train = format!(
            "train --config config.toml --data digits:count=60 --stop-after 1 --out {name} -q"
        );
        lab.run(&train);
        let [record] = &lab.records(name)[..] else { panic!("{name}: one epoch") };
        assert!(record["train"]["loss"].as_f64().unwrap().is_finite(), "{record}");
    }
}
