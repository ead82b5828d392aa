//! See `lib.rs`.

use std::process::ExitCode;

use clap::Parser;
use lifeboat_selftest::args::Args;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    run(&args)
}

#[cfg(windows)]
fn run(args: &Args) -> ExitCode {
    ExitCode::from(lifeboat_selftest::run::run(args))
}

#[cfg(not(windows))]
fn run(_: &Args) -> ExitCode {
    eprintln!("This program runs on Windows.");
    ExitCode::from(lifeboat_selftest::report::COULD_NOT_START)
}
