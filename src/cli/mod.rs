//! Commands, progress, JSON events, exit codes. Only here is anything printed.

mod args;
mod detect;
mod exit;
mod extract;
mod folder;
mod guided;
mod keys;
mod list;
mod loadstate;
mod log;
mod offload;
mod output;
mod password;
mod places;
mod report;
mod restore;
mod seal;
mod sets;
mod settings;
mod sources;
mod units;
mod verify;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command, Global};
use exit::{Exit, Failure};
use output::{Out, Output};
use settings::Settings;

/// Runs the program with the process's arguments.
pub(crate) fn main() -> ExitCode {
    // Nothing has read the command line yet, and it may be wrong.
    let json = std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json");
    let mut cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if json && error.use_stderr() => {
            return output::fail_early(json, "", &exit::of_command_line(&error));
        }
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            let _ = error.print();
            return exit.into();
        }
    };
    cli.command = cli.command.take().or_else(guide_who_can_see);
    let name = cli.command.as_ref().map_or("", Command::name);
    match Settings::load() {
        Ok(settings) => settings.fill(&mut cli),
        Err(failure) => return output::fail_early(json, name, &failure),
    }
    let out = match Output::open(&cli.global) {
        Ok(out) => out,
        Err(error) => {
            let path = cli.global.log.unwrap_or_default();
            let what = format!("{}: cannot write the log: {error}", path.display());
            let action = "Name a file in a folder that can be written to, or leave out --log.";
            let failure = Failure::new(Exit::Failed, what, action);
            return output::fail_early(json, name, &failure);
        }
    };
    let Some(command) = &cli.command else {
        let failure = Failure::new(Exit::Usage, "no command was given", "Try: lifeboat --help");
        return output::fail_early(json, name, &failure);
    };
    let exit = run(command, &cli.global, out);
    out.clear();
    out.summary(command.name(), exit);
    exit.into()
}

/// On a terminal `lifeboat` alone is the guided rescue.
fn guide_who_can_see() -> Option<Command> {
    let sees = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    sees.then(|| Command::Guide(args::Guide::default()))
}

fn run(command: &Command, global: &Global, out: Out) -> Exit {
    let result = match command {
        Command::Detect(args) => detect::run(args, global, out),
        Command::Verify(args) => verify::run(args, global, out),
        Command::Seal(args) => seal::run(args, global, out),
        Command::Offload(args) => offload::run(args, global, out),
        Command::List(args) => list::run(args, out),
        Command::Report(args) => report::run(args, out),
        Command::Extract(args) => extract::run(args, out),
        Command::Restore(args) => restore::run(args, out),
        Command::Guide(args) => guided::run(args, global, out),
        Command::Loadstate(args) => loadstate::run(args, global, out),
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
            Self::Seal(_) => "seal",
            Self::Offload(_) => "offload",
            Self::List(_) => "list",
            Self::Report(_) => "report",
            Self::Extract(_) => "extract",
            Self::Restore(_) => "restore",
            Self::Guide(_) => "guide",
            Self::Loadstate(_) => "loadstate",
        }
    }
}
