//! `lifeboat.exe` opens BitLocker volumes by itself: under Wine, as on a boot image without
//! `manage-bde`, an encrypted image is one like any other, with the same stores and bytes in it.
//! (Wine's drives tell their length by an NTFS boot sector alone, so images stand for them.)
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};

use lifeboat_maker::bitlocker::{Cipher, PASSWORD, Protector, RECOVERY, Wrap, wrap};
use serde_json::Value;
use support::program::{Guarded, lifeboat, sha256_of};
use support::wine::{self, Ran, Wine};
use support::{exe, need, text, unpack};
use tempfile::TempDir;

/// A key that is for no volume here.
const WRONG: &str = "000011-000022-000033-000044-000055-000066-000077-000088";

struct Windows {
    wine: Wine,
    exe: PathBuf,
    /// SHA-256 of the store as the plain image gives it.
    store: String,
    dir: TempDir,
}

/// Level of its own: `auto` goes by the speed of the moment.
const LEVEL: [&str; 2] = ["--level", "3"];

impl Windows {
    fn new() -> Option<Self> {
        let exe = need!("lifeboat.exe", exe::find);
        let wine = need!("wine", wine::find);
        let dir = tempfile::tempdir().unwrap();
        let plain = lifeboat_maker::fixture("hardlink-one").unwrap();
        let to = dir.path().join("plain");
        lifeboat(&[&["offload", text(&plain), "--to", text(&to)][..], &LEVEL].concat()).expect(0);
        let store = store_in(&to);
        Some(Self { wine, exe, store, dir })
    }

    fn volume(&self, how: &Wrap) -> Guarded {
        let plain = fs::read(lifeboat_maker::fixture("hardlink-one").unwrap()).unwrap();
        let made = wrap(&plain, how).unwrap();
        let image = self.dir.path().join("disk.img");
        fs::write(&image, made.image).unwrap();
        fs::create_dir_all(self.dir.path().join("stick")).unwrap();
        fs::write(self.dir.path().join("stick/Key.bek"), &made.bek[0]).unwrap();
        Guarded::new(image)
    }

    /// A file of the scratch folder, as the exe calls it.
    fn file(&self, name: &str, content: &str) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        Wine::path(&path)
    }

    fn ends(&self, code: i32, args: &[&str]) -> Ran {
        let ran = self.wine.run(&self.exe, args);
        assert_eq!(ran.code, code, "{args:?}\n{}\n{}", ran.stdout, ran.stderr);
        ran
    }

    /// Finds the store and saves it: the same bytes as from the plain image.
    fn opens(&self, image: &Guarded, by: &str, options: &[&str]) {
        let image = Wine::path(image.path());
        let ran = self.ends(0, &[&["detect", &image, "--json"], options].concat());
        let events: Vec<Value> =
            ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of =
            |kind: &str| events.iter().filter(|e| e["message_type"] == *kind).collect::<Vec<_>>();
        assert_eq!(of("volume")[0]["bitlocker"]["unlocked_by"], by, "{}", ran.stdout);
        assert_eq!(of("store").len(), 1);
        let to = self.dir.path().join("to");
        let there = Wine::path(&to);
        self.ends(0, &[&["offload", &image, "--to", &there], &LEVEL[..], options].concat());
        assert_eq!(store_in(&to), self.store, "{by}");
        fs::remove_dir_all(&to).unwrap();
    }
}

fn store_in(folder: &Path) -> String {
    let sets = unpack::sets_in(folder);
    assert_eq!(sets.len(), 1, "{sets:?}");
    sha256_of(&sets[0].join("store.tar.zst"))
}

fn recovery() -> Protector {
    Protector::Recovery(RECOVERY.to_owned())
}

#[test]
fn the_exe_opens_a_suspended_volume() {
    let windows = need!(Windows::new());
    for cipher in [Cipher::XtsAes128, Cipher::ElephantAes128] {
        let how = Wrap::new(cipher).opened_by(&[Protector::Tpm, recovery(), Protector::Clear]);
        windows.opens(&windows.volume(&how), "clear-key", &[]);
    }
}

#[test]
fn the_exe_opens_a_locked_volume_by_the_key_that_it_is_given() {
    let windows = need!(Windows::new());
    let password = Protector::Password(PASSWORD.to_owned());
    let all = [Protector::Tpm, recovery(), password, Protector::Startup];
    let image = windows.volume(&Wrap::new(Cipher::XtsAes256).opened_by(&all));
    let export = format!("PC-1;{WRONG}\r\nPC-2;{RECOVERY}\r\n");
    let keys = windows.file("keys.csv", &export);
    windows.opens(&image, "recovery-key", &["--recovery-key-file", &keys]);
    let file = windows.file("password.txt", &format!("\u{feff}{PASSWORD}\r\n"));
    windows.opens(&image, "password", &["--bitlocker-password-file", &file]);
    let stick = Wine::path(&windows.dir.path().join("stick"));
    windows.opens(&image, "startup-key", &["--bitlocker-keys", &stick]);
}

#[test]
fn without_the_right_key_the_exe_says_which_one_it_needs() {
    let windows = need!(Windows::new());
    let image =
        windows.volume(&Wrap::new(Cipher::XtsAes128).opened_by(&[Protector::Tpm, recovery()]));
    let path = Wine::path(image.path());
    let id = u32::from_le_bytes(recovery().id()[..4].try_into().unwrap());
    let id = format!("Key ID {id:08X}");
    // Closed, as any volume that is.
    let ran = windows.ends(7, &["detect", &path]);
    assert!(ran.stdout.contains(&id), "{}\n{}", ran.stdout, ran.stderr);

    let wrong = windows.file("wrong.txt", WRONG);
    let to = Wine::path(&windows.dir.path().join("to"));
    for args in [&["detect", &path][..], &["offload", &path, "--to", &to]] {
        let ran = windows.ends(1, &[args, &["--recovery-key-file", &wrong]].concat());
        let lines: Vec<_> = ran.stderr.lines().collect();
        assert!(
            matches!(lines[..], [what, fix]
            if what.contains("no key that was given") && fix.contains(&id[7..])),
            "{lines:?}"
        );
        assert!(!ran.stderr.contains("000011") && ran.stdout.is_empty(), "{}", ran.stdout);
    }
}
