//! The files that CONTRIBUTING.md shows: those of members as they stand in their families, up to their tests,
//! and a reader that nobody needs, which `src/worked/data/` holds to what its own list would hold it to. (Its
//! list is a child of `data`, whose parts only readers see.)

const PAGE: &str = include_str!("../CONTRIBUTING.md");

/// Every Rust block of the page is one of these files, and every file is there.
#[test]
fn the_page_shows_the_files_as_they_are() {
    let files = [
        include_str!("distribution/logistic.rs"),
        include_str!("objective/renyi.rs"),
        include_str!("worked/data/pgm.rs"),
    ];
    let blocks: Vec<_> = PAGE.split("\n```rust\n").skip(1).collect();
    assert_eq!(blocks.len(), files.len());
    for (block, file) in blocks.iter().zip(files) {
        let file = file.split("\n#[cfg(test)]\n").next().expect("a file begins");
        let (shown, _) = block.split_once("\n```\n").expect("a block ends");
        for (line, (shown, written)) in shown.lines().zip(file.lines()).enumerate() {
            assert_eq!(shown, written, "line {} of a file that the page shows", line + 1);
        }
        assert_eq!(shown.len() + 1, file.len(), "the page shows a part of a file");
    }
}

/// The setting that the page shows is one that stands in the list.
#[test]
fn the_page_shows_a_setting_as_it_stands() {
    let (_, rest) = PAGE.split_once("\n```rs\n").expect("the page shows a setting");
    let (block, _) = rest.split_once("\n```\n").expect("a block ends");
    let block: String = block.lines().map(|line| format!("        {line}\n")).collect();
    assert!(include_str!("train/config.rs").contains(&block), "no such setting:\n{block}");
}

/// The page's commands are those of `.ci/run`, but for those in its loops.
#[test]
fn the_page_names_the_commands_of_the_ci() {
    let Ok(run) = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/run")) else {
        return; // a packaged crate has none
    };
    let start = "<!-- the commands of .ci/run -->\n\n```sh\n";
    let block = PAGE.split(start).nth(1).expect("the page has that block");
    let named: Vec<_> = block.lines().take_while(|line| *line != "```").collect();
    let is_command = |line: &&str| {
        let starts = ["cargo ", "git ", "RUSTDOCFLAGS="];
        starts.iter().any(|start| line.starts_with(start)) && !line.contains('$')
    };
    let run: Vec<_> = run.lines().map(str::trim).filter(is_command).collect();
    assert_eq!(named, run);
}

/// The page of all members has a line for each that is in a list, with its file, and tests that stand there.
#[test]
fn the_page_lists_every_member() {
    use crate::family::Member;
    use crate::{distribution, nn, objective, penalty, prior};
    const PAGE: &str = include_str!("../docs/14-all-members.md");
    fn names<O>(members: Vec<Member<O>>) -> Vec<&'static str> {
        members.into_iter().map(|member| member.name).collect()
    }
    let lists = [
        ("Distributions", "distribution", names(distribution::members::<f32>())),
        ("Priors", "prior", names(prior::members::<f32>())),
        ("Layers", "nn", names(nn::members::<f32>())),
        ("Objectives", "objective", names(objective::members::<f32>())),
        ("Penalties", "penalty", names(penalty::members::<f32>())),
    ];
    for (title, room, names) in lists {
        let section = PAGE.split("\n## ").find(|s| s.starts_with(title)).expect(title);
        let lines: Vec<_> = section.lines().filter(|line| line.starts_with("| `")).collect();
        let listed: Vec<_> = lines.iter().filter_map(|line| line.split('`').nth(1)).collect();
        assert_eq!(listed, names, "{title}");
        for (name, line) in names.iter().zip(lines) {
            let file = format!("{}.rs", name.replace('-', "_"));
            assert!(line.contains(&format!("[{file}](../src/{room}/{file})")), "{line}");
            let path = format!("{}/src/{room}/{file}", env!("CARGO_MANIFEST_DIR"));
            let code = std::fs::read_to_string(&path).expect(&path);
            if let Some(test) = line.rsplit("| `").next().filter(|_| line.ends_with("` |")) {
                let test = test.trim_end_matches("` |");
                assert!(code.contains(&format!("fn {test}()")), "{name} has no {test}");
            }
        }
    }
}
