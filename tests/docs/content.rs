//! The documents say what is so: their links lead somewhere, the paths they name
//! exist, the commands and options they promise are those of the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use support::doc_lines::FOLDERS;
use support::root;

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The documents, with their folder.
fn documents() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "md") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(found.len() >= 7, "{found:?}");
    found
}

/// What stands between `open` and `close`, everywhere in the text.
fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split_once(close).map(|(inner, _)| inner))
}

/// What stands in backquotes, line by line.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for (path, text) in documents() {
        for link in between(&text, "](", ")") {
            let file = link.split('#').next().unwrap_or_default();
            let outside = link.contains("://") || file.is_empty();
            if !outside && !path.parent().unwrap().join(file).exists() {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn paths_that_are_named_exist() {
    let mut missing = Vec::new();
    let mut seen = 0;
    for (path, text) in documents() {
        for word in code(&text).flat_map(str::split_whitespace) {
            let first = word.split('/').next().unwrap_or_default();
            let ours = ["src", "scripts", "tests", "docs", "fuzz", "pe-build", "selftest"]
                .contains(&first);
            // What a run leaves behind is not in the repository.
            let left_behind = word.contains("/target") || word.starts_with("fuzz/artifacts");
            if ours && word.contains('/') && !word.contains('*') && !left_behind {
                seen += 1;
                if !root().join(word).exists() {
                    missing.push(format!("{}: {word}", path.display()));
                }
            }
        }
    }
    assert!(seen > 20, "{seen} paths: are they still written like this?");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_map_has_every_room() {
    let map = read("ARCHITECTURE.md");
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let entry = entry.unwrap();
        let slash = if entry.file_type().unwrap().is_dir() { "/" } else { "" };
        let name = format!("`src/{}{slash}`", entry.file_name().to_string_lossy());
        assert!(map.contains(&name), "ARCHITECTURE.md does not speak of {name}");
    }
}

/// The oldest compiler is told in one place, and the other places agree.
#[test]
fn the_oldest_compiler_is_the_same_everywhere() {
    let manifest = read("Cargo.toml");
    let version = between(&manifest, "rust-version = \"", "\"").next().unwrap();
    for member in ["tests/maker/Cargo.toml", "tests/support/Cargo.toml", "selftest/Cargo.toml"] {
        assert!(read(member).contains(&format!("rust-version = \"{version}\"")), "{member}");
    }
    assert!(read("docs/development/building.md").contains(&format!("Rust {version} or newer")));
}

fn help(args: &[&str]) -> String {
    let program = Command::new(support::program::path()).args(args).arg("--help").output();
    let program = program.unwrap();
    assert!(program.status.success(), "{args:?}");
    String::from_utf8(program.stdout).unwrap()
}

/// The commands that `lifeboat --help` lists.
fn commands() -> Vec<String> {
    let help = help(&[]);
    let list = between(&help, "Commands:\n", "\n\n").next().unwrap();
    // A command stands two spaces in; further lines of its description more.
    let lines = list.lines().filter(|line| !line.starts_with("   "));
    lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

/// The options that a help text lists.
fn options(help: &str) -> BTreeSet<String> {
    let words = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    words
        .flat_map(|line| line.split([' ', ',']).take_while(|w| w.is_empty() || w.starts_with('-')))
        .filter(|word| word.starts_with("--"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_command_and_option_is_documented() {
    let page = read("docs/reference/commands.md");
    let there: BTreeSet<&str> = code(&page).flat_map(|w| w.split([' ', '\\'])).collect();
    let commands = commands();
    assert!(commands.iter().any(|c| c == "offload"), "{commands:?}");
    for command in &commands {
        assert!(page.contains(&format!("lifeboat {command} ")), "{command} is not in commands.md");
        let options = options(&help(&[command]));
        assert!(options.contains("--json"), "{command}: {options:?}");
        for option in options {
            assert!(there.contains(option.as_str()), "{command} {option} is not in commands.md");
        }
    }
    // And nothing is promised that is not there.
    for line in page.lines().filter(|line| line.starts_with("lifeboat ")) {
        let command = line.split_whitespace().nth(1).unwrap();
        assert!(commands.iter().any(|c| c == command), "there is no {command}");
    }
}

/// Scripts read these: each that the program's source names has its row.
#[test]
fn every_event_is_documented() {
    let page = read("docs/reference/commands.md");
    let mut seen = 0;
    for entry in walkdir::WalkDir::new(root().join("src/cli")) {
        let path = entry.unwrap().into_path();
        if path.extension().is_none_or(|e| e != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let compact: String = text.split_whitespace().collect();
        for event in between(&compact, ".event(\"", "\"") {
            seen += 1;
            assert!(page.contains(&format!("`{event}`")), "{}: {event}", path.display());
        }
    }
    assert!(seen > 5, "{seen} events: has the way they are written changed?");
}

#[test]
fn every_exit_code_is_documented() {
    let page = read("docs/reference/commands.md");
    let source = read("src/cli/exit.rs");
    let codes = between(&source, "pub(crate) enum Exit {", "\n}").next().unwrap();
    let mut seen = 0;
    for code in between(codes, " = ", ",") {
        seen += 1;
        assert!(page.contains(&format!("\n| {code} | ")), "exit code {code}");
    }
    assert!(seen >= 7, "{seen}");
}

/// What is left out of a profile is what the reference says.
#[test]
fn the_rules_for_profiles_are_those_of_the_program() {
    let page = read("docs/reference/profiles.md");
    let listed: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("- `")?.strip_suffix('`')).collect();
    assert_eq!(listed, lifeboat::profiles::RULES);
}
