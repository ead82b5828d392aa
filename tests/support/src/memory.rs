//! For tests that measure how much memory their process takes.

use std::process::Command;

/// Set for a test that [`alone`] runs.
const ALONE: &str = "LIFEBOAT_TEST_ALONE";

/// Whether the process is for this test alone. Where it is not (`cargo test` has a
/// thread a test), runs `test` in one of its own, and the caller has nothing to do.
///
/// # Panics
/// When the test fails there.
pub fn alone(test: &str) -> bool {
    let is = |name, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    if is(ALONE, test) || is("NEXTEST_EXECUTION_MODE", "process-per-test") {
        return true;
    }
    let program = std::env::current_exe().unwrap();
    let args = ["--exact", test, "--nocapture", "--include-ignored"];
    let output = Command::new(program).args(args).env(ALONE, test).output().unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains(" 1 passed;"), "{test}: {out}\n{err}");
    false
}

/// The most memory that this process has had, in MiB; `None` off Linux.
pub fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}
