//! A command line that is not understood: what is wrong, and what may be meant.

use std::path::Path;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue};

use super::args::Cli;
use super::exit::{Exit, Failure, shell_word};

/// Switches that are never suggested for a word that was typed wrong: each gives up a protection.
const NEVER_SUGGESTED: [&str; 5] =
    ["--despite-space", "--allow-memory", "--no-read-back", "--replace", "--fresh"];

/// An error in the command line, in the same two lines as all others.
pub(crate) fn of_command_line(error: &clap::Error) -> Failure {
    let of = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        Some(ContextValue::Strings(texts)) => texts.first().map(String::as_str),
        _ => None,
    };
    let word = of(ContextKind::InvalidSubcommand);
    if let Some(path) = word.filter(|word| Path::new(word).exists()) {
        return without_command(path);
    }
    // No command has such a name.
    if let Some(path) = word.filter(|word| word.contains(['/', '\\', '.', ':'])) {
        let action = "Check the path. The command comes first: lifeboat detect SOURCE.";
        return Failure::new(Exit::Usage, format!("{path}: not found"), action);
    }
    let text = error.to_string();
    let what = text.split("\n\n").next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(what);
    let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
    let suggested = of(ContextKind::SuggestedArg).map(str::to_owned);
    let suggested = suggested.or_else(|| word.and_then(similar_command));
    let suggested = suggested.filter(|word| !NEVER_SUGGESTED.iter().any(|no| word.starts_with(no)));
    let meant = suggested.map(|word| format!("Did you mean {word}? ")).unwrap_or_default();
    let help = match given_command() {
        Some(command) => format!("lifeboat {command} --help lists what it takes."),
        None => "lifeboat --help lists the commands.".to_owned(),
    };
    Failure::new(Exit::Usage, what, format!("{meant}{help}"))
}

/// The only command that begins with as many letters of the word as any, and at least three.
fn similar_command(word: &str) -> Option<String> {
    let common = |name: &str| name.bytes().zip(word.bytes()).take_while(|(a, b)| a == b).count();
    let all = Cli::command();
    let names: Vec<&str> = all.get_subcommands().map(clap::Command::get_name).collect();
    let most = names.iter().map(|name| common(name)).max().filter(|most| *most >= 3)?;
    let mut best = names.into_iter().filter(|name| common(name) == most);
    let one = best.next()?.to_owned();
    best.next().is_none().then_some(one)
}

/// The command on the command line, if there is one.
fn given_command() -> Option<String> {
    let all = Cli::command();
    std::env::args().skip(1).find(|word| all.find_subcommand(word).is_some())
}

/// What was typed is what a command should work on.
fn without_command(path: &str) -> Failure {
    let word = shell_word(path);
    let action = if Path::new(path).join("rescue.json").is_file() {
        format!("lifeboat verify {word} checks this rescue set; lifeboat restore --help says more.")
    } else {
        format!(
            "lifeboat detect {word} shows what is in it; lifeboat guide {word} is the guided rescue."
        )
    };
    Failure::new(Exit::Usage, format!("{path}: no command was given"), action)
}
