//! The `lifeboat` program: see `lifeboat::cli`.

fn main() -> std::process::ExitCode {
    lifeboat::cli::main()
}
