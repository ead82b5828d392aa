//! A stranger reads rescue sets: `tests/set/stranger.py`, written from
//! docs/reference/format.md, with Python and the zstd program. What it finds is compared
//! with the source, fact by fact.

use std::path::Path;
use std::process::Command;

use lifeboat::model::name::NtName;
use lifeboat::set::format::hash::{sha256_hex, to_hex};
use lifeboat::set::format::manifest::{TimesLine, to_base64};
use lifeboat::set::write::plan::PlanKind;
use lifeboat::set::write::writer::OffloadOptions;
use lifeboat::tree::Tree;
use lifeboat::tree::memory::MemoryTree;
use serde_json::{Value, json};
use support::need;
use support::sets::{self, broken_store, options, pack, plan, store};

/// What the stranger found, one value a member; `None` where it cannot run.
fn stranger(dir: &Path, set: &str) -> Option<Vec<Value>> {
    need!("python3", "zstd", "xxhsum");
    let script = support::root().join("tests/set/stranger.py");
    let out = dir.join("found.jsonl");
    let run = Command::new("python3").arg(script).arg(dir.join(set)).arg(&out).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let found = std::fs::read_to_string(out).unwrap();
    Some(found.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn hash(
    tree: &MemoryTree,
    id: lifeboat::model::metadata::NodeId,
    stream: Option<&NtName>,
) -> String {
    let mut stream = tree.open(id, stream).unwrap();
    let mut bytes = vec![0; usize::try_from(stream.len()).unwrap()];
    stream.read(&mut bytes).unwrap();
    sha256_hex(&bytes)
}

/// What it should find of a member.
fn expected(tree: &MemoryTree, index: usize) -> Value {
    let plan = plan(tree);
    let member = plan.member(index).unwrap();
    let path = to_hex(&plan.path(index));
    let (id, kind) = (member.node, member.kind);
    if let PlanKind::Link(to) = kind {
        let link_to = to_hex(&plan.path(to));
        return json!({ "path": path, "kind": "link", "streams": {}, "link_to": link_to });
    }
    let facts = tree.facts(id, plan.file_name(index).as_ref()).unwrap();
    let node = tree.node(id).unwrap();
    let blob = |bytes: Option<Vec<u8>>| bytes.map(|bytes| to_base64(&bytes));
    let streams = facts.streams.iter().map(|stream| {
        (to_hex(stream.name.as_wtf8()), Value::from(hash(tree, id, Some(&stream.name))))
    });
    let mut value = json!({
        "path": path,
        "kind": if kind == PlanKind::File { "file" } else { "directory" },
        "attributes": node.attributes,
        "times": TimesLine::from(node.times),
        "security": blob(facts.security),
        "reparse": blob(facts.reparse.clone()),
        "object_id": blob(facts.object_id),
        "extended_attributes": blob(facts.extended_attributes),
        "short_name": facts.short_name.map(|name| name.to_string()),
        "content": null,
        "streams": streams.collect::<serde_json::Map<_, _>>(),
        "losses": [],
    });
    if kind == PlanKind::File {
        value["data"] = hash(tree, id, None).into();
    }
    match node.reparse_tag {
        Some(0xA000_0003) => value["leads_to"] = r"C:\Users".into(),
        Some(0xA000_000C) => value["leads_to"] = r"..\x".into(),
        _ => {}
    }
    value
}

#[test]
fn a_stranger_finds_every_byte_and_all_metadata() {
    let tree = store();
    for split in [None, Some(150_000)] {
        let dir = tempfile::tempdir().unwrap();
        let set = pack(&tree, dir.path(), &OffloadOptions { split, ..options() }).set;
        let found = need!(stranger(dir.path(), &set));
        assert_eq!(found.len(), plan(&tree).len());
        for (index, found) in found.iter().enumerate() {
            assert_eq!(*found, expected(&tree, index));
        }
    }
}

#[test]
fn a_stranger_reads_sets_with_losses() {
    let tree = broken_store();
    let dir = tempfile::tempdir().unwrap();
    let set = pack(&tree, dir.path(), &options()).set;
    let found = need!(stranger(dir.path(), &set));
    let losses: Vec<_> = found.iter().filter_map(|member| member["losses"].as_array()).collect();
    let losses: usize = losses.iter().map(|list| list.len()).sum();
    assert_eq!(losses as u64, sets::BROKEN_LOSSES);
}
