//! What docs/django.md shows is what the site here is made of.

use std::fs;

#[test]
fn every_block_is_a_part_of_the_site() {
    let page = fs::read_to_string("docs/django.md").expect("the page");
    let mut checked = 0;
    for block in page.split("\n```").skip(1).step_by(2) {
        let (kind, block) = block.split_once('\n').expect("a block");
        if kind == "console" {
            continue;
        }
        // Its first line is a comment that names the file.
        let (name, part) = block.split_once('\n').expect("a block");
        let name = name.trim_start_matches(['#', '-', '<', '!', ' ']).trim_end_matches(['-', '>', ' ']);
        let file = fs::read_to_string(format!("tests/django/{name}")).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(file.contains(part.trim_end()), "tests/django/{name} has not:\n{part}");
        checked += 1;
    }
    assert!(checked > 10, "{checked} blocks");
}

#[test]
fn its_commands_are_understood() {
    let page = fs::read_to_string("docs/django.md").expect("the page");
    let commands: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("$ purser ")).collect();
    assert!(!commands.is_empty());
    for command in commands {
        let ran = crate::cli::Site::empty().run(&command.split(' ').collect::<Vec<_>>());
        // There is no such database; 2 would be a wrong use.
        assert!(ran.code == 1 && ran.err.contains("127.0.0.1"), "{command}: {ran:?}");
    }
}
