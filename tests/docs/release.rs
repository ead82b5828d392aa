//! The zip that is handed out holds what it should, is the same bytes each time, and
//! says truly what is in it. With any file for a program: `scripts/release.sh
//! --check` builds the real ones, twice.
#![cfg(target_os = "linux")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{need, program, root};

fn has_extension(file: &str, extension: &str) -> bool {
    Path::new(file).extension().is_some_and(|e| e == extension)
}

/// A release in a folder, with the zip unpacked beside it.
struct Release {
    _dir: tempfile::TempDir,
    zip: Vec<u8>,
    folder: PathBuf,
    said: String,
}

/// The architectures, their numbers in a program, and how a compiler's target begins.
const ARCHES: [(&str, u16, &str); 3] =
    [("x64", 0x8664, "x86_64"), ("x86", 0x014C, "i686"), ("arm64", 0xAA64, "aarch64")];

/// The least that is a program for Windows, with a version, and does nothing.
fn program_for(machine: u16, version: &str) -> Vec<u8> {
    let mut bytes = vec![0; 64 + 24 + 224];
    bytes[..2].copy_from_slice(b"MZ");
    bytes[0x3C] = 64;
    bytes[64..68].copy_from_slice(b"PE\0\0");
    bytes[68..70].copy_from_slice(&machine.to_le_bytes());
    bytes[84] = 224; // the size of the optional header
    bytes[88..90].copy_from_slice(&0x010B_u16.to_le_bytes());
    let text = format!("FileVersion\0\0{version}\0");
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    bytes
}

impl Release {
    /// `None` where a program is missing that packs.
    fn new(umask: &str, zone: &str) -> Option<Self> {
        need!("python3", "git", "mingw");
        let dir = tempfile::tempdir().unwrap();
        let mut exes = String::new();
        for (arch, machine, _target) in ARCHES {
            let folder = dir.path().join(arch);
            fs::create_dir(&folder).unwrap();
            let exe = folder.join("any.exe");
            fs::write(&exe, program_for(machine, env!("CARGO_PKG_VERSION"))).unwrap();
            fs::write(folder.join("lifeboat-selftest.exe"), program_for(machine, "")).unwrap();
            write!(exes, " --exe {arch}={}", exe.display()).unwrap();
        }
        let out = dir.path().join("out");
        let script = root().join("scripts/release.sh");
        let line =
            format!("umask {umask} && '{}' {exes} --out {}", script.display(), out.display());
        let done = Command::new("bash").args(["-c", &line]).env("TZ", zone).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        let name = format!("lifeboat-{}", env!("CARGO_PKG_VERSION"));
        let zip = out.join(format!("{name}.zip"));
        let unpack = ["-m", "zipfile", "-e"];
        let unpacked = Command::new("python3").args(unpack).args([&zip, &out]).status().unwrap();
        assert!(unpacked.success());
        let zip = fs::read(zip).unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        Some(Self { zip, folder: out.join(name), said, _dir: dir })
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Every file, by its path in the zip's folder.
    fn files(&self) -> BTreeSet<String> {
        let walk = walkdir::WalkDir::new(&self.folder).into_iter().map(Result::unwrap);
        let files = walk.filter(|entry| entry.file_type().is_file());
        files
            .map(|f| f.path().strip_prefix(&self.folder).unwrap().to_str().unwrap().to_owned())
            .collect()
    }
}

/// One test, since packing takes seconds.
#[test]
fn a_release_is_the_same_bytes_each_time_and_holds_what_is_promised() {
    let one = need!(Release::new("022", "UTC"));
    let two = need!(Release::new("077", "Pacific/Auckland"));
    assert!(one.zip == two.zip, "two packings differ");
    assert!(!one.said.contains("NO PROGRAM"), "{}", one.said);
    // What is not released yet is not in a release.
    let changes = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let unreleased = changes.split("\n## [").find(|part| part.starts_with("Unreleased]")).unwrap();
    assert_eq!(one.said.contains("[Unreleased]"), unreleased.contains("\n- "), "{}", one.said);
    everything_that_is_promised_is_in_it(&one);
    the_list_of_parts_is_what_cargo_lock_says(&one);
}

fn everything_that_is_promised_is_in_it(release: &Release) {
    let files = release.files();
    for wanted in [
        "README.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "THIRD-PARTY.txt",
        "SHA256SUMS",
        "sbom.cdx.json",
        "x64/lifeboat.exe",
        "x86/lifeboat.exe",
        "x64/lifeboat-selftest.exe",
        "x86/lifeboat-selftest.exe",
        "arm64/lifeboat.exe",
        "arm64/lifeboat-selftest.exe",
        "scripts/windows/usmt.ps1",
        "docs/reference/commands.md",
        "docs/run.svg",
        "docs/man/lifeboat-offload.1",
        "docs/completions/lifeboat.ps1",
        "pe-build/build.cmd",
        "pe-build/inject.sh",
        "pe-build/image/Lifeboat/start.cmd",
        "scripts/lib.sh",
        "scripts/task-sequence/rescue.cmd",
        "scripts/task-sequence/variables.vbs",
    ] {
        assert!(files.contains(wanted), "{wanted} is missing: {files:#?}");
    }
    let mut check = Command::new("sha256sum");
    let check = check.args(["--quiet", "-c", "SHA256SUMS"]).current_dir(&release.folder);
    assert!(check.status().unwrap().success());
    assert_eq!(release.text("SHA256SUMS").lines().count(), files.len() - 1);
    for file in files.iter().filter(|file| has_extension(file, "cmd")) {
        let text = release.text(file);
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "{file}");
    }
    // What the documents point to came along.
    for file in files.iter().filter(|file| has_extension(file, "md")) {
        for link in
            release.text(file).split("](").skip(1).filter_map(|l| l.split([')', '#']).next())
        {
            let target = release.folder.join(file).parent().unwrap().join(link);
            assert!(link.contains("://") || target.exists(), "{file}: {link}");
        }
    }
}

/// The crates of Cargo.lock: name and version to the checksum.
fn locked() -> BTreeMap<(String, String), String> {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let lock: Value = serde_json::to_value(toml::from_str::<toml::Table>(&lock).unwrap()).unwrap();
    let text = |of: &Value, key: &str| of[key].as_str().unwrap_or_default().to_owned();
    let packages = lock["package"].as_array().unwrap();
    packages.iter().map(|p| ((text(p, "name"), text(p, "version")), text(p, "checksum"))).collect()
}

fn the_list_of_parts_is_what_cargo_lock_says(release: &Release) {
    let bom: Value = serde_json::from_str(&release.text("sbom.cdx.json")).unwrap();
    assert_eq!((&bom["bomFormat"], &bom["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    assert!(bom["serialNumber"].as_str().unwrap().starts_with("urn:uuid:"));
    let programs = bom["metadata"]["component"]["components"].as_array().unwrap();
    assert_eq!(programs.len(), 6);
    for program in programs {
        let name = program["name"].as_str().unwrap();
        let (file, target) = name.split_once(" (").unwrap();
        let (arch, ..) = ARCHES.into_iter().find(|(.., start)| target.starts_with(start)).unwrap();
        let file = release.folder.join(arch).join(file);
        assert_eq!(program["hashes"][0]["content"], program::sha256_of(&file));
    }

    let locked = locked();
    let notices = release.text("THIRD-PARTY.txt");
    let mut refs = BTreeSet::from([format!("pkg:cargo/lifeboat@{}", env!("CARGO_PKG_VERSION"))]);
    let mut linked = BTreeSet::new();
    let mut building = BTreeSet::new();
    for part in bom["components"].as_array().unwrap() {
        let text = |key: &str| part[key].as_str().unwrap().to_owned();
        let (name, version) = (text("name"), text("version"));
        assert!(refs.insert(text("bom-ref")), "{name} stands there twice");
        let licence = part["licenses"][0]["expression"].as_str().unwrap();
        assert!(!licence.is_empty() && !licence.contains('/'), "{name}: {licence}");
        if text("purl").starts_with("pkg:cargo/") {
            let checksum = &locked[&(name.clone(), version.clone())];
            assert_eq!(part["hashes"][0]["content"], checksum.as_str(), "{name}");
        }
        if text("scope") == "required" {
            assert!(notices.contains(&format!("{name} {version}: {licence}")), "{name}");
            linked.insert(name);
        } else {
            building.insert(name);
        }
    }
    for ours in ["clap", "zstd", "zstd-sys", "windows-sys", "tar", "rust-std", "mingw-w64"] {
        assert!(linked.contains(ours), "{ours}: {linked:?}");
    }
    for only_builds in ["cc", "embed-resource", "serde_derive", "thiserror-impl"] {
        assert!(building.contains(only_builds), "{only_builds}: {building:?}");
    }
    // The list is lifeboat's; what the other program has is a part of it.
    let selftest = fs::read_to_string(root().join("selftest/Cargo.toml")).unwrap();
    let selftest: toml::Table = toml::from_str(&selftest).unwrap();
    let windows = &selftest["target"]["cfg(windows)"]["dependencies"];
    for table in [&selftest["dependencies"], windows] {
        for name in table.as_table().unwrap().keys() {
            assert!(linked.contains(name), "{name} is in no list of parts");
        }
    }
    for never in ["pavao", "rustix", "proptest", "boon", "clap_mangen", "ntfs"] {
        assert!(!linked.contains(never) && !building.contains(never), "{never} is for others");
    }
    for of in bom["dependencies"].as_array().unwrap() {
        let uses = of["dependsOn"].as_array().unwrap().iter().chain([&of["ref"]]);
        for one in uses {
            assert!(refs.contains(one.as_str().unwrap()), "{one} is no part");
        }
    }
}

/// A file of another kind is not packed because its name is right.
#[test]
fn a_program_for_another_pc_is_not_packed() {
    need!("python3", "git");
    let dir = tempfile::tempdir().unwrap();
    let exe = dir.path().join("lifeboat.exe");
    let selftest = dir.path().join("lifeboat-selftest.exe");
    let version = env!("CARGO_PKG_VERSION");
    let good = program_for(0xAA64, version);
    for (program, other, why) in [
        (b"MZ, and no program".to_vec(), good.clone(), "is cut short"),
        (b"a text".to_vec(), good.clone(), "this is not a Windows program"),
        (program_for(0x8664, version), good.clone(), "this is a program for x64, not for arm64"),
        (program_for(0xAA64, "0.0.9"), good.clone(), "its version is 0.0.9"),
        (good, program_for(0x014C, ""), "this is a program for x86, not for arm64"),
    ] {
        fs::write(&exe, program).unwrap();
        fs::write(&selftest, other).unwrap();
        let named = format!("arm64={}", exe.display());
        let mut release = Command::new(root().join("scripts/release.sh"));
        let done = release.args(["--exe", &named, "--out"]).arg(dir.path()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said.contains(why), "{why}: {said}");
        assert!(!dir.path().join("SHA256SUMS").exists());
    }
}

/// What is to be signed is packed only once it is.
#[test]
fn only_signed_programs_are_packed_as_signed() {
    need!("python3", "git", "mingw", "openssl", "osslsigncode");
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let shell = |line: &str| {
        let done =
            Command::new("bash").args(["-ec", line]).current_dir(dir.path()).output().unwrap();
        assert!(done.status.success(), "{line}: {done:?}");
    };
    let release = |args: &[&str]| {
        Command::new(root().join("scripts/release.sh")).args(args).output().unwrap()
    };
    let version = env!("CARGO_PKG_VERSION");
    let source = format!(
        "int main(int n, char **a) {{ return *((const short *)L\"FileVersion\\0\" L\"{version}\" + n); }}"
    );
    fs::write(path("m.c"), source).unwrap();
    shell(
        "mkdir x && x86_64-w64-mingw32-gcc -s m.c -o x/lifeboat.exe && cp x/lifeboat.exe x/lifeboat-selftest.exe",
    );
    let exe = format!("x64={}", path("x/lifeboat.exe").display());
    let out = path("out");
    let out = out.to_str().unwrap();
    let done = release(&["--exe", &exe, "--to-sign", "--out", out]);
    assert!(done.status.success(), "{done:?}");
    let to_sign = path("out/to-sign");
    let to_sign = to_sign.to_str().unwrap();
    let refused = release(&["--signed", to_sign, "--out", out]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("it is not signed"), "{said}");
    assert!(!path("out/SHA256SUMS").exists());
    shell(
        "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=test -days 2 -keyout k.pem -out c.pem 2>/dev/null
         for file in out/to-sign/x64/*.exe; do
             osslsigncode sign -certs c.pem -key k.pem -in $file -out signed.exe >/dev/null
             mv signed.exe $file
         done",
    );
    let done = release(&["--signed", to_sign, "--out", out]);
    assert!(done.status.success(), "{done:?}");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    for missing in ["x86", "arm64"] {
        assert!(said.contains(&format!("NO PROGRAM for {missing} is in this zip")), "{said}");
    }
    shell("cd out && sha256sum -c --quiet SHA256SUMS");
}
