//! A rescue set opens with the tools that every machine has: zstd, tar,
//! sha256sum. Whoever has lost this program has not lost the data.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{Seek as _, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use lifeboat::model::metadata::NodeId;
use lifeboat::model::name::NtName;
use lifeboat::set::format::manifest::{Data, Member, MemberKind, TimesLine};
use lifeboat::set::format::tar_dialect::member_header;
use lifeboat::tree::Tree;
use lifeboat::tree::memory::MemoryTree;
use support::sets::{self, pack, sh, store};
use support::{need, require};

/// What stock tar must give: paths, and the bytes of files.
fn expected(tree: &MemoryTree) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut all = BTreeMap::new();
    let mut pending = vec![(b"C".to_vec(), tree.root(), true)];
    let read = |id: NodeId, name: Option<&NtName>| {
        let mut stream = tree.open(id, name).unwrap();
        let mut bytes = vec![0; usize::try_from(stream.len()).unwrap()];
        stream.read(&mut bytes).unwrap();
        bytes
    };
    while let Some((path, id, is_dir)) = pending.pop() {
        let at = |suffix: &[u8]| PathBuf::from(OsStr::from_bytes(&[&path, suffix].concat()));
        let node = tree.node(id).unwrap();
        let link = matches!(node.reparse_tag, Some(0xA000_0003 | 0xA000_000C));
        all.insert(at(b""), (!is_dir && !link).then(|| read(id, None)));
        for stream in tree.facts(id, None).unwrap().streams {
            let suffix = [b":", stream.name.as_wtf8()].concat();
            all.insert(at(&suffix), Some(read(id, Some(&stream.name))));
        }
        if !node.is_plain_directory() {
            continue;
        }
        for entry in tree.children(id).unwrap() {
            if path == b"C" && entry.name != "StateStore".into() {
                continue;
            }
            let child = [&path, &b"/"[..], entry.name.as_wtf8()].concat();
            let is_dir = tree.node(entry.node).unwrap().is_plain_directory();
            pending.push((child, entry.node, is_dir));
        }
    }
    all
}

fn compare(tree: &MemoryTree, dir: &Path) {
    let found: BTreeMap<_, _> = sets::contents(dir).into_iter().collect();
    let expected = expected(tree);
    let paths = |map: &BTreeMap<PathBuf, _>| map.keys().cloned().collect::<Vec<_>>();
    assert_eq!(paths(&found), paths(&expected));
    for (path, bytes) in expected {
        assert!(found[&path] == bytes, "{} differs", path.display());
    }
    let inode = |path: &str| dir.join(path).symlink_metadata().unwrap().ino();
    let users = "C/StateStore/USMT/File/C$/Users";
    let linked = inode(&format!("{users}/alice/linked"));
    assert_eq!(inode(&format!("{users}/bob/linked too")), linked);
    assert_eq!(inode(&format!("{users}/alice/zz last")), linked);
    let target = std::fs::read_link(dir.join(format!("{users}/alice/Application Data"))).unwrap();
    assert_eq!(target, Path::new(r"C:\Users"));
}

#[test]
fn zstd_and_gnu_tar_give_every_byte() {
    need!("zstd", "tar", "sha256sum");
    let tree = store();
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join(pack(&tree, dir.path(), &sets::options()).set);
    sh(&set, "sha256sum -c SHA256SUMS");
    for locale in ["C", "C.UTF-8"] {
        let out = set.join(format!("out {locale}"));
        std::fs::create_dir(&out).unwrap();
        let unpack = "zstd -qdc ../store.tar.zst | tar -x --warning=no-unknown-keyword";
        sh(&out, &format!("export LC_ALL={locale}; {unpack}"));
        compare(&tree, &out);
    }
    sh(&set, "zstd -qt store.tar.zst manifest.jsonl.zst");
}

#[test]
fn bsdtar_reads_it_without_complaint() {
    need!("zstd", "bsdtar");
    let tree = store();
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join(pack(&tree, dir.path(), &sets::options()).set);
    let out = set.join("out");
    std::fs::create_dir(&out).unwrap();
    let said = sh(&out, "export LC_ALL=C.UTF-8; zstd -qdc ../store.tar.zst | bsdtar -xf - 2>&1");
    assert_eq!(said, "");
    compare(&tree, &out);
}

/// Headers as they are rarely seen: sizes beyond 8 GiB (in a file with a hole),
/// paths of 32,767 units, times at the ends of what NTFS has.
#[test]
fn extremes_are_listed_by_every_tar() {
    need!("tar");
    let dir = tempfile::tempdir().unwrap();
    let size = (9_u64 << 30) + 5;
    let long = format!("C/{}", "\u{E4}/\u{4E2D}".repeat(32_765 / 3));
    let mut members = vec![Member::new(b"C/large", MemberKind::File)];
    members[0].data = Some(Data { size, ..Data::default() });
    members.push(Member::new(long.as_bytes(), MemberKind::Directory));
    for ticks in [0, 1, u64::MAX] {
        let mut member = Member::new(format!("C/{ticks}").as_bytes(), MemberKind::Directory);
        let (created, modified, changed, accessed) = (ticks, ticks, ticks, ticks);
        member.times = TimesLine { created, modified, changed, accessed };
        members.push(member);
    }
    let mut tar = std::fs::File::create(dir.path().join("extremes.tar")).unwrap();
    for member in &members {
        tar.write_all(&member_header(member).unwrap()).unwrap();
        if member.data.is_some() {
            tar.seek_relative(i64::try_from(size.next_multiple_of(512)).unwrap()).unwrap();
        }
    }
    tar.write_all(&[0; 1024]).unwrap();
    drop(tar);
    let expected: Vec<String> = ["C/large".to_owned(), format!("{long}/")]
        .into_iter()
        .chain([0, 1, u64::MAX].map(|ticks| format!("C/{ticks}/")))
        .collect();
    for list in ["tar -tf", "bsdtar -tf"] {
        if require::all(&[list.split(' ').next().unwrap()]).is_some() {
            let line = format!("LC_ALL=C.UTF-8 {list} extremes.tar --quoting-style=literal");
            let line = line.replace(
                "bsdtar -tf extremes.tar --quoting-style=literal",
                "bsdtar -tf extremes.tar",
            );
            let said = sh(dir.path(), &line);
            assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{list}");
        }
    }
    // And all of it but the large and the long is unpacked.
    let unpack = "tar -xf extremes.tar --warning=no-unknown-keyword --warning=no-timestamp \
                  C/0 C/1 C/18446744073709551615 && ls C | wc -l";
    assert_eq!(sh(dir.path(), unpack).trim(), "3");
}
