//! The man pages and the completions are made from the flags, and these tests hold
//! them to the flags: `docs/man/`, `docs/completions/`. After a change,
//! `LIFEBOAT_GOLDEN=write cargo nextest run --test docs man_pages` makes them anew.
//!
//! They are made here and not by the program, so that no exe carries what makes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use lifeboat::cli::args;
use support::{need, require};

fn docs() -> PathBuf {
    support::root().join("docs")
}

/// The command line, with what every command takes handed down to each.
fn command_line() -> clap::Command {
    let mut command = args::Cli::command();
    command.build();
    command
}

/// File name to contents: `lifeboat.1` and one for each command.
fn man_pages() -> BTreeMap<String, String> {
    let main = command_line();
    let names: Vec<&str> = main.get_subcommands().map(clap::Command::get_name).collect();
    let mut pages = BTreeMap::new();
    let others: Vec<String> = names.iter().map(|name| format!("lifeboat-{name}")).collect();
    pages.insert("lifeboat.1".to_owned(), man_page(&main, &others));
    for command in main.get_subcommands() {
        let page = man_page(command, &["lifeboat".to_owned()]);
        pages.insert(format!("lifeboat-{}.1", command.get_name()), page);
    }
    pages
}

/// clap's page, but for the examples: there each line has to stay a line.
fn man_page(command: &clap::Command, see_also: &[String]) -> String {
    let version = env!("CARGO_PKG_VERSION");
    // A page has all options with all that is said of them.
    let command = &command.clone().mut_args(|arg| {
        let arg = match arg.get_long_help().cloned() {
            Some(long) => arg.help(long).long_help(None::<&'static str>),
            None => arg,
        };
        arg.hide_short_help(false)
    });
    let man = Man::new(command.clone())
        .source(format!("Lifeboat {version}"))
        .manual("Rescue of USMT migration stores");
    let mut page = Vec::new();
    man.render_title(&mut page).unwrap();
    man.render_name_section(&mut page).unwrap();
    man.render_synopsis_section(&mut page).unwrap();
    man.render_description_section(&mut page).unwrap();
    man.render_options_section(&mut page).unwrap();
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page).unwrap();
    }
    let mut roff = Roff::new();
    let after = command.get_after_long_help().or_else(|| command.get_after_help());
    for block in after.unwrap().to_string().split("\n\n") {
        if let Some(examples) = block.strip_prefix("Examples:\n") {
            roff.control("SH", ["EXAMPLES"]).control("nf", []);
            for line in examples.lines() {
                roff.text([roman(line)]);
            }
            roff.control("fi", []);
        } else if let Some(codes) = block.strip_prefix("Exit codes:") {
            roff.control("SH", ["EXIT STATUS"]).text([roman(codes.trim().replace('\n', " "))]);
        } else {
            roff.control("SH", ["NOTES"]).text([roman(block.replace('\n', " "))]);
        }
    }
    roff.control("SH", ["SEE ALSO"]);
    for (at, page) in see_also.iter().enumerate() {
        let end = if at + 1 == see_also.len() { "(1)" } else { "(1)," };
        roff.text([bold(page.as_str()), roman(end)]);
    }
    roff.to_writer(&mut page).unwrap();
    String::from_utf8(page).unwrap()
}

fn completions() -> BTreeMap<String, String> {
    let shells = [
        (Shell::Bash, "lifeboat.bash"),
        (Shell::Zsh, "_lifeboat"),
        (Shell::Fish, "lifeboat.fish"),
        (Shell::PowerShell, "lifeboat.ps1"),
    ];
    let made = shells.map(|(shell, name)| {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut args::Cli::command(), "lifeboat", &mut text);
        (name.to_owned(), String::from_utf8(text).unwrap())
    });
    BTreeMap::from(made)
}

/// Compares with the files of `docs/FOLDER`, all of them; or writes them.
fn hold(folder: &str, made: &BTreeMap<String, String>) {
    let folder = docs().join(folder);
    if std::env::var_os("LIFEBOAT_GOLDEN").is_some_and(|v| v == "write") {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in made {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    let there: BTreeMap<String, String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let text = fs::read_to_string(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), text)
        })
        .collect();
    let names = |of: &BTreeMap<String, String>| of.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&there), names(made), "{}", folder.display());
    for (name, text) in made {
        assert!(
            there[name] == *text,
            "{}/{name} is stale: LIFEBOAT_GOLDEN=write cargo nextest run --test docs man_pages",
            folder.display()
        );
    }
}

#[test]
fn the_man_pages_are_those_of_the_flags() {
    let pages = man_pages();
    let offload = &pages["lifeboat-offload.1"];
    assert!(offload.contains("retry\\-for") && offload.contains("EXAMPLES"), "{offload}");
    hold("man", &pages);
}

#[test]
fn the_completions_are_those_of_the_flags() {
    hold("completions", &completions());
}

/// What bash would offer after `line`.
fn offered(line: &str) -> Vec<String> {
    let script = r#"
        source "$1"
        read -ra COMP_WORDS <<<"$2"
        case $2 in *' ') COMP_WORDS+=('') ;; esac
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$2 COMP_POINT=${#2}
        _lifeboat lifeboat "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let file = docs().join("completions/lifeboat.bash");
    let done = Command::new("bash").args(["-c", script, "bash"]).arg(file).arg(line).output();
    let done = done.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_options() {
    assert_eq!(offered("lifeboat off"), ["offload"]);
    assert!(offered("lifeboat offload --").contains(&"--retry-for".to_owned()));
    assert_eq!(offered("lifeboat verify --level "), ["quick", "full"]);
}

#[test]
fn man_formats_the_pages_without_a_complaint() {
    let groff = need!("groff", || require::program("groff"));
    for name in man_pages().keys() {
        let page = docs().join("man").join(name);
        let done = Command::new(&groff).args(["-man", "-Tascii", "-ww", "-z"]).arg(&page).output();
        let done = done.unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && said.is_empty(), "{name}: {said}");
    }
}
