//! A million files pass through a set within bounded memory.
#![cfg(target_os = "linux")]

use std::sync::Arc;

use lifeboat::model::loss::Hole;
use lifeboat::model::metadata::{FileTime, Metadata, Node, NodeId, NodeKind, Times};
use lifeboat::model::monitor::Silent;
use lifeboat::model::name::NtName;
use lifeboat::set::format::kinds::{PartRole, SetKind};
use lifeboat::set::format::rescue::What;
use lifeboat::set::read::verify::{Level, verify_set};
use lifeboat::set::write::plan::{Plan, PlanPart};
use lifeboat::set::write::writer::offload;
use lifeboat::tree::{Entry, Stream, Tree, TreeError, TreeInfo, Via};
use support::made_set::descriptor_and;
use support::memory::{alone, peak_mib};
use support::sets;

/// Files in each folder.
const FILES: u64 = 1000;

/// So many folders of a thousand files, computed when they are asked for.
struct Endless(TreeInfo, u64);

struct Short(u64);

impl Stream for Short {
    fn len(&self) -> u64 {
        20
    }
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, TreeError> {
        let n = buf.len().min(usize::try_from(20 - self.0).unwrap());
        buf[..n].fill(b'x');
        self.0 += n as u64;
        Ok(n)
    }
    fn skip(&mut self, bytes: u64) -> Result<(), TreeError> {
        self.0 += bytes;
        Ok(())
    }
    fn holes(&self) -> &[Hole] {
        &[]
    }
}

impl Tree for Endless {
    fn info(&self) -> &TreeInfo {
        &self.0
    }
    fn root(&self) -> NodeId {
        NodeId(0)
    }
    fn node(&self, id: NodeId) -> Result<Node, TreeError> {
        let is_file = id.0 >= 1 << 32;
        let time = FileTime(133_000_000_000_000_000 + id.0);
        Ok(Node {
            id,
            kind: if is_file { NodeKind::File } else { NodeKind::Directory },
            attributes: 0x20,
            times: Times { created: time, modified: time, changed: time, accessed: time },
            size: if is_file { 20 } else { 0 },
            allocated: 0,
            links: 2,
            reparse_tag: None,
            position: is_file.then_some(id.0.wrapping_mul(0x9E37_79B9) % (1 << 40)),
        })
    }
    fn children(&self, id: NodeId) -> Result<Vec<Entry>, TreeError> {
        let entry = |name: String, node| Entry { name: NtName::from(name.as_str()), node };
        Ok(match id.0 {
            0 => vec![entry("StateStore".to_owned(), NodeId(1))],
            1 => {
                (0..self.1).map(|i| entry(format!("folder number {i:04}"), NodeId(2 + i))).collect()
            }
            n if n < 1 << 32 => (0..FILES)
                .map(|i| entry(format!("a file with a name {i:04}.docx"), NodeId((n << 32) + i)))
                .collect(),
            _ => Vec::new(),
        })
    }
    fn facts(&self, _: NodeId, _: Option<&NtName>) -> Result<Metadata, TreeError> {
        Ok(Metadata { security: Some(descriptor_and(&[1; 120])), ..Metadata::default() })
    }
    fn open(&self, _: NodeId, _: Option<&NtName>) -> Result<Box<dyn Stream>, TreeError> {
        Ok(Box::new(Short(0)))
    }
}

/// See [`peak_mib`].
fn peak() -> u64 {
    peak_mib().unwrap()
}

fn plan(folders: u64) -> Plan {
    let info = TreeInfo {
        via: Via::Memory,
        source: "memory".to_owned(),
        file_system: "NTFS".to_owned(),
        label: String::new(),
        serial: None,
        cluster_bytes: 4096,
    };
    let part = PlanPart {
        tree: Arc::new(Endless(info, folders)),
        drive: "C".to_owned(),
        drive_from: String::new(),
        path: "StateStore".into(),
        role: PartRole::Folder,
        take: vec!["StateStore".into()],
        skip: Vec::new(),
        user: None,
    };
    let plan = Plan::make(vec![part], &Silent).unwrap();
    assert_eq!(plan.totals().files, folders * FILES);
    plan
}

#[test]
fn a_million_files_fit() {
    if !alone("memory::a_million_files_fit") {
        return;
    }
    let before = peak();
    let million = plan(1000);
    assert!(peak() - before < 100, "the plan took {} MiB", peak() - before);

    // Packing and verifying hold frames and the seek table, not the files: a
    // tenth shows as much in a tenth of the time. The large plan stays.
    let target_dir = tempfile::tempdir().unwrap();
    let target = sets::target(target_dir.path());
    let options = lifeboat::set::write::writer::OffloadOptions {
        what: What::Folder,
        kind: SetKind::Folder,
        ..Default::default()
    };
    let outcome = offload(&plan(100), &*target, &options, &Silent).unwrap();
    assert!(peak() < 256, "packing took {} MiB", peak());
    let verified = verify_set(target, &outcome.set, Level::Full, &Silent).unwrap();
    assert_eq!((verified.damage, verified.totals), (0, outcome.rescue.totals));
    assert!(peak() < 256, "verifying took {} MiB", peak());
    assert_eq!(million.len(), 1_001_002);
}
