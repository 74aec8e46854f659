//! The rooms of `src/` form no circle: each uses only rooms that stand before it in the list of
//! `docs/design-notes.md`. A room's own tests may use any.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn a_room_uses_only_rooms_above_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let notes = fs::read_to_string(root.join("docs/design-notes.md")).unwrap();
    let list = notes.split("```text").nth(1).and_then(|rest| rest.split("```").next());
    let rooms: Vec<&str> = list.expect("the list of rooms").split_whitespace().collect();
    let place = |room: &str| rooms.iter().position(|listed| *listed == room);

    let mut wrong = Vec::new();
    for file in files(&root.join("src")) {
        let path = file.strip_prefix(root.join("src")).unwrap().to_str().unwrap().to_owned();
        let room = path.split(['/', '\\', '.']).next().unwrap();
        let above = match place(room) {
            Some(own) => &rooms[..own],
            None if ["lib", "worked"].contains(&room) => continue,
            None => panic!("{path}: the room `{room}` is not in the list"),
        };
        // The command line is a crate of its own.
        let own = if room == "cli" { "elbo::" } else { "crate::" };
        let source = fs::read_to_string(&file).unwrap();
        for used in used(&source, own) {
            if used != room && !above.contains(&used) {
                wrong.push(format!("{path} uses `{used}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "against the order of the rooms:\n{}", wrong.join("\n"));
}

/// All source files but those of tests.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let kept = entries.filter(|path| path.file_stem().unwrap() != "tests");
    kept.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The names behind `crate::`, in imports and in bodies, up to the file's tests.
fn used<'s>(source: &'s str, own: &'s str) -> impl Iterator<Item = &'s str> {
    let code = source.split("\nmod tests").next().unwrap();
    let lines = code.lines().map(|line| line.split("//").next().unwrap());
    let paths = lines.flat_map(move |line| line.split(own).skip(1));
    paths.map(|path| path.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
}
