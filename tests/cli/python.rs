//! The estimator of `python/`, by its own tests, where there is a Python with scikit-learn and pandas (ELBO_PYTHON names another
//! than `python3`).

use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn the_estimator_is_one_of_scikit_learn() {
    let python = std::env::var("ELBO_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has = Command::new(&python)
        .args(["-c", "import sklearn, pandas"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has {
        println!("skipped: {python} has no scikit-learn and pandas");
        return;
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/test_elbo.py");
    let program = assert_cmd::cargo::cargo_bin!("elbo");
    let done = Command::new(&python)
        .args(["-B".as_ref(), tests.as_os_str()])
        .env("ELBO", program)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    assert!(said.contains("Ran 8 tests"), "{said}");
}
