//! The page as a whole, and sets for the tests of its parts.

use super::*;
use crate::model::loss::LossKind;
use crate::set::format::kinds::{PartRole, SetKind};
use crate::set::format::manifest::{Data, Member, MemberKind, Totals, to_text};
use crate::set::format::rescue::{EndState, Machine, Options, Part, SetFile, Timings, What};
use crate::usmt::{Role, StoreKind};

/// A store with a part on each of these drives.
pub(super) fn store_set(drives: &[&str]) -> Rescue {
    let part = |(number, drive): (usize, &&str)| Part {
        drive: (*drive).to_owned(),
        drive_from: "a test".to_owned(),
        path: "StateStore".to_owned(),
        role: if number == 0 { Role::Primary } else { Role::Secondary }.into(),
        skipped: Vec::new(),
        volume_serial: None,
        volume_label: "Windows".to_owned(),
        file_system: "NTFS".to_owned(),
        via: "raw".to_owned(),
        user: None,
    };
    Rescue {
        format: 1,
        program: "lifeboat 0.1.0".to_owned(),
        set: "1234abcd".to_owned(),
        created: "2026-11-22T15:04:05Z".to_owned(),
        machine: Machine { name: Some("PC-0815".to_owned()), serial: None },
        what: What::Store,
        kind: StoreKind::HardLink.into(),
        parts: drives.iter().enumerate().map(part).collect(),
        totals: Totals::default(),
        end_state: EndState::Saved,
        options: Options { level: 3, frame_bytes: 1 << 22, split: None, read_back: true },
        plan: "0".repeat(64),
        encryption: None,
        seal: None,
        lacks: Vec::new(),
        damage: Vec::new(),
        closed: Vec::new(),
        timings: None,
        files: Vec::new(),
    }
}

/// Any folder of C:.
pub(super) fn folder_set(path: &str) -> Rescue {
    let mut rescue = store_set(&["C"]);
    (rescue.what, rescue.kind) = (What::Folder, SetKind::Folder);
    rescue.parts[0].path = path.to_owned();
    rescue.parts[0].role = PartRole::Folder;
    rescue
}

fn file(path: &[u8], size: u64) -> Member {
    let data = Data { size, ..Data::default() };
    Member { data: Some(data), ..Member::new(path, MemberKind::File) }
}

fn make_page(rescue: &Rescue, members: Vec<Member>) -> String {
    let mut lines = members.into_iter().map(|member| Ok(Line::Member(Box::new(member))));
    String::from_utf8(make(rescue, &mut lines).unwrap()).unwrap()
}

/// Every tag is one of ours, closed in its order, every attribute in quotes.
fn check_html(page: &str) {
    const EMPTY: [&str; 5] = ["meta", "br", "circle", "path", "!DOCTYPE"];
    const KNOWN: &str = " html head title style body main header footer section div p h1 h2 h3 \
        table tr th td ul ol li pre code b i small span bdi time svg ";
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        assert!(!rest[..at].contains('>'), "{}", &rest[..at]);
        let end = rest[at..].find('>').unwrap() + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "</{name}>");
            continue;
        }
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        assert_eq!(attributes.matches('"').count() % 2, 0, "<{tag}>");
        for bare in attributes.split('"').step_by(2) {
            let plain = |c: char| c.is_ascii_alphanumeric() || " =-/:".contains(c);
            assert!(bare.chars().all(plain), "<{tag}>");
            for attribute in bare.split_whitespace() {
                assert!(!attribute.starts_with("on"), "<{tag}>");
            }
        }
        let is_known = EMPTY.contains(&name) || KNOWN.contains(&format!(" {name} "));
        assert!(is_known, "<{tag}>");
        if name == "style" {
            rest = &rest[rest.find("</style>").unwrap()..];
        }
        if !EMPTY.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

/// Names that want to be more than names.
const HOSTILE: [&str; 7] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</style></title><!--",
    "\u{202E}gpj.exe\u{2066}",
    "a\nb\u{0}c\u{1B}[31m",
    "javascript:alert(1)//&lt;b&gt;",
];

#[test]
fn nothing_from_a_disk_is_more_than_text() {
    let mut rescue = store_set(&["C"]);
    let all = HOSTILE.concat();
    rescue.machine = Machine { name: Some(all.clone()), serial: Some(all.clone()) };
    let part = &mut rescue.parts[0];
    part.path = format!("StateStore/{all}");
    (part.drive_from, part.volume_label, part.file_system) =
        (all.clone(), all.clone(), all.clone());
    (part.role, part.via, part.skipped) = (all.clone().into(), all.clone(), vec![all.clone(); 99]);
    (rescue.set, rescue.program, rescue.created) = (all.clone(), all.clone(), all.clone());
    (rescue.plan, rescue.lacks) = (all.clone(), vec![all.clone(); 99]);
    rescue.files = ["manifest.jsonl.zst", &all]
        .map(|name| SetFile {
            name: name.to_owned(),
            size: 1,
            sha256: all.clone(),
            plain_size: None,
        })
        .to_vec();
    rescue.timings = Some(Timings { ended: all.clone(), ..Timings::default() });
    rescue.seal = Some(crate::set::format::rescue::SealOutcome {
        state: crate::set::format::rescue::SealState::Differs,
        sealed: all.clone(),
        ..crate::set::format::rescue::SealOutcome::default()
    });
    let mut members = Vec::new();
    for name in HOSTILE {
        let at = format!("C/StateStore/{all}/USMT/File/C$/Users/{name}/{name}/{name}.{name}");
        let mut member = file(at.as_bytes(), 1000);
        member.lose(LossKind::Hole, name);
        members.push(member);
    }
    // The slashes of some names part folders; that is as hostile.
    let page = make_page(&rescue, members);
    check_html(&page);
    for bad in ["<script", "<img", "<!--", "\u{202E}", "\u{2066}", "\u{0}", "\u{1B}"] {
        assert!(!page.contains(bad), "{bad:?}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(page.len() < MAX_BYTES, "{}", page.len());
}

#[test]
fn a_lone_surrogate_is_shown_as_lost_and_breaks_nothing() {
    let mut path = b"C/StateStore/USMT/File/C$/Users/".to_vec();
    path.extend(b"\xED\xA0\x80lone/x.txt");
    assert!(to_text(&path).1.is_some());
    let page = make_page(&store_set(&["C"]), vec![file(&path, 5)]);
    check_html(&page);
    assert!(page.contains("<bdi>\u{FFFD}lone</bdi>"), "{page}");
}

#[test]
fn whatever_a_set_holds_the_page_stays_small() {
    let mut rescue = store_set(&["C"]);
    rescue.end_state = EndState::SavedWithLosses;
    let volume = |i| SetFile {
        name: format!("store.tar.zst.{i:03}"),
        size: u64::MAX,
        sha256: "f".repeat(64),
        plain_size: None,
    };
    rescue.files = (1..5000).map(volume).collect();
    rescue.parts = vec![rescue.parts[0].clone(); 3000];
    let mut members = Vec::new();
    for i in 0..20_000_u64 {
        // Every character of it grows when it is escaped.
        let name = "\"\u{202E}".repeat(120);
        let path = format!(
            "C/StateStore/USMT/File/C$/Users/{name}{}/{name}{}/{name}{i}.e{i}",
            i % 500,
            i % 97
        );
        let mut member = file(path.as_bytes(), 1000 + i);
        for kind in ["unreadable", "hole", "fact", "encrypted", "name", "changed", "not-here", "?"]
        {
            let (kind, detail) = (kind.to_owned(), name.repeat(20));
            member.losses.push(crate::set::format::manifest::LossLine { kind, detail });
        }
        members.push(member);
    }
    rescue.totals.losses = 160_000;
    let page = make_page(&rescue, members);
    check_html(&page);
    assert!(page.len() < MAX_BYTES, "{} bytes", page.len());
    assert!(page.contains("lifeboat list"), "where the other losses stand");
    for title in ["Not saved", "Saved with gaps", "Metadata is missing"] {
        let rows = page.matches(&format!("<td><b>{title}</b>: ")).count();
        assert!(rows > 0, "no loss of the kind {title:?} is shown");
    }
}

#[test]
fn a_hundred_thousand_losses_are_counted_and_the_first_are_shown() {
    let mut rescue = store_set(&["C"]);
    (rescue.end_state, rescue.totals.losses) = (EndState::SavedWithLosses, 100_000);
    let lossy = |i| {
        let mut member = file(format!("C/StateStore/USMT/File/C$/Users/a/{i:06}").as_bytes(), 1);
        member.lose(LossKind::Unreadable, "a bad sector");
        member
    };
    let page = make_page(&rescue, (0..100_000).map(lossy).collect());
    assert!(page.contains("Saved, with 100,000 losses"));
    let shown = page.matches("a bad sector").count() as u64;
    assert!(shown >= 50, "{shown}");
    let rest = html::number(100_000 - shown);
    assert!(page.contains(&format!("And {rest} losses more.")), "{rest}");
}

#[test]
fn the_same_set_gives_the_same_page_with_or_without_the_page_in_it() {
    let members = || {
        let path =
            |i: u64| format!("C/StateStore/USMT/File/C$/Users/u{}/f{}/{i}.x{i}", i % 9, i % 50);
        (0..2000).map(|i| file(path(i).as_bytes(), i % 700)).collect::<Vec<_>>()
    };
    let mut rescue = store_set(&["C"]);
    let first = make_page(&rescue, members());
    rescue.files.push(SetFile {
        name: REPORT.to_owned(),
        size: 77,
        sha256: "0".repeat(64),
        plain_size: None,
    });
    assert_eq!(make_page(&rescue, members()), first);
}

#[test]
fn a_set_without_anything_has_a_page_too() {
    let mut rescue = store_set(&[]);
    rescue.machine = Machine::default();
    for (what, kind) in
        [(What::Store, "hard-link"), (What::Store, "compressed"), (What::Folder, "folder")]
    {
        (rescue.what, rescue.kind) = (what, kind.to_owned().into());
        check_html(&make_page(&rescue, Vec::new()));
    }
}

#[test]
fn damaged_lines_are_passed_over_and_said() {
    let damaged = SetError::Damaged { path: String::new(), offset: 0, what: String::new() };
    let good = file(b"C/StateStore/USMT/File/C$/Users/alice/a.txt", 1234);
    let mut lines = [Err(damaged), Ok(Line::Member(Box::new(good)))].into_iter();
    let page = String::from_utf8(make(&store_set(&["C"]), &mut lines).unwrap()).unwrap();
    assert!(page.contains("The list of this set is damaged") && page.contains("verdict warn"));
    assert!(page.contains("<bdi>alice</bdi>"));
    let mut lines = std::iter::once(Err(SetError::Cancelled { set: None }));
    assert!(matches!(make(&store_set(&["C"]), &mut lines), Err(SetError::Cancelled { .. })));
}

#[test]
fn the_policy_allows_the_pages_own_sheet_and_nothing_else() {
    use sha2::Digest as _;
    let members = vec![file(b"C/StateStore/USMT/File/C$/Users/alice/a.txt", 1234)];
    let page = make_page(&store_set(&["C"]), members);
    let sheet = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = crate::set::format::manifest::to_base64(&sha2::Sha256::digest(sheet.as_bytes()));
    assert!(page.contains(&format!("\"default-src 'none'; style-src 'sha256-{hash}'; base")));
    assert!(!page.contains("style=\""), "an attribute that the policy refuses");
    for outside in ["http:", "https:", "//", "url(", "@import", "src=", "href="] {
        assert!(!page.contains(outside), "{outside}");
    }
}
