//! `lifeboat completions`.

use std::io::Write as _;

use anyhow::Result;
use clap::CommandFactory;

use crate::cli::args::{Cli, Completions};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Out;

/// The name of the program, which the script is for.
const NAME: &str = "lifeboat";

pub(crate) fn run(args: &Completions, out: Out) -> Result<Exit> {
    if out.is_json() {
        let what = "--json: completions are a script, not events";
        return Err(Failure::new(Exit::Usage, what, "Leave out --json.").into());
    }
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), NAME, &mut script);
    // A closed pipe is not an error.
    let _ = std::io::stdout().write_all(&script);
    Ok(Exit::Done)
}
