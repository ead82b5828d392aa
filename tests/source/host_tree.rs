//! The second way in, on real mounts: ntfs-3g with every fact it can show, and
//! the file system that this machine happens to have.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use lifeboat::model::metadata::{Content, FileTime, NodeId, NodeKind, attributes};
use lifeboat::model::monitor::Silent;
use lifeboat::model::name::{NtName, NtPath};
use lifeboat::tree::host::HostTree;
use lifeboat::tree::source::Source;
use lifeboat::tree::{Tree, TreeError, Via};
use support::made_set::{descriptor, junction_to, reparse};
use support::need;
use support::ntfs_mount::{self, Mounted};

fn names(tree: &dyn Tree, at: NodeId) -> Vec<String> {
    tree.children(at).unwrap().iter().map(|e| e.name.to_string()).collect()
}

fn read_all(tree: &dyn Tree, id: NodeId, stream: Option<&str>) -> Vec<u8> {
    let name = stream.map(NtName::from);
    let mut stream = tree.open(id, name.as_ref()).unwrap();
    let mut bytes = vec![0; usize::try_from(stream.len()).unwrap()];
    assert_eq!(stream.read(&mut bytes).unwrap(), bytes.len());
    assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0, "longer than it said");
    bytes
}

fn set(path: &Path, attribute: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, attribute, value, rustix::fs::XattrFlags::empty())
        .unwrap_or_else(|e| panic!("{attribute} on {}: {e}", path.display()));
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

const OBJECT_ID: [u8; 16] = *b"lifeboat-object.";

/// One file of every kind that ntfs-3g can make, in `StateStore/USMT`.
fn make_store(root: &Path) {
    let store = root.join("StateStore/USMT");
    fs::create_dir_all(store.join("File/C$")).unwrap();
    let file = store.join("File/C$/a document.txt");
    fs::write(&file, b"hello").unwrap();
    fs::write(store.join("empty"), b"").unwrap();
    fs::write(store.join("empty system"), b"").unwrap();
    set(&store.join("empty system"), "system.ntfs_attrib_be", &0x24u32.to_be_bytes());
    fs::hard_link(&file, store.join("second name")).unwrap();
    let odd = store.join("trailing dot.");
    fs::write(&odd, vec![7; 70_000]).unwrap();
    set(&odd, "system.ntfs_dos_name", b"TRAILI~1");
    set(&odd, "system.ntfs_acl", &descriptor());
    set(&odd, "system.ntfs_object_id", &OBJECT_ID);
    set(&odd, "user.Zone.Identifier", b"[ZoneTransfer]\r\nZoneId=3\r\n");
    set(&odd, "user.a", b"");
    let times: Vec<u8> = (1u64..=4)
        .flat_map(|n| (131_000_000_000_000_000 + n * 10_000_000_001).to_le_bytes())
        .collect();
    set(&store.join("File"), "system.ntfs_attrib_be", &0x12u32.to_be_bytes());
    let unknown = store.join("unknown reparse");
    fs::write(&unknown, b"out of sight").unwrap();
    set(&unknown, "system.ntfs_reparse_data", &reparse(0x9000_001A, b"cloudy"));
    let junction = store.join("junction");
    fs::create_dir(&junction).unwrap();
    set(&junction, "system.ntfs_reparse_data", &junction_to("C:\\StateStore"));
    symlink("/nowhere", store.join("symlink")).unwrap();
    set(&odd, "system.ntfs_attrib_be", &0x23u32.to_be_bytes());
    set(&odd, "system.ntfs_times", &times);
}

#[test]
fn an_ntfs_3g_mount_shows_all_metadata() {
    need!("fuse");
    let mut volume = Mounted::fresh(32);
    let root = volume.path().to_owned();
    make_store(&root);
    volume.remount(&format!("ro,show_sys_files,{}", ntfs_mount::ALL_FACTS));

    let tree = HostTree::open(&root).unwrap();
    assert_eq!(tree.info().via, Via::Host);
    assert_eq!(tree.info().file_system, "NTFS");
    assert_eq!(tree.info().cluster_bytes, 4096);
    let boot = fs::read(volume.image()).unwrap();
    let serial = u64::from_le_bytes(boot[0x48..0x50].try_into().unwrap());
    assert_eq!(tree.info().serial, Some(serial));
    assert!(tree.limits().iter().all(|l| !l.contains("alternate data streams")));
    assert_eq!(names(&tree, tree.root()), ["StateStore"], "NTFS's own files do not show");

    let at = tree.lookup(&NtPath::from("StateStore/USMT")).unwrap();
    let all = [
        "File",
        "empty",
        "empty system",
        "junction",
        "second name",
        "symlink",
        "trailing dot.",
        "unknown reparse",
    ];
    assert_eq!(names(&tree, at), all);
    let node_of = |path: &str| {
        let id = tree.lookup(&NtPath::from(format!("StateStore/USMT/{path}").as_str())).unwrap();
        (tree.node(id).unwrap(), tree.facts(id, None).unwrap())
    };

    let (folder, _) = node_of("File");
    assert_eq!(folder.kind, NodeKind::Directory);
    assert_eq!(folder.attributes, attributes::HIDDEN | attributes::DIRECTORY);
    assert_eq!((folder.links, folder.size), (1, 0));

    let (one, _) = node_of("File/C$/a document.txt");
    let (two, _) = node_of("second name");
    assert_eq!(one, two, "two names, one file");
    assert_eq!((one.links, one.size), (2, 5));
    assert_eq!(read_all(&tree, one.id, None), b"hello");

    let (node, facts) = node_of("trailing dot.");
    assert_eq!(node.attributes, 0x23);
    assert_eq!(node.links, 1, "a DOS name is no further name");
    assert!(node.allocated >= node.size);
    let tick = |n: u64| FileTime(131_000_000_000_000_000 + n * 10_000_000_001);
    assert_eq!(node.times.created, tick(1));
    assert_eq!(node.times.modified, tick(2));
    assert_eq!(node.times.accessed, tick(3));
    assert_ne!(node.times.changed, FileTime(0));
    assert_eq!(facts.security, Some(descriptor()));
    assert_eq!(facts.short_name, Some("TRAILI~1".into()));
    assert_eq!(facts.object_id.as_deref().map(|id| &id[..16]), Some(&OBJECT_ID[..]));
    let streams: Vec<_> = facts.streams.iter().map(|s| (s.name.to_string(), s.size)).collect();
    assert_eq!(streams, [("Zone.Identifier".to_owned(), 26), ("a".to_owned(), 0)]);
    assert_eq!(
        read_all(&tree, node.id, Some("Zone.Identifier")),
        b"[ZoneTransfer]\r\nZoneId=3\r\n"
    );
    assert_eq!(read_all(&tree, node.id, Some("a")), b"");
    assert!(matches!(tree.open(node.id, Some(&"b".into())), Err(TreeError::NotFound { .. })));
    assert_eq!(read_all(&tree, node.id, None), vec![7; 70_000]);

    let (node, facts) = node_of("junction");
    assert_eq!((node.kind, node.reparse_tag), (NodeKind::Directory, Some(0xA000_0003)));
    assert!(!node.is_plain_directory());
    assert_eq!(facts.reparse, Some(junction_to("C:\\StateStore")));
    assert_eq!(tree.children(node.id).unwrap(), [], "a junction is not followed");

    let (node, facts) = node_of("unknown reparse");
    assert_eq!((node.kind, node.reparse_tag), (NodeKind::File, Some(0x9000_001A)));
    assert!(matches!(facts.content, Content::NotHere(_)));
    assert!(matches!(tree.open(node.id, None), Err(TreeError::NoData { .. })), "no zeros");

    let (node, facts) = node_of("symlink");
    assert_eq!(node.kind, NodeKind::File);
    // The volume holds a file with these bytes (Interix), which the mount hides.
    let interix = [&b"IntxLNK\x01"[..], &utf16("/nowhere")].concat();
    assert_eq!((facts.content, node.reparse_tag), (Content::Data, None));
    assert_eq!(node.size, interix.len() as u64);
    assert_eq!(read_all(&tree, node.id, None), interix);
    let (node, facts) = node_of("empty system");
    assert_eq!((facts.content, node.attributes), (Content::Data, 0x24));
    assert_eq!(read_all(&tree, node.id, None), b"", "a pipe to the mount, no pipe to us");

    let found = tree.find_named(&["usmt", "JUNCTION"], &Silent).unwrap();
    let paths: Vec<_> = found.iter().map(|(p, _)| p.to_string()).collect();
    assert_eq!(paths, ["StateStore/USMT", "StateStore/USMT/junction"]);
}

#[test]
fn a_stream_that_a_mount_cannot_show_whole_is_refused_not_cut() {
    need!("fuse");
    let mut volume = Mounted::fresh(16);
    volume.remount("streams_interface=windows");
    fs::write(volume.path().join("f"), b"x").unwrap();
    fs::write(volume.path().join("f:big"), vec![1; 100_000]).unwrap();
    let blind = HostTree::open(volume.path()).unwrap();
    assert!(blind.limits().iter().any(|l| l.contains("alternate data streams")));
    drop(blind);
    volume.remount("ro,streams_interface=xattr");
    let tree = HostTree::open(volume.path()).unwrap();
    let id = tree.lookup(&"f".into()).unwrap();
    assert_eq!(tree.facts(id, None).unwrap().streams[0].name, "big".into());
    assert!(matches!(tree.open(id, Some(&"big".into())), Err(TreeError::NoData { .. })));
}

#[test]
fn sectors_that_fail_become_zeros_with_a_hole() {
    need!("fuse");
    let mut volume = Mounted::fresh(32);
    let bytes: Vec<u8> = (1..2_000_001u32).flat_map(u32::to_be_bytes).collect();
    fs::write(volume.path().join("long"), &bytes).unwrap();
    volume.remount("ro");
    let tree = HostTree::open(volume.path()).unwrap();
    let id = tree.lookup(&"long".into()).unwrap();
    let mut stream = tree.open(id, None).unwrap();
    // The disk loses its end while the volume is mounted: reads there fail.
    let image = fs::read(volume.image()).unwrap();
    let middle = image.windows(4096).position(|w| w == &bytes[4_001_792..4_005_888]).unwrap();
    let cut = fs::OpenOptions::new().write(true).open(volume.image()).unwrap();
    cut.set_len(middle as u64).unwrap();

    let mut read = vec![0xFF; bytes.len()];
    assert_eq!(stream.read(&mut read).unwrap(), bytes.len());
    let holes = stream.holes();
    assert_eq!(holes.len(), 1, "{holes:?}");
    let at = usize::try_from(holes[0].offset).unwrap();
    assert!(at > 3_000_000 && at <= 4_001_792, "{holes:?}");
    assert_eq!(holes[0].offset + holes[0].length, bytes.len() as u64);
    assert!(!holes[0].reason.is_empty());
    assert!(read[..at] == bytes[..at], "what can be read is whole");
    assert!(read[at..].iter().all(|b| *b == 0));
}

#[test]
fn a_plain_folder_shows_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("sub")).unwrap();
    fs::write(dir.path().join("sub/file"), b"abc").unwrap();
    fs::hard_link(dir.path().join("sub/file"), dir.path().join("link")).unwrap();
    symlink("sub", dir.path().join("way out")).unwrap();
    symlink("..", dir.path().join("sub/up")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    let foreign = std::ffi::OsStr::from_bytes(b"caf\xE9");
    fs::write(dir.path().join(foreign), b"latin").unwrap();

    let tree = HostTree::open(dir.path()).unwrap();
    assert_ne!(tree.info().file_system, "NTFS");
    assert!(!tree.limits().is_empty());
    let entries = tree.children(tree.root()).unwrap();
    let shown: Vec<_> = entries.iter().map(|e| e.name.to_string()).collect();
    assert_eq!(shown, ["caf\u{FFFD}", "link", "socket", "sub", "way out"]);
    assert_eq!(entries[0].name.to_utf16(), [99, 97, 102, 0xDCE9]);
    assert_eq!(read_all(&tree, entries[0].node, None), b"latin");

    let link = tree.lookup(&"link".into()).unwrap();
    assert_eq!(tree.lookup(&"sub/file".into()).unwrap(), link);
    let node = tree.node(link).unwrap();
    assert_eq!((node.links, node.size, node.kind), (2, 3, NodeKind::File));
    let modified = fs::metadata(dir.path().join("link")).unwrap().modified().unwrap();
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
    let secs = i64::try_from(since.as_secs()).unwrap();
    assert_eq!(node.times.modified, FileTime::from_unix(secs, since.subsec_nanos()));

    let way_out = tree.lookup(&"way out".into()).unwrap();
    let node = tree.node(way_out).unwrap();
    assert_eq!((node.kind, node.size), (NodeKind::File, 0));
    assert_eq!(tree.children(way_out).unwrap(), [], "a link is not followed");
    assert!(tree.lookup(&"way out/file".into()).is_err());
    let reparse = tree.facts(way_out, None).unwrap().reparse.unwrap();
    assert_eq!(reparse, b"\x1D\0\0\xA0\x07\0\0\0\x02\0\0\0sub");

    let socket_node = tree.lookup(&"socket".into()).unwrap();
    assert!(matches!(tree.facts(socket_node, None).unwrap().content, Content::NotHere(_)));
    assert!(matches!(tree.open(socket_node, None), Err(TreeError::NoData { .. })));
    drop(socket);
    assert!(tree.node(NodeId(12_345)).is_err());
    assert!(matches!(HostTree::open(&dir.path().join("link")), Err(TreeError::Host { .. })));
}

#[test]
fn a_folder_that_turns_into_a_link_is_not_entered() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("sub/below")).unwrap();
    let tree = HostTree::open(dir.path()).unwrap();
    let below = tree.lookup(&"sub/below".into()).unwrap();
    fs::rename(dir.path().join("sub"), dir.path().join("moved")).unwrap();
    symlink("moved", dir.path().join("sub")).unwrap();
    let fresh = HostTree::open(dir.path()).unwrap();
    assert!(fresh.lookup(&"sub/below".into()).is_err());
    // A handle that was open goes on to show the folder that it was opened on.
    assert!(tree.node(below).is_ok());
}

#[test]
fn depth_has_no_limit() {
    let dir = tempfile::tempdir().unwrap();
    let name = "d".repeat(200);
    let mut at =
        rustix::fs::open(dir.path(), rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty())
            .unwrap();
    for _ in 0..60 {
        rustix::fs::mkdirat(&at, name.as_str(), 0o755.into()).unwrap();
        let flags = rustix::fs::OFlags::DIRECTORY;
        at = rustix::fs::openat(&at, name.as_str(), flags, 0.into()).unwrap();
    }
    let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    let file = rustix::fs::openat(&at, "deep", flags, 0o644.into()).unwrap();
    rustix::io::write(&file, b"12 KB down").unwrap();

    let tree = HostTree::open(dir.path()).unwrap();
    let path: NtPath = (0..60).map(|_| NtName::from(name.as_str())).collect();
    let id = tree.lookup(&path.join("deep")).unwrap();
    assert_eq!(read_all(&tree, id, None), b"12 KB down");
    assert_eq!(tree.find_named(&["DEEP"], &Silent).unwrap().len(), 1);
    // A tree that starts afresh at the far end finds its way from the top.
    assert_eq!(tree.node(id).unwrap().size, 10);
}

#[test]
fn other_file_systems_below_are_not_entered() {
    need!("fuse");
    let volume = Mounted::fresh(16);
    fs::write(volume.path().join("inside"), b"x").unwrap();
    let tree = HostTree::open(volume.path().parent().unwrap()).unwrap();
    let id = tree.lookup(&"mount".into()).unwrap();
    assert!(matches!(tree.children(id), Err(TreeError::NoData { .. })), "not simply empty");
    assert!(matches!(tree.facts(id, None).unwrap().content, Content::NotHere(_)));
}

#[test]
fn a_mount_that_does_not_answer_does_not_block() {
    need!("fuse");
    let volume = Mounted::fresh(16);
    let beside = volume.path().parent().unwrap().join("beside");
    fs::create_dir_all(beside.join("StateStore/USMT")).unwrap();
    let whole = HostTree::open(beside.parent().unwrap()).unwrap();
    volume.freeze();
    std::thread::sleep(Duration::from_millis(1200)); // longer than the kernel remembers
    let hung = within(Duration::from_millis(300), {
        let mount = volume.path().to_owned();
        move || drop(fs::read_dir(mount))
    });
    assert!(hung.is_none(), "the mount answers, so this test shows nothing");

    let found = within(Duration::from_secs(20), {
        let named = beside.to_str().unwrap().to_owned();
        move || {
            let source = Source::open(&named, None, &Silent).unwrap();
            let tree = source.volumes[0].tree.as_ref().unwrap().clone();
            let found = tree.find_named(&["usmt"], &Silent).unwrap();
            // The whole path on the volume, and nothing of what lies beside it.
            let way = NtPath::from(beside.to_str().unwrap());
            assert_eq!(found[0].0, way.join("StateStore").join("USMT"));
            for depth in 0..way.names().len() {
                let above: NtPath = way.names()[..depth].iter().cloned().collect();
                let above = tree.lookup(&above).unwrap();
                assert_eq!(tree.children(above).unwrap().len(), 1);
            }
            assert!(tree.lookup(&"no such folder".into()).is_err());
            found.len()
        }
    });
    assert_eq!(found, Some(1), "in a folder beside the mount");
    let found = within(Duration::from_secs(20), move || {
        let mount = whole.lookup(&"mount".into()).unwrap();
        assert!(whole.node(mount).unwrap().is_plain_directory());
        assert!(matches!(whole.children(mount), Err(TreeError::NoData { .. })));
        assert!(matches!(whole.facts(mount, None).unwrap().content, Content::NotHere(_)));
        whole.find_named(&["usmt"], &Silent).unwrap().len()
    });
    assert_eq!(found, Some(1), "in the folder that holds the mount");
    volume.thaw();
}

/// What `job` returns, if it does so in time.
fn within<T: Send + 'static>(
    time: Duration,
    job: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, result) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(job()));
    result.recv_timeout(time).ok()
}

#[test]
fn reading_leaves_no_access_time() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"abc").unwrap();
    let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let times = fs::FileTimes::new().set_accessed(long_ago);
    fs::File::options().write(true).open(&file).unwrap().set_times(times).unwrap();
    let tree = HostTree::open(dir.path()).unwrap();
    let id = tree.lookup(&"file".into()).unwrap();
    assert_eq!(read_all(&tree, id, None), b"abc");
    assert_eq!(fs::metadata(&file).unwrap().accessed().unwrap(), long_ago);
}
