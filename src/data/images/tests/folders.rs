//! Which files are read, in which part, and under which label.

use super::*;

#[test]
fn pictures_are_rows_in_the_order_of_their_names() {
    let files: [(&str, &[u8]); 6] = [
        ("b.png", &grey(1, 2, 3)),
        ("a10.PNG", &grey(1, 2, 1)),
        ("a9.png", &grey(1, 2, 2)),
        (".hidden.png", b"not read"),
        ("notes.txt", b"not read"),
        ("empty/notes.txt", b"not read"),
    ];
    let none = ReadOptions::default();
    let (bytes, shape, note) = read_as(&files, &none);
    assert_eq!((bytes, shape), (vec![1, 1, 2, 2, 3, 3], [1, 2, 1]));
    assert_eq!(note.unwrap(), "2 files are not read: 2 .txt");
    let train = open(&folder(&files), &none).unwrap().train;
    assert!(train.labels().is_none());
    assert_eq!(train.names().unwrap(), ["a10.PNG", "a9.png", "b.png"]);
}

#[test]
fn folders_are_labels() {
    let files: [(&str, &[u8]); 5] = [
        ("cat/1.png", &grey(1, 1, 2)),
        ("bird/2.png", &grey(1, 1, 1)),
        ("bird/1.png", &grey(1, 1, 0)),
        (".git/1.png", b"not read"),
        ("none/notes.txt", b"not read"),
    ];
    assert_eq!(read_as(&files, &ReadOptions::default()).0, [0, 1, 2]);
    let source = open(&folder(&files), &ReadOptions::default()).unwrap();
    let labels = source.train.labels().unwrap();
    assert_eq!(labels.names(), ["bird", "cat"]);
    assert_eq!([0, 1, 2].map(|row| labels.name(row)), ["bird", "bird", "cat"]);
    assert_eq!(source.train.names().unwrap(), ["bird/1.png", "bird/2.png", "cat/1.png"]);
}

#[test]
fn folders_that_do_not_fit_together_are_refused() {
    let (small, large) = (grey(2, 3, 1), grey(3, 2, 1));
    let none = ReadOptions::default();
    let sizes: [(&str, &[u8]); 3] = [("a.png", &small), ("b.png", &small), ("c.png", &large)];
    refused(&sizes, &none, "has 3 × 2 pixels (height × width) where ");
    refused(&sizes, &none, "a.png has 2 × 3: scale all pictures to one size with --resize HEIGHTx");
    let both: [(&str, &[u8]); 2] = [("a.png", &small), ("cat/b.png", &small)];
    refused(&both, &none, "pictures both in this folder (a.png) and in folders within it (cat");
}

#[test]
fn files_that_are_not_read_are_counted_by_kind() {
    let picture = grey(1, 1, 200);
    let mut files: Vec<(&str, &[u8])> = vec![
        ("a.png", &picture),
        ("1.TXT", b""),
        ("2.txt", b""),
        ("3.mp4", b""),
        ("README", b""),
        ("Thumbs.db", b""),
        ("Desktop.ini", b""),
        (".DS_Store", b""),
    ];
    let notes = |files: &[(&str, &[u8])]| {
        open(&folder(files), &ReadOptions::default()).map(|source| told(source.notes)).unwrap()
    };
    assert_eq!(notes(&files), ["4 files are not read: 2 .txt, 1 .mp4, 1 without an ending"]);
    files.push(("b.heic", b""));
    files.extend(["a.a", "a.b", "a.c", "a.d"].map(|name| (name, &b""[..])));
    let expected = "9 files are not read: 2 .txt, 1 .a, 1 .b, 1 .c, 1 .d, 1 .heic, 2 of other \
                    kinds; convert .heic to PNG or JPEG to have them read";
    assert_eq!(notes(&files), [expected]);
    assert_eq!(notes(&files[..2]), ["1 file is not read: 1 .txt"]);
    assert_eq!(notes(&[files[0], files[5], files[6], files[7]]), [""; 0]);
}

#[test]
fn train_and_test_are_parts() {
    let picture = grey(1, 1, 200);
    let open = |names: &[&str]| {
        let files: Vec<_> = names.iter().map(|name| (*name, &picture[..])).collect();
        open(&folder(&files), &ReadOptions::default()).unwrap()
    };
    let names = |data: Option<Dataset>| data.map_or(Vec::new(), |d| d.names().unwrap().to_vec());
    let source = open(&["train/cat/1.png", "train/dog/1.png", "train/dog/2.png", "test/cat/1.png"]);
    let notes = "the folder train is the training part (3 pictures), test the test part (1)";
    assert_eq!(told(source.notes), [notes]);
    assert_eq!(source.train.labels().unwrap().names(), ["cat", "dog"]);
    assert_eq!(source.test.as_ref().unwrap().labels().unwrap().names(), ["cat"]);
    assert_eq!(names(source.test), ["test/cat/1.png"]);
    assert_eq!(names(Some(source.train))[2], "train/dog/2.png");

    // Without labels; where there is no test part, that for validation is it.
    let source = open(&["Train/1.png", "Val/1.png", "Val/2.png"]);
    assert!(source.train.labels().is_none());
    assert_eq!((source.train.rows(), source.test.unwrap().rows()), (1, 2));
    let source = open(&["train/1.png", "val/1.png", "val/2.png", "test/1.png", "extra/a/1.png"]);
    assert_eq!(names(source.test), ["test/1.png"]);
    assert!(source.notes[1].starts_with("the pictures in extra, val are in neither part"));

    // One alone is a label like any other name.
    let source = open(&["train/1.png", "other/1.png"]);
    assert!(source.test.is_none());
    assert_eq!(source.train.labels().unwrap().names(), ["other", "train"]);
}

#[test]
fn both_parts_have_one_shape() {
    let (small, large, rgb) = (grey(1, 1, 200), grey(1, 2, 200), colour(1, 1, [200; 3]));
    let none = ReadOptions::default();
    refused(&[("train/1.png", &small), ("val/1.png", &large)], &none, "--resize");
    let source = open(&folder(&[("train/1.png", &small), ("val/1.png", &rgb)]), &none).unwrap();
    assert_eq!((source.train.width(), source.test.unwrap().width()), (3, 3));
}

#[test]
fn folders_within_labels_are_refused_with_a_remedy_that_works() {
    let picture = grey(1, 1, 200);
    let none = ReadOptions::default();
    let deep: [(&str, &[u8]); 2] = [("cats/lion/1.png", &picture), ("cats/lynx/1.png", &picture)];
    let dir = folder(&deep);
    let cats = dir.path().join("cats");
    let message = format!(
        "more than one folder deep (cats/lion/1.png), where a folder is a label: move them up into \
         {0}, or name {0} as the data",
        cats.display()
    );
    assert_refused(open(&dir, &none), &message);
    let source = Source::open(cats.to_str().unwrap()).unwrap();
    assert_eq!(source.train.labels().unwrap().names(), ["lion", "lynx"]);
    // The other folder would leave pictures out.
    let mixed: [(&str, &[u8]); 2] = [deep[0], ("cats/1.png", &picture)];
    let Err(Error::File { message, .. }) = open(&folder(&mixed), &none) else { panic!("refused") };
    assert!(message.contains("move them up into ") && !message.contains("or name"), "{message}");
    refused(&[("a/b/c/d.png", &picture)], &none, "(a/b/c/d.png)");
    refused(&[("train/a/b/c.png", &picture), ("test/1.png", &picture)], &none, "(a/b/c.png)");
}

#[test]
fn folders_without_pictures_say_what_they_hold() {
    let none = ReadOptions::default();
    let remedy = "name one of its files, or a folder of pictures (PNG, JPEG, WebP, BMP,";
    refused(&[], &none, "this folder holds nothing that is read here (it is empty): ");
    refused(&[("a.txt", b""), (".a.png", b"")], &none, "(it has 1 .txt): ");
    refused(&[("a.txt", b""), ("b/c.csv", b"")], &none, remedy);
    refused(&[("a/.b", b"")], &none, "(the folders in it have no pictures)");
    refused(&[("a.heic", b"")], &none, "(it has 1 .heic): convert .heic to PNG or JPEG");
    let missing = (reader().read)(Location::Folder("/nowhere/at/all".into()), &none);
    assert!(matches!(missing, Err(Error::Io { .. })));
}
