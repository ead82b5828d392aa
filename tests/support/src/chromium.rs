//! A headless Chromium that shows a page and tells what its console said and
//! what the page asked for. It reaches nobody: its proxy is a port at which
//! nobody listens.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{need, require};

/// How long a page may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// What came of showing a page.
pub struct Shown {
    /// What the browser printed on standard output: the DOM, if it was asked.
    pub stdout: String,
    /// Lines of the console.
    pub console: Vec<String>,
    /// What the page asked for, whether it got it or not. A browser asks its
    /// maker for things too, which is not the page's doing and not in here.
    pub requests: Vec<String>,
}

/// A Chromium with a profile of its own for every page.
pub struct Chromium {
    program: PathBuf,
}

impl Chromium {
    /// The one that is installed; `None` after saying that the test is skipped.
    pub fn find() -> Option<Self> {
        let program = need!("chromium", || require::program("chromium"));
        Some(Self { program })
    }

    /// Shows `page` with these further options.
    pub fn show(&self, page: &Path, options: &[&str]) -> Shown {
        let scratch = tempfile::tempdir().unwrap();
        let file = |name: &str| scratch.path().join(name);
        let mut child = Command::new(&self.program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"])
            .args(["--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync", "--disable-extensions"])
            .args(["--disable-dev-shm-usage", "--hide-scrollbars", "--enable-logging=stderr"])
            .args(["--proxy-server=127.0.0.1:1", "--proxy-bypass-list=<-loopback>"])
            .arg(format!("--user-data-dir={}", file("profile").display()))
            .arg(format!("--log-net-log={}", file("net.json").display()))
            .args(options)
            .arg(format!("file://{}", page.display()))
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(file("stdout")).unwrap())
            .stderr(std::fs::File::create(file("stderr")).unwrap())
            .spawn()
            .unwrap();
        let read = |name| {
            String::from_utf8_lossy(&std::fs::read(file(name)).unwrap_or_default()).into_owned()
        };
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                panic!("chromium did not end: {}", read("stderr"));
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let said = read("stderr");
        assert!(status.success(), "{status}: {said}");
        let console = said.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned);
        let requests = requests(&read("net.json"));
        Shown { stdout: read("stdout"), console: console.collect(), requests }
    }

    /// The DOM of `page` in a window of this width, after `script` has run in it.
    /// The page's policy would forbid that, so it is shown without one.
    pub fn measure(&self, page: &str, width: u32, script: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("page.html");
        let open = page.replacen("http-equiv=\"Content-Security-Policy\"", "name=\"none\"", 1);
        assert_ne!(open, page, "the page has a policy");
        let end = format!(
            "<pre id=\"measured\"></pre><script>document.getElementById('measured').textContent = (function () {{ {script} }})();</script></body>"
        );
        let open = open.replacen("</body>", &end, 1);
        std::fs::write(&file, open).unwrap();
        let size = format!("--window-size={width},900");
        let shown = self.show(&file, &["--dump-dom", &size]);
        let measured = shown.stdout.split("<pre id=\"measured\">").nth(1);
        let measured = measured.unwrap_or_else(|| panic!("{:?}", shown.console));
        measured.split("</pre>").next().unwrap().to_owned()
    }
}

/// The addresses that a page asked for: those with an origin behind them.
fn requests(log: &str) -> Vec<String> {
    let log: Value = serde_json::from_str(log).unwrap_or_else(|error| panic!("{error}: {log}"));
    let events = log["events"].as_array().unwrap();
    let asked = events.iter().map(|event| &event["params"]).filter_map(|params| {
        let from = params["initiator"].as_str()?;
        (from != "not an origin").then(|| params["url"].as_str().unwrap_or("?").to_owned())
    });
    asked.collect()
}

/// The colour of the first pixel of a PNG of 8 bits a channel.
pub fn first_pixel(png: &Path) -> [u8; 3] {
    let bytes = std::fs::read(png).unwrap();
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1A\n"), "{}", png.display());
    let (depth, colours) = (bytes[24], bytes[25]);
    assert!(depth == 8 && [2, 6].contains(&colours), "{depth} bits, type {colours}");
    let mut packed = Vec::new();
    let mut at = 8;
    while let Some(head) = bytes.get(at..at + 8) {
        let length = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
        if &head[4..] == b"IDAT" {
            packed.extend_from_slice(&bytes[at + 8..at + 8 + length]);
        }
        at += length + 12;
    }
    // One byte says how the row is filtered; with nothing before it the first
    // pixel is the same in every way.
    let mut start = [0; 4];
    let mut plain = flate2::read::ZlibDecoder::new(&packed[..]);
    std::io::Read::read_exact(&mut plain, &mut start).unwrap();
    [start[1], start[2], start[3]]
}
