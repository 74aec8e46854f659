//! `elbo sample --where` and `--balance`: rows of which something is wanted.

use crate::failures::{FAILURE, USAGE, assert_refused};
use crate::kinds::people;
use crate::lab::Lab;
use crate::tables::{column, csv};

#[test]
fn rows_are_as_they_are_wanted() {
    let lab = Lab::new();
    lab.write("people.csv", people());
    lab.run("train --data people.csv --epochs 30 --out run");
    let said = lab.run("sample run -n 400 --where town=Bonn --where age>=40 -o made.csv");
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(
        said.contains("town=Bonn, age>=40: chosen of ") && said.contains("which 1,6"),
        "{said}"
    );
    let (_, rows) = csv(&lab.text("made.csv"));
    assert_eq!(rows.len(), 400);
    assert!(rows.iter().all(|row| row[0] == "Bonn"));
    // What is wanted is never missing; the age of people is uniform from 20 to 49, and Bonn's pay a fee.
    let ages = column(&rows, 1);
    assert!(ages.iter().all(|age| (40.0..50.0).contains(age)));
    let mean = ages.iter().sum::<f64>() / 400.0;
    assert!((43.5..45.5).contains(&mean), "{mean}");
    let payers = column(&rows, 2).iter().filter(|fee| **fee > 0.0).count();
    assert!(payers > 380, "{payers}");
    let mut distinct: Vec<String> = rows.iter().map(|row| row.join(",")).collect();
    distinct.sort();
    distinct.dedup();
    assert!(distinct.len() > 395, "no row is there twice: {}", distinct.len());

    lab.run("sample run -n 101 --balance town --where fee=0 --complete -o even.csv");
    let (_, rows) = csv(&lab.text("even.csv"));
    let bonn = rows.iter().filter(|row| row[0] == "Bonn").count();
    assert_eq!((rows.len(), bonn), (101, 51));
    assert!(column(&rows, 2).iter().all(|fee| *fee == 0.0));

    let is_text = |name: &str| format!("sample run -n 9 --where {name} -o x.csv");
    assert_refused(
        &lab,
        &[
            (
                &is_text("town=Paris"),
                USAGE,
                "`Paris` does not stand in `town`: 2 classes: Bonn, Rome",
            ),
            (&is_text("town>Bonn"), USAGE, "have no order"),
            (&is_text("place=Bonn"), USAGE, "is called `place`"),
            (&is_text("town"), USAGE, "is no condition"),
            (&is_text("age=20.5"), USAGE, "does not stand in `age`"),
            (&is_text("age=NA"), USAGE, "a missing cell"),
            (&is_text("age>60"), USAGE, "only 0 count"),
            ("sample run --balance age -o x.csv", USAGE, "are no classes"),
            ("sample run --balance town --where town=Bonn -o x.csv", USAGE, "chosen by --where"),
            ("sample run --where town=Bonn --prior fitted -o x.csv", USAGE, "leave out --prior"),
            ("sample nowhere --where town=Bonn -o x.csv", FAILURE, "nowhere"),
        ],
    );
}

/// A number that no row has is none of a column of few: it is refused, with what there is.
#[test]
fn numbers_that_are_not_there_cannot_be_wanted() {
    let lab = Lab::new();
    let gains = ["0", "2174", "7298", "99999"];
    let rows = (0..120).map(|i| format!("{},{}\n", gains[i % 4], ["a", "b"][i % 2]));
    lab.write("gains.csv", format!("gain,kind\n{}", rows.collect::<String>()));
    lab.run("train --data gains.csv --epochs 1 --out run");
    lab.run("sample run -n 5 --where gain=7298 --where gain>5000 -o x.csv");
    assert!(csv(&lab.text("x.csv")).1.iter().all(|row| row[0] == "7298"));
    let unknown = "sample run -n 5 --where gain=5000 -o x.csv";
    assert_refused(
        &lab,
        &[(unknown, USAGE, "`5000` does not stand in `gain`: integer, 0 … 99999, 4")],
    );
}
