//! `lifeboat sets`, `check` and `offload --dry-run`: what there is on a share, and what would be.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::program::{Guarded, Run, exit_of_check, lifeboat, lifeboat_with};

/// A folder with the set of a fixture; its name.
pub(crate) fn with_set(fixture: &str, code: i32, more: &[&str]) -> (tempfile::TempDir, String) {
    let dest = tempfile::tempdir().unwrap();
    let name = save(fixture, dest.path(), code, more);
    (dest, name)
}

/// Saves a fixture; the name of the set.
pub(crate) fn save(fixture: &str, dest: &Path, code: i32, more: &[&str]) -> String {
    let image = Guarded::fixture(fixture);
    let args = ["offload", image.arg(), "--to", dest.to_str().unwrap(), "--json"];
    let run = lifeboat(&[&args, more].concat()).expect(code);
    run.events("set")[0]["name"].as_str().unwrap().to_owned()
}

pub(crate) fn list(dest: &Path, code: i32, more: &[&str]) -> Run {
    lifeboat(&[&["sets", dest.to_str().unwrap(), "--json"], more].concat()).expect(code)
}

/// The sets by their names.
pub(crate) fn states(run: &Run) -> Vec<(String, String)> {
    let text = |set: &Value, field: &str| set[field].as_str().unwrap().to_owned();
    run.events("rescue-set").iter().map(|set| (text(set, "name"), text(set, "state"))).collect()
}

/// A set that looks whole, without the work of making one: `PC-7-...`.
pub(crate) fn made(dest: &Path, like: &Path, computer: &str, created: &str, id: &str) -> PathBuf {
    let compact: String = created.chars().filter(char::is_ascii_alphanumeric).collect();
    let folder = dest.join(format!("{computer}-{compact}-{id}"));
    fs::create_dir_all(&folder).unwrap();
    for file in fs::read_dir(like).unwrap() {
        let file = file.unwrap().path();
        fs::copy(&file, folder.join(file.file_name().unwrap())).unwrap();
    }
    let mut rescue: Value =
        serde_json::from_slice(&fs::read(like.join("rescue.json")).unwrap()).unwrap();
    rescue["set"] = json!(id);
    rescue["created"] = json!(created);
    rescue["machine"] = json!({"name": computer});
    fs::write(folder.join("rescue.json"), rescue.to_string()).unwrap();
    let users = json!({"format": 1, "set": id, "users": [{"name": "alice"}, {"name": computer}]});
    fs::write(folder.join("users.json"), users.to_string()).unwrap();
    folder
}

#[test]
fn computers_users_and_states_are_listed_from_any_depth_and_links_are_not_followed() {
    let (dest, name) = with_set("hardlink-two", 0, &[]);
    let set = dest.path().join(&name);
    let site = dest.path().join("north/floor 2");
    made(&site, &set, "PC-7", "2026-01-02T03:04:05Z", "0badc0de");
    // A run that was killed, a set whose description is lost, and what is no set.
    fs::create_dir(dest.path().join("PC-8-20260101T000000Z-11111111.partial")).unwrap();
    fs::write(dest.path().join("PC-8-20260101T000000Z-11111111.partial/journal.jsonl"), "")
        .unwrap();
    let lost = made(dest.path(), &set, "PC-9", "2026-02-02T03:04:05Z", "22222222");
    fs::remove_file(lost.join("rescue.json")).unwrap();
    fs::create_dir(dest.path().join("holiday")).unwrap();
    fs::write(dest.path().join("holiday/photo.jpg"), "x").unwrap();
    // What file servers keep for themselves.
    for folder in ["#recycle", ".snapshot", "@eaDir"] {
        made(&dest.path().join(folder), &set, "PC-0", "2026-01-02T03:04:05Z", "33333333");
    }
    symlink(&set, dest.path().join("latest")).unwrap();
    symlink(dest.path(), dest.path().join("north/loop")).unwrap();
    fs::write(set.join("Thumbs.db"), "x").unwrap();

    let run = list(dest.path(), 3, &[]);
    let expected = [
        ("PC-8-20260101T000000Z-11111111.partial", "unfinished"),
        ("PC-9-20260202T030405Z-22222222", "damaged"),
        ("PC-7-20260102T030405Z-0badc0de", "saved"),
        (name.as_str(), "saved"),
    ];
    let expected = expected.map(|(name, state)| (name.to_owned(), state.to_owned()));
    assert_eq!(states(&run), expected);
    let sets = run.events("rescue-set");
    assert_eq!(sets[0]["computer"], "PC-8");
    let names = |set: &Value| -> Vec<String> {
        let users = set["users"].as_array().unwrap();
        users.iter().map(|user| user["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&sets[3]), ["alice", "bob"], "of the real set, counted from its files");
    assert!(sets[3]["users"][0]["bytes"].as_u64().unwrap() > 1000);
    assert_eq!(sets[3]["others"], json!(["Thumbs.db"]));
    let on_disk: u64 = fs::read_dir(&set)
        .unwrap()
        .map(|file| file.unwrap())
        .filter(|file| file.file_name() != "Thumbs.db")
        .map(|file| file.metadata().unwrap().len())
        .sum();
    assert_eq!(sets[3]["set_bytes"], on_disk);

    let only = |more: &[&str]| states(&list(dest.path(), 0, more)).into_iter().map(|set| set.0);
    assert_eq!(only(&["--computer", "pc-7"]).collect::<Vec<_>>(), [expected[2].0.clone()]);
    assert_eq!(only(&["--of-user", "BOB"]).collect::<Vec<_>>(), std::slice::from_ref(&name));
    // The three others are older than the set that was made just now.
    let since = only(&["--since", "1d"]).collect::<Vec<_>>();
    assert_eq!(since, std::slice::from_ref(&name));
    list(dest.path(), 4, &["--of-user", "nobody"]);
    list(dest.path(), 2, &["--since", "yesterday"]);
    // People see the same.
    let shown = lifeboat(&["sets", dest.path().to_str().unwrap()]).expect(3).stdout;
    for text in
        ["PC-7", "UNFINISHED", "DAMAGED", "rescue.json is missing", "alice, bob", "Thumbs.db"]
    {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    assert!(shown.lines().all(|line| line.len() <= 80), "{shown}");
}

#[test]
fn an_encrypted_set_is_listed_and_hides_its_users() {
    let dest = tempfile::tempdir().unwrap();
    let image = Guarded::fixture("users");
    let to = dest.path().to_str().unwrap();
    let pass = [("LIFEBOAT_PASSPHRASE", "correct horse battery")];
    let args = ["offload", image.arg(), "--profiles", "--to", to];
    assert_eq!(lifeboat_with(&args, &pass).code, 3, "dora's folder is gone");
    let run = list(dest.path(), 0, &[]);
    let sets = run.events("rescue-set");
    assert_eq!(sets.len(), 2);
    for set in &sets {
        assert_eq!((&set["users"], &set["encryption"]), (&Value::Null, &json!("passphrase")));
        let folder = dest.path().join(set["name"].as_str().unwrap());
        for file in fs::read_dir(folder).unwrap() {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            for user in ["alice", "carol", "frank"] {
                let has = bytes.windows(user.len()).any(|window| window == user.as_bytes());
                assert!(!has, "{user} can be read");
            }
        }
    }
}

#[test]
fn sets_of_earlier_versions_and_hostile_files_beside_a_set_are_listed() {
    let (dest, name) = with_set("hardlink-one", 0, &[]);
    let set = dest.path().join(&name);
    let users = |run: &Run| run.events("rescue-set")[0]["users"].clone();
    assert_eq!(users(&list(dest.path(), 0, &[]))[0]["name"], "alice");
    for text in [
        "",
        "[]",
        "{\"format\": 9, \"set\": \"\", \"users\": []}",
        "{\"format\": 1, \"set\": \"00000000\", \"users\": [{\"name\": \"of another set\"}]}",
        &"[".repeat(100_000),
        &" ".repeat(2 << 20),
    ] {
        for file in ["users.json", "verified.json", "restored.json"] {
            fs::write(set.join(file), text).unwrap();
        }
        let run = list(dest.path(), 0, &[]);
        assert_eq!(users(&run), Value::Null, "{}", &text[..text.len().min(40)]);
        let set = &run.events("rescue-set")[0];
        assert!(set["verified"].is_null() && set["restored"].is_null());
    }
    fs::remove_file(set.join("users.json")).unwrap();
    assert_eq!(users(&list(dest.path(), 0, &[])), Value::Null, "as version 0.1 wrote it");
    fs::write(set.join("rescue.json"), "{\"format\": 7}").unwrap();
    assert_eq!(states(&list(dest.path(), 3, &[]))[0].1, "unreadable");
    fs::write(set.join("rescue.json"), "{").unwrap();
    assert_eq!(states(&list(dest.path(), 3, &[]))[0].1, "damaged");
}

#[test]
fn the_page_has_all_sets_and_links_to_their_reports() {
    let (dest, name) = with_set("hardlink-one", 0, &[]);
    let set = dest.path().join(&name);
    made(&dest.path().join("a b"), &set, "PC-7", "2026-01-02T03:04:05Z", "0badc0de");
    let page = dest.path().join("sets.html");
    let args = |page: &Path| {
        let page = page.to_str().unwrap().to_owned();
        ["sets".to_owned(), dest.path().to_str().unwrap().to_owned(), "--html".to_owned(), page]
    };
    lifeboat(&args(&page)).expect(0);
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains(&format!("href=\"{name}/report.html\"")), "{html}");
    assert!(html.contains("href=\"a%20b/PC-7-20260102T030405Z-0badc0de/report.html\""), "{html}");
    assert!(!html.contains("http://") && !html.contains("https://"), "it loads nothing: {html}");
    // Again, over the old one; from elsewhere, with whole paths.
    lifeboat(&args(&page)).expect(0);
    let elsewhere = tempfile::tempdir().unwrap();
    lifeboat(&args(&elsewhere.path().join("sets.html"))).expect(0);
    let html = fs::read_to_string(elsewhere.path().join("sets.html")).unwrap();
    let root = dest.path().canonicalize().unwrap();
    assert!(html.contains(&format!("href=\"file://{}/{name}/report.html\"", root.display())));
    let refused = elsewhere.path().join("no/such/folder.html");
    let run = lifeboat(&args(&refused)).expect(5);
    assert!(run.stderr.contains("the page cannot be written"), "{}", run.stderr);
}

/// In a real browser: the page's own script runs by the page's own policy, sorts and searches,
/// and asks for nothing.
#[test]
fn the_page_sorts_and_searches_in_a_browser() {
    let browser = support::need!(support::chromium::Chromium::find());
    let (dest, name) = with_set("hardlink-one", 0, &[]);
    let set = dest.path().join(&name);
    for (computer, id) in [("BETA", "00000001"), ("ALPHA", "00000002"), ("GAMMA", "00000003")] {
        made(dest.path(), &set, computer, "2026-01-02T03:04:05Z", id);
    }
    let page = dest.path().join("sets.html");
    let args = ["sets", dest.path().to_str().unwrap(), "--html", page.to_str().unwrap()];
    lifeboat(&args).expect(0);
    let shown = browser.show(&page, &["--dump-dom"]);
    assert!(shown.console.is_empty(), "{:?}", shown.console);
    assert!(shown.stdout.contains("<button type=\"button\">"), "the script ran");
    assert!(shown.requests.iter().all(|asked| asked.starts_with("file:")), "{:?}", shown.requests);
    let html = fs::read_to_string(&page).unwrap();
    let after = |script: &str| {
        let shown = "var names = [], rows = document.getElementById('sets').tBodies[0].rows, i;
            for (i = 0; i < rows.length; i++) if (rows[i].style.display !== 'none')
                names.push(rows[i].cells[0].textContent);
            return names.join(' ');";
        browser.measure(&html, 1200, &format!("{script}; {shown}"))
    };
    let head = "var head = document.querySelectorAll('#sets th button')[0]";
    assert_eq!(after(&format!("{head}; head.click()")), "- ALPHA BETA GAMMA");
    assert_eq!(after(&format!("{head}; head.click(); head.click()")), "GAMMA BETA ALPHA -");
    let search = "var box = document.querySelector('input.search'); box.value = 'alice gam';
        box.oninput()";
    assert_eq!(after(search), "GAMMA");
}

#[test]
fn what_is_no_folder_with_sets_is_refused_with_words() {
    let (dest, name) = with_set("hardlink-one", 0, &[]);
    let set = dest.path().join(&name);
    let run = list(&set, 2, &[]);
    assert!(run.stdout.contains("this is a rescue set, not a folder with sets"), "{}", run.stdout);
    let empty = tempfile::tempdir().unwrap();
    list(empty.path(), 4, &[]);
    list(&empty.path().join("missing"), 5, &[]);
    lifeboat(&["sets"]).expect(2);
}

/// `LIFEBOAT_SETS=2000` measures; without it, enough to see that the list is whole.
#[test]
#[cfg(feature = "smb")]
fn a_share_full_of_sets_is_listed_quickly() {
    let server = support::need!(support::smbd::Smbd::start());
    let count: u32 = std::env::var("LIFEBOAT_SETS").map_or(60, |n| n.parse().unwrap());
    let (dest, name) = with_set("hardlink-one", 0, &[]);
    let share = server.share_path().join("rescue");
    for number in 0..count {
        let id = format!("{number:08x}");
        made(&share, &dest.path().join(&name), "PC", "2026-01-02T03:04:05Z", &id);
    }
    let pass = [("LIFEBOAT_PASSWORD", server.password())];
    let begun = std::time::Instant::now();
    let run = lifeboat_with(&["sets", &server.url("rescue"), "--json"], &pass).expect(0);
    let took = begun.elapsed();
    assert_eq!(run.events("rescue-set").len(), count as usize);
    assert!(run.events("rescue-set").iter().all(|set| set["users"][0]["name"] == "alice"));
    println!("{count} sets on a share: {took:?}");
    assert!(took.as_secs_f64() < 10.0_f64.max(f64::from(count) / 200.0), "{took:?}");
}

#[test]
fn check_tries_the_destination_and_leaves_nothing() {
    let dest = tempfile::tempdir().unwrap();
    let to = dest.path().to_str().unwrap();
    let run = lifeboat(&["check", "--to", to]).expect(exit_of_check());
    assert!(run.stdout.contains("ets can be saved there"), "{}", run.stdout);
    assert_eq!(fs::read_dir(dest.path()).unwrap().count(), 0);
    let settings = dest.path().join("lifeboat.toml");
    fs::write(&settings, format!("to = '{to}'\nrecipient = 'age1nonsense'\n")).unwrap();
    let path = settings.to_str().unwrap();
    let run = lifeboat_with(&["check"], &[("LIFEBOAT_SETTINGS", path)]).expect(2);
    assert!(run.stdout.contains(path), "it says which settings: {}", run.stdout);
    fs::write(&settings, "to = '/no/such/folder/at/all'\n").unwrap();
    lifeboat_with(&["check"], &[("LIFEBOAT_SETTINGS", path)]).expect(5);
    lifeboat(&["check"]).expect(2);
}

#[test]
fn a_dry_run_says_what_the_offload_then_does_and_saves_nothing() {
    let image = Guarded::fixture("hardlink-two");
    let dest = tempfile::tempdir().unwrap();
    let to = dest.path().to_str().unwrap();
    let run = lifeboat(&["offload", image.arg(), "--to", to, "--dry-run", "--json"]).expect(0);
    assert_eq!(fs::read_dir(dest.path()).unwrap().count(), 0, "nothing was saved");
    let foreseen = &run.events("dry-run")[0];
    let saved = lifeboat(&["offload", image.arg(), "--to", to, "--json"]).expect(0);
    let set = &saved.events("set")[0];
    for field in ["files", "directories", "links"] {
        assert_eq!(foreseen[field], set["totals"][field], "{field}");
    }
    // (Alternate data streams are not counted before they are read.)
    assert!(foreseen["bytes"].as_u64() <= set["totals"]["bytes"].as_u64());
    assert!(foreseen["fits"].as_bool().unwrap() && foreseen["seconds"].is_u64());
    // Without a part, or users with a folder that is gone, it is no green.
    let image = Guarded::fixture("primary-alone");
    let run = lifeboat(&["offload", image.arg(), "--to", to, "--dry-run"]).expect(3);
    assert!(run.stdout.contains("MISSING"), "{}", run.stdout);
    let image = Guarded::fixture("users");
    let args = ["offload", image.arg(), "--profiles", "--to", to, "--dry-run", "--json"];
    let run = lifeboat(&args).expect(3);
    assert_eq!(run.events("dry-run").len(), 2);
    assert_eq!(fs::read_dir(dest.path()).unwrap().count(), 1);
}

/// The estimate is from a sample: of files that pack well, and of noise.
#[test]
fn a_dry_run_s_size_is_right_within_a_fifth() {
    let source = tempfile::tempdir().unwrap();
    let folder = source.path().join("StateStore/USMT/File/C$/Users/alice");
    fs::create_dir_all(&folder).unwrap();
    for name in ["catalog.mig", "MIGSTATE.DAT", "status.~lg"] {
        fs::write(source.path().join("StateStore/USMT").join(name), name).unwrap();
    }
    let mut state = 1_u64;
    for number in 0..120 {
        let noise = |state: &mut u64| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (*state >> 56).to_le_bytes()[0]
        };
        let bytes: Vec<u8> = match number % 3 {
            0 => (0..100_000).map(|_| noise(&mut state)).collect(),
            _ => (0..100_000_u32).map(|n| (n / 64).to_le_bytes()[0]).collect(),
        };
        fs::write(folder.join(format!("{number}.bin")), bytes).unwrap();
    }
    let dest = tempfile::tempdir().unwrap();
    let args = ["offload", source.path().to_str().unwrap(), "--to"];
    let args = [&args[..], &[dest.path().to_str().unwrap(), "--json"]].concat();
    let run = lifeboat(&[&args[..], &["--dry-run"]].concat());
    let foreseen = run.events("dry-run")[0]["set_bytes"].as_u64().unwrap();
    let set = lifeboat(&args).events("set")[0]["set_bytes"].as_u64().unwrap();
    // Besides the store, a set has a report and instructions.
    assert!(foreseen.abs_diff(set) < set / 5 + 40_000, "{foreseen} foreseen, {set} bytes");
}

/// A name that is typed wrong costs no file.
#[test]
fn pages_and_logs_replace_nothing_that_lifeboat_did_not_make() {
    let (dest, name) = with_set("hardlink-one", 0, &[]);
    let all = dest.path().to_str().unwrap();
    let rescue = dest.path().join(&name).join("rescue.json");
    let before = fs::read(&rescue).unwrap();
    let image = Guarded::fixture("hardlink-one");
    for target in [rescue.to_str().unwrap(), image.arg(), all, "/dev/null"] {
        lifeboat(&["sets", all, "--html", target]).expect(2);
        lifeboat(&["sets", all, "--log", target]).expect(1);
    }
    assert_eq!(fs::read(&rescue).unwrap(), before);
    let (page, log) = (dest.path().join("page.html"), dest.path().join("log.txt"));
    for _ in 0..2 {
        let (page, log) = (page.to_str().unwrap(), log.to_str().unwrap());
        lifeboat(&["sets", all, "--html", page, "--log", log]).expect(0);
    }
}

#[test]
fn a_set_is_no_folder_for_sets() {
    let (dest, name) = with_set("hardlink-one", 0, &[]);
    let set = dest.path().join(&name);
    let image = Guarded::fixture("hardlink-one");
    lifeboat(&["offload", image.arg(), "--to", set.to_str().unwrap()]).expect(2);
    lifeboat(&["check", "--to", set.to_str().unwrap()]).expect(2);
}

#[test]
fn a_set_without_its_data_is_not_called_saved() {
    let (dest, name) = with_set("hardlink-one", 0, &[]);
    let store = dest.path().join(&name).join("store.tar.zst");
    let bytes = fs::read(&store).unwrap();
    fs::write(&store, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(states(&list(dest.path(), 3, &[])), [(name.clone(), "damaged".to_owned())]);
    fs::remove_file(&store).unwrap();
    let run = list(dest.path(), 3, &[]);
    assert_eq!(run.events("rescue-set")[0]["why"], "store.tar.zst is missing");
}

#[test]
fn a_folder_of_sets_is_recognised_where_a_source_is_meant() {
    let (dest, name) = with_set("hardlink-one", 0, &[]);
    let elsewhere = tempfile::tempdir().unwrap();
    let (sets, to) = (dest.path().to_str().unwrap(), elsewhere.path().to_str().unwrap());
    for args in [
        &["detect", sets][..],
        &["offload", sets, "--to", to],
        &["gate", sets, "--set", sets],
        &["verify", sets],
        &["list", sets],
        &["seal", sets],
    ] {
        let run = lifeboat(args).expect(2);
        let text = run.stderr.clone() + &run.stdout;
        assert!(text.contains("1 rescue set") && text.contains(&name), "{args:?}: {text}");
    }
}

#[test]
fn trying_a_destination_leaves_nothing_behind() {
    let temp = tempfile::tempdir().unwrap();
    let dest = temp.path().join("new");
    let image = Guarded::fixture("hardlink-one");
    let to = dest.to_str().unwrap();
    lifeboat(&["offload", image.arg(), "--to", to, "--dry-run"]).expect(0);
    assert!(!dest.exists());
    lifeboat(&["check", "--to", to]).expect(exit_of_check());
    assert!(!dest.exists());
    fs::create_dir(&dest).unwrap();
    lifeboat(&["check", "--to", to]).expect(exit_of_check());
    assert!(dest.is_dir(), "a folder that was there stays");
}
