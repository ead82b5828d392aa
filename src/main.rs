//! The `lifeboat` program. The library does the work and never prints; the
//! commands, their output and their exit codes are in [`cli`].

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
