//! The `lifeboat` program: see `lifeboat::cli`.

#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: lifeboat::cli::linux::Allocator = lifeboat::cli::linux::Allocator;

fn main() -> std::process::ExitCode {
    lifeboat::cli::main()
}
