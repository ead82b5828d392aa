//! Runs the real program, and proves with every run that the source was not
//! written to.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The program. Cargo and nextest say where it is; a test that is started by itself
/// lies in a folder beside it.
pub fn path() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        std::env::var("CARGO_BIN_EXE_lifeboat").unwrap_or_else(|_| {
            let test = std::env::current_exe().unwrap();
            let folder = test.ancestors().nth(2).unwrap();
            let program = folder.join("lifeboat").with_extension(std::env::consts::EXE_EXTENSION);
            program.into_os_string().into_string().unwrap()
        })
    })
}

/// What a run printed and how it ended.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// The JSON events of one type.
    pub fn events(&self, message_type: &str) -> Vec<Value> {
        self.all_events().into_iter().filter(|e| e["message_type"] == message_type).collect()
    }

    /// All JSON events: every line must be one.
    pub fn all_events(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// Fails with all that was printed unless the exit code is `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// Runs `lifeboat` with `args`.
pub fn lifeboat<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Run {
    lifeboat_with(args, &[])
}

/// Runs `lifeboat` with `args` and environment variables.
pub fn lifeboat_with<S: AsRef<std::ffi::OsStr>>(args: &[S], env: &[(&str, &str)]) -> Run {
    let output = Command::new(path())
        .args(args)
        .env_remove("LIFEBOAT_PASSWORD")
        .envs(env.iter().copied())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A source image whose hash is taken now and compared when this is dropped.
pub struct Guarded {
    path: PathBuf,
    hash: String,
}

impl Guarded {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let hash = sha256_of(&path);
        Self { path, hash }
    }

    /// The committed fixture called `name`.
    #[cfg(target_os = "linux")]
    pub fn fixture(name: &str) -> Self {
        Self::new(lifeboat_maker::fixture(name).unwrap())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn arg(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(sha256_of(&self.path), self.hash, "{} was written to", self.path.display());
        }
    }
}

/// SHA-256 of a file, in hex.
pub fn sha256_of(path: &Path) -> String {
    let mut file = std::fs::File::open(path).unwrap();
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut HashWriter(&mut hash)).unwrap();
    hex(&hash.finalize())
}

/// Bytes in hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.0.update(buf);
        Ok(buf.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What `check` ends with at a sound destination: 3 where this machine has a disk that is closed
/// even to root.
pub fn exit_of_check() -> i32 {
    let is_disk = |name: &str| {
        let size = std::fs::read_to_string(format!("/sys/block/{name}/size")).unwrap_or_default();
        let memory = ["ram", "zram", "fd", "mtdblock"].iter().any(|m| name.starts_with(m));
        !memory && size.trim().parse().is_ok_and(|sectors: u64| sectors > 0)
    };
    let disks = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let names = disks.filter_map(|disk| disk.file_name().into_string().ok());
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let is_closed = |name: String| match File::open(format!("/dev/{name}")) {
        Ok(_) => false,
        Err(error) => is_root || error.kind() != std::io::ErrorKind::PermissionDenied,
    };
    if names.filter(|name| is_disk(name)).any(is_closed) { 3 } else { 0 }
}
