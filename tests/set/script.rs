//! `restore.cmd` under Wine's cmd, beside a lifeboat.exe that only says how it
//! was called: in a folder whose name has everything that scripts stumble on.
#![cfg(unix)]

use std::path::Path;
use std::process::Command;

use support::need;
use support::sets::{options, pack, sh, store};

/// Prints its arguments, ends with the number in code.txt.
const PROGRAM: &str = r#"
#include <stdio.h>
int main(int argc, char **argv) {
    int code = 0;
    FILE *file = fopen("code.txt", "r");
    for (int i = 1; i < argc; i++) printf("<%s>", argv[i]);
    printf("\n");
    if (file) fscanf(file, "%d", &code);
    return code;
}
"#;

/// What the script says and its exit code. `answer` is what is typed.
fn run(set: &Path, prefix: &Path, arguments: &str, answer: &str) -> (String, i32) {
    let line = format!("echo {answer} | wine cmd /c restore.cmd {arguments}");
    let out = Command::new("bash")
        .args(["-c", &line])
        .current_dir(set)
        .env("WINEPREFIX", prefix)
        .env("WINEDEBUG", "-all")
        .output()
        .unwrap();
    (String::from_utf8_lossy(&out.stdout).into_owned(), out.status.code().unwrap())
}

#[test]
fn restore_cmd_calls_lifeboat_and_passes_its_exit_code_on() {
    let compiler = "x86_64-w64-mingw32-gcc";
    need!("wine", "mingw");
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path().join("prefix");
    let target = dir.path().join("set (1) & more ^ !x!");
    std::fs::create_dir(&target).unwrap();
    let set = target.join(pack(&store(), &target, &options()).set);
    let run = |arguments, answer| run(&set, &prefix, arguments, answer);

    let (said, code) = run("/y", "");
    assert!(said.contains("lifeboat.exe was not found"), "{said}");
    assert_eq!(code, 1);

    std::fs::write(set.join("lifeboat.c"), PROGRAM).unwrap();
    sh(&set, &format!("{compiler} lifeboat.c -o lifeboat.exe"));
    let (said, code) = run("/y", "");
    assert!(said.contains("administrator"), "{said}");
    assert_eq!(code, 1);

    // What an administrator of Windows can read.
    let admin = r"wine reg add 'HKU\S-1-5-19' /f >/dev/null 2>&1";
    sh(&set, &format!("export WINEPREFIX='{}' WINEDEBUG=-all; {admin}", prefix.display()));
    for (wanted, words) in [(0, "Now, as administrator"), (3, "with losses"), (5, "exit code 5")] {
        std::fs::write(set.join("code.txt"), wanted.to_string()).unwrap();
        let (said, code) = run("/y", "");
        assert_eq!(code, wanted, "{said}");
        assert!(said.contains(words), "{said}");
        let called = said.lines().find(|line| line.starts_with("<restore>")).unwrap();
        assert!(called.trim_end().ends_with(r"\.><--to><C=C:\>"), "{called}");
        let folder = set.file_name().unwrap().to_str().unwrap();
        assert!(called.contains(&format!("set (1) & more ^ !x!\\{folder}")), "{called}");
        let command = said.contains(r"  loadstate C:\StateStore /hardlink /nocompress /i:");
        assert_eq!(command, wanted != 5, "{said}");
    }
    let (said, code) = run("", "n");
    assert_eq!((said.contains("Nothing was done"), code), (true, 6), "{said}");
    std::fs::write(set.join("code.txt"), "0").unwrap();
    assert_eq!(run("", "y").1, 0);
    std::fs::remove_file(set.join("rescue.json")).unwrap();
    assert_eq!(run("/y", "").1, 1);
    sh(&set, &format!("WINEPREFIX='{}' wineserver -k || true", prefix.display()));
}
