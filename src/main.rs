//! The `lifeboat` program: everything is in the library's [`lifeboat::cli`].

fn main() -> std::process::ExitCode {
    lifeboat::cli::main()
}
