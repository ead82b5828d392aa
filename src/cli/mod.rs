//! Commands, progress, JSON events, exit codes. Only this module prints.

pub mod args;
mod commands;
mod containers;
mod ending;
mod exit;
mod folder;
mod keys;
#[cfg(target_os = "linux")]
pub mod linux;
mod nothing_found;
mod output;
mod password;
mod places;
mod protect;
mod sets;
mod settings;
mod sources;
mod tui;
mod usage;
mod users;
mod volume_keys;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitCode;

use args::{Cli, Command, Global};
use clap::Parser;
use exit::{Exit, Failure};
use output::{Out, Output};
use settings::Settings;
use volume_keys::VolumeKeys;

#[cfg(all(feature = "smb", target_os = "linux"))]
use crate::destination::smb;
use crate::model::text::visible;

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    #[cfg(windows)] // first of all: no thread may meet an empty drive before.
    crate::disk::be_quiet();
    #[cfg(target_os = "linux")]
    {
        linux::keep_running_at_the_file_size_limit();
        linux::share_a_heap_where_memory_is_limited();
    }
    #[cfg(all(feature = "smb", target_os = "linux"))]
    if std::env::args_os().nth(1).is_some_and(|word| word == smb::SERVE) {
        let done = smb::serve_reads(std::io::stdin().lock(), std::io::stdout().lock());
        return if done.is_ok() { Exit::Done } else { Exit::Failed }.into();
    }
    // The command line is not parsed yet, and may be wrong.
    let json = std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json");
    let mut cli = match Cli::try_parse_from(asks_for_help(std::env::args_os().collect())) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            return output::fail_early(json, "", &usage::of_command_line(&error));
        }
        Err(error) => {
            let _ = error.print();
            return Exit::Done.into();
        }
    };
    cli.command = cli.command.take().or_else(guide_who_can_see);
    let name = cli.command.as_ref().map_or("", Command::name);
    match Settings::load() {
        Ok(settings) => {
            let from_settings = settings.fill(&mut cli);
            match VolumeKeys::load(&cli.global.bitlocker, from_settings) {
                Ok(keys) => cli.global.volume_keys = keys,
                Err(failure) => return output::fail_early(json, name, &failure),
            }
        }
        Err(failure) => return output::fail_early(json, name, &failure),
    }
    let out = match Output::open(&cli.global) {
        Ok(out) => out,
        Err(error) => {
            let path = cli.global.log.unwrap_or_default();
            let what = format!("{}: cannot write the log: {error}", path.display());
            let action = "Give a file in a folder where you can write, or leave out --log.";
            let failure = Failure::new(Exit::Failed, what, action);
            return output::fail_early(json, name, &failure);
        }
    };
    let Some(command) = &cli.command else {
        let failure = Failure::new(Exit::Usage, "no command was given", "Run: lifeboat --help");
        return output::fail_early(json, name, &failure);
    };
    out.begin_log(std::env::args_os().skip(1));
    out.begin(command.name());
    let exit = run(command, &cli.global, out);
    out.clear();
    out.summary(command.name(), exit);
    if exit == Exit::Done && output::is_output_cut() {
        // Whoever reads the output must not take it for all there is.
        eprintln!("error: standard output could not be written: the output is incomplete");
        eprintln!("fix: Free some space there, or print to another place. Run the command again.");
        return Exit::Failed.into();
    }
    exit.into()
}

/// The other ways to ask for help: `lifeboat help`, `lifeboat help COMMAND`, and `/?` of Windows.
fn asks_for_help(mut words: Vec<OsString>) -> Vec<OsString> {
    if words.get(1).is_some_and(|word| word == "help") {
        words.remove(1);
        words.truncate(2);
        words.push("--help".into());
    }
    for word in words.iter_mut().skip(1).take_while(|word| *word != "--") {
        if *word == "/?" || *word == "-?" {
            *word = "--help".into();
        }
    }
    words
}

/// On a terminal, `lifeboat` alone is the guided rescue.
fn guide_who_can_see() -> Option<Command> {
    let sees = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    sees.then(|| Command::Guide(args::Guide::default()))
}

fn run(command: &Command, global: &Global, out: Out) -> Exit {
    // The guided rescue has a field for it.
    if !matches!(command, Command::Guide(_)) && password::can_ask() {
        global.volume_keys.ask_by(|line, hint| {
            if output::is_cancelled() {
                return None;
            }
            output::clear_bar();
            eprintln!("\r{}", visible(line));
            // Short: a key has 55 characters, and all has to be on one line.
            let typed = password::prompt_with("Key", hint);
            // Only Enter is "none": who stops the program does not want it to go on.
            typed.inspect_err(|_| output::cancel()).ok()
        });
    }
    let result = match command {
        Command::Detect(args) => commands::detect::run(args, global, out),
        Command::Verify(args) => commands::verify::run(args, global, out),
        Command::Sets(args) => commands::sets::run(args, out),
        Command::Prune(args) => commands::prune::run(args, out),
        Command::Gate(args) => commands::gate::run(args, global, out),
        Command::Check(args) => commands::check::run(args, out),
        Command::Seal(args) => commands::seal::run(args, global, out),
        Command::Offload(args) => commands::offload::run(args, global, out),
        Command::List(args) => commands::list::run(args, global, out),
        Command::Report(args) => commands::report::run(args, out),
        Command::Extract(args) => commands::extract::run(args, global, out),
        Command::Restore(args) => commands::restore::run(args, out),
        Command::Guide(args) => tui::run(args, global, out),
        Command::Loadstate(args) => commands::loadstate::run(args, global, out),
        Command::Completions(args) => commands::completions::run(args, out),
    };
    match result {
        Ok(exit) => exit,
        Err(error) => {
            let failure = exit::explain(&error);
            out.error(&failure.what, &failure.action, failure.exit.code());
            failure.exit
        }
    }
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Self::Detect(_) => "detect",
            Self::Verify(_) => "verify",
            Self::Sets(_) => "sets",
            Self::Prune(_) => "prune",
            Self::Gate(_) => "gate",
            Self::Check(_) => "check",
            Self::Seal(_) => "seal",
            Self::Offload(_) => "offload",
            Self::List(_) => "list",
            Self::Report(_) => "report",
            Self::Extract(_) => "extract",
            Self::Restore(_) => "restore",
            Self::Guide(_) => "guide",
            Self::Loadstate(_) => "loadstate",
            Self::Completions(_) => "completions",
        }
    }
}
