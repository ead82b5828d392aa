//! The report of a rescue: in every set, made again from any, and looked at in a
//! real browser, on the screen and on paper.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lifeboat_maker::mount::{Mount, MountOptions};
use lifeboat_maker::volume::VolumeSpec;
use serde_json::Value;
use support::chromium::{Chromium, first_pixel};
use support::program::{Guarded, Run, lifeboat, sha256_of};
use support::{need, require};

/// Saves all stores of an image; the folder of the first set.
fn offload(image: &Path, dest: &Path, code: i32) -> (PathBuf, Run) {
    let args = ["offload", image.to_str().unwrap(), "--to", dest.to_str().unwrap(), "--json"];
    let run = lifeboat(&args).expect(code);
    (PathBuf::from(run.events("set")[0]["set"].as_str().unwrap()), run)
}

fn page_of(set: &Path) -> String {
    fs::read_to_string(set.join("report.html")).unwrap()
}

fn rescue_of(set: &Path) -> Value {
    serde_json::from_slice(&fs::read(set.join("rescue.json")).unwrap()).unwrap()
}

/// `1,234`.
fn number(n: &Value) -> String {
    let digits = n.as_u64().unwrap().to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[test]
fn every_set_has_a_report_that_lists_its_losses_and_the_sums_cover_it() {
    let image = Guarded::fixture("facts");
    let dir = tempfile::tempdir().unwrap();
    let (set, run) = offload(image.path(), dir.path(), 3);
    let losses = run.events("loss");
    assert!(!losses.is_empty());
    let (page, rescue) = (page_of(&set), rescue_of(&set));
    let words = if losses.len() == 1 { "loss" } else { "losses" };
    assert!(page.contains(&format!("Saved, with {} {words}", losses.len())), "{page}");
    assert!(page.contains("verdict warn") && !page.contains("verdict good"));
    for loss in &losses {
        let path = loss["path"].as_str().unwrap();
        assert!(page.contains(&format!("<td class=\"path\"><bdi>{path}</bdi>")), "{path}");
    }
    let found = lifeboat(&["detect", image.arg(), "--json"]).expect(0);
    for user in found.events("store")[0]["users"].as_array().unwrap() {
        let name = user["name"].as_str().unwrap();
        assert!(page.contains(&format!("<b><bdi>{name}</bdi></b>")), "{name}");
    }
    let totals = &rescue["totals"];
    for told in [&totals["files"], &totals["directories"]] {
        assert!(page.contains(&format!("<b>{}</b>", number(told))), "{told}");
    }
    let files = rescue["files"].as_array().unwrap();
    let listed = files.iter().find(|file| file["name"] == "report.html").unwrap();
    assert_eq!(listed["sha256"], sha256_of(&set.join("report.html")).as_str());
    let sums = fs::read_to_string(set.join("SHA256SUMS")).unwrap();
    assert!(sums.contains(" *report.html\n"), "{sums}");
    let manifest = sha256_of(&set.join("manifest.jsonl.zst"));
    assert!(page.matches(&manifest).count() == 2, "the hash, and in the list of files");
    let whole = lifeboat(&["verify", set.to_str().unwrap(), "--level", "full", "--json"]).expect(3);
    assert_eq!(whole.events("verdict")[0]["damage"], 0, "{}", whole.stdout);
    // Timings: all stages, and not in any set before they are over.
    let timings = &rescue["timings"];
    assert_eq!(timings["resumed"], false);
    for stage in ["plan_ms", "copy_ms", "read_back_ms"] {
        assert!(timings[stage].as_u64().is_some(), "{timings}");
    }
    assert!(timings["ended"].as_str().unwrap() >= rescue["created"].as_str().unwrap());
}

#[test]
fn a_sound_store_is_green_and_one_without_its_second_part_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let sound = Guarded::fixture("hardlink-two");
    let page = page_of(&offload(sound.path(), dir.path(), 0).0);
    assert!(page.contains("verdict good") && page.contains("Everything was saved"));
    assert!(page.contains("<bdi>D:\\") && page.contains("loadstate C:\\"), "{page}");
    let dir = tempfile::tempdir().unwrap();
    let alone = Guarded::fixture("primary-alone");
    let (set, _) = offload(alone.path(), dir.path(), 3);
    let page = page_of(&set);
    assert!(page.contains("verdict warn") && page.contains("was not found"), "{page}");
    assert_eq!(rescue_of(&set)["lacks"].as_array().unwrap().len(), 1);
}

#[test]
fn made_again_it_is_the_same_and_nothing_is_written_over() {
    let image = Guarded::fixture("hardlink-two");
    let dir = tempfile::tempdir().unwrap();
    let (set, _) = offload(image.path(), dir.path(), 0);
    let (set_arg, to) = (set.to_str().unwrap(), dir.path().join("again.html"));
    let to_arg = to.to_str().unwrap();
    let run = lifeboat(&["report", set_arg, "--to", to_arg, "--json"]).expect(0);
    assert_eq!(fs::read_to_string(&to).unwrap(), page_of(&set));
    let event = &run.events("report")[0];
    assert_eq!(event["sha256"], sha256_of(&to).as_str());
    assert_eq!(event["file"], to_arg);
    assert_eq!(event["bytes"], fs::metadata(&to).unwrap().len());
    // Not even by itself.
    fs::write(&to, "precious").unwrap();
    let refused = lifeboat(&["report", set_arg, "--to", to_arg]).expect(5);
    assert!(refused.stderr.contains("already exists"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(&to).unwrap(), "precious");
    let nowhere = dir.path().join("no/such/folder.html");
    lifeboat(&["report", set_arg, "--to", nowhere.to_str().unwrap()]).expect(5);
    // A set of a program that made no reports.
    fs::remove_file(set.join("report.html")).unwrap();
    let mut rescue = rescue_of(&set);
    rescue.as_object_mut().unwrap().remove("timings");
    rescue["files"].as_array_mut().unwrap().retain(|file| file["name"] != "report.html");
    fs::write(set.join("rescue.json"), serde_json::to_vec(&rescue).unwrap()).unwrap();
    let old = dir.path().join("old.html");
    lifeboat(&["report", set_arg, "--to", old.to_str().unwrap()]).expect(0);
    let page = fs::read_to_string(&old).unwrap();
    assert!(page.contains("does not say how long it took") && page.contains("<bdi>alice</bdi>"));
}

#[test]
fn what_can_be_read_of_a_damaged_manifest_is_listed_with_a_warning() {
    let image = Guarded::fixture("hardlink-one");
    let dir = tempfile::tempdir().unwrap();
    let (set, _) = offload(image.path(), dir.path(), 0);
    let manifest = set.join("manifest.jsonl.zst");
    let mut bytes = fs::read(&manifest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(&manifest, bytes).unwrap();
    let to = dir.path().join("report.html");
    lifeboat(&["report", set.to_str().unwrap(), "--to", to.to_str().unwrap()]).expect(3);
    let page = fs::read_to_string(&to).unwrap();
    assert!(page.contains("verdict warn") && page.contains("The list of this set is damaged"));
}

/// A store whose users and files have names that want to be more.
fn hostile_set(dir: &Path) -> Option<PathBuf> {
    need!("fuse");
    let image = dir.join("disk.img");
    VolumeSpec::new("<i>\"C\"", 32 << 20).format(&image).unwrap();
    let mount = Mount::new(&image, MountOptions::default()).unwrap();
    let usmt = mount.path().join("StateStore/USMT");
    fs::create_dir_all(usmt.join("File/C$/Users")).unwrap();
    for name in ["catalog.mig", "MIGSTATE.DAT", "hardlink.main", "status.~lg"] {
        fs::write(usmt.join(name), "C\t{0b5c8c5e-0000-4000-8000-000000000000}\r\n").unwrap();
    }
    for name in [
        "<script>document.title='owned'<\u{2044}script>",
        "\"><img src=x onerror=document.title='owned'>",
        "'\"`& &lt;b&gt;",
        "\u{202E}txt.exe",
        "مرحبا",
        &"long".repeat(60),
    ] {
        let home = usmt.join("File/C$/Users").join(name).join("Documents");
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join(format!("{name}.docx").replace("longlonglong", "l")), name.repeat(99))
            .unwrap();
    }
    mount.unmount().unwrap();
    let image = Guarded::new(image);
    Some(offload(image.path(), &dir.join("sets"), 0).0)
}

#[test]
fn in_a_browser_it_renders_without_an_error_and_requests_nothing() {
    let browser = need!(Chromium::find());
    let dir = tempfile::tempdir().unwrap();
    let image = Guarded::fixture("facts");
    let mut pages = vec![offload(image.path(), &dir.path().join("sets"), 3).0];
    pages.extend(hostile_set(dir.path()));
    for set in &pages {
        let shown = browser.show(&set.join("report.html"), &["--dump-dom"]);
        assert_eq!(shown.console, [""; 0], "{}", set.display());
        assert_eq!(shown.requests, [""; 0], "{}", set.display());
        assert!(shown.stdout.contains("<h2>How to restore</h2>"), "{}", shown.stdout);
        assert!(shown.stdout.trim_end().ends_with("</html>"));
        // What the browser made of it has no element that is not ours.
        for bad in ["<script", "<img", "owned</title>"] {
            assert!(!shown.stdout.contains(bad), "{bad}");
        }
    }
    // Were there anything to say or to ask for, it would be seen.
    let page = page_of(&pages[0]).replacen("<main>", "<main><p style=\"color:red\">x</p>", 1);
    let bad = dir.path().join("bad.html");
    fs::write(&bad, page).unwrap();
    let shown = browser.show(&bad, &["--dump-dom"]);
    assert!(shown.console.iter().any(|line| line.contains("style")), "{:?}", shown.console);
    let canary = "<!DOCTYPE html><img src=\"http://canary.invalid/a.png\">";
    fs::write(&bad, canary).unwrap();
    let shown = browser.show(&bad, &["--dump-dom"]);
    assert!(
        shown.requests.iter().any(|line| line.contains("canary.invalid")),
        "{:?}",
        shown.requests
    );
    // And the page's policy holds it back.
    let page = page_of(&pages[0]).replacen("<main>", &format!("<main>{}", &canary[15..]), 1);
    fs::write(&bad, page).unwrap();
    let shown = browser.show(&bad, &["--dump-dom"]);
    assert_eq!(shown.requests, [""; 0]);
}

/// What has no place on the page: wider than it, or outside of its picture.
const MEASURE: &str = "
    var wide = document.documentElement.scrollWidth - window.innerWidth, bad = [], seen = 0;
    Array.prototype.forEach.call(document.querySelectorAll('.map'), function (map) {
        var m = map.getBoundingClientRect();
        Array.prototype.forEach.call(map.children, function (tile) {
            var t = tile.getBoundingClientRect();
            seen += 1;
            if (t.left < m.left - 1 || t.right > m.right + 1 || t.top < m.top - 1 ||
                t.bottom > m.bottom + 1 || t.width < 0.5 || t.height < 0.5) {
                bad.push(tile.title + ' ' + [t.left, t.top, t.width, t.height].join());
            }
        });
    });
    var bars = Array.prototype.filter.call(document.querySelectorAll('.bar'), function (bar) {
        return bar.getBoundingClientRect().width < 1;
    }).length;
    return 'wide ' + Math.max(0, wide) + ', tiles ' + (seen > 0) + ', bars ' + bars + ', bad ' + bad.join('; ');";

#[test]
fn it_fits_wide_and_narrow_windows_whatever_the_names() {
    let browser = need!(Chromium::find());
    let dir = tempfile::tempdir().unwrap();
    let image = Guarded::fixture("facts");
    let mut sets = vec![offload(image.path(), &dir.path().join("sets"), 3).0];
    sets.extend(hostile_set(dir.path()));
    for set in sets {
        for width in [1280, 700, 400] {
            let measured = browser.measure(&page_of(&set), width, MEASURE);
            let fits = "wide 0, tiles true, bars 0, bad ";
            assert_eq!(measured, fits, "{} at {width}", set.display());
        }
    }
}

#[test]
fn it_is_dark_where_the_system_is() {
    let browser = need!(Chromium::find());
    let dir = tempfile::tempdir().unwrap();
    let image = Guarded::fixture("hardlink-one");
    let page = offload(image.path(), &dir.path().join("sets"), 0).0.join("report.html");
    for (scheme, colour) in [(1, [0xFF, 0xFF, 0xFF]), (0, [0x15, 0x19, 0x1F])] {
        let shot = dir.path().join(format!("{scheme}.png"));
        let shot_option = format!("--screenshot={}", shot.display());
        let scheme = format!("--blink-settings=preferredColorScheme={scheme}");
        browser.show(&page, &["--window-size=800,600", &scheme, &shot_option]);
        assert_eq!(first_pixel(&shot), colour, "{scheme}");
    }
}

#[test]
fn on_paper_it_says_the_same() {
    let browser = need!(Chromium::find());
    let pdftotext = need!("pdftotext", || require::program("pdftotext"));
    let dir = tempfile::tempdir().unwrap();
    let image = Guarded::fixture("facts");
    let (set, run) = offload(image.path(), &dir.path().join("sets"), 3);
    let pdf = dir.path().join("report.pdf");
    let print = format!("--print-to-pdf={}", pdf.display());
    // On dark screens, too, paper is white: black ink on a dark page is not read.
    let dark = "--blink-settings=preferredColorScheme=0";
    let shown = browser.show(&set.join("report.html"), &[&print, "--no-pdf-header-footer", dark]);
    assert_eq!(shown.console, [""; 0]);
    let text = Command::new(pdftotext).arg("-raw").arg(&pdf).arg("-").output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    for said in ["Whose files", "By folder", "By kind of file", "What was lost", "How to restore"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let losses = run.events("loss").len();
    assert!(text.contains(&format!("Saved, with {losses} loss")), "{text}");
    let manifest = sha256_of(&set.join("manifest.jsonl.zst"));
    assert!(text.replace(' ', "").contains(&manifest), "{text}");
    let pages = fs::read(&pdf).unwrap();
    assert!(pages.starts_with(b"%PDF"));
}
