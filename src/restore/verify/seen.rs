//! A restored file during the read-back: through one open handle if the host
//! supports it ([`HostTree::look_at`] on Linux), otherwise call by call.

#[cfg(target_os = "linux")]
use std::fs::File;

use crate::model::metadata::{Metadata, Node, NodeId, Times};
use crate::model::name::NtName;
use crate::restore::place::{Fact, FactKind};
use crate::restore::platform::Root;
use crate::set::format::manifest::Member;
use crate::tree::host::HostTree;
use crate::tree::{Stream, Tree, TreeError};

/// The metadata read so far.
pub(super) struct Seen {
    pub(super) node: Node,
    facts: Option<Metadata>,
    data: Option<Box<dyn Stream>>,
    /// The file, open for reading.
    #[cfg(target_os = "linux")]
    file: Option<File>,
}

impl Seen {
    /// Reads a name in a folder, with as much metadata as the set has of the member; with
    /// `streams`, also the names of its streams.
    pub(super) fn look(
        tree: &HostTree,
        folder: NodeId,
        name: &NtName,
        member: &Member,
        streams: bool,
    ) -> Result<Self, TreeError> {
        #[cfg(target_os = "linux")]
        if member.kind == crate::set::format::manifest::MemberKind::File {
            let wanted = crate::tree::host::Wanted {
                security: member.security.is_some(),
                object_id: member.object_id.is_some(),
                extended_attributes: member.extended_attributes.is_some(),
                short_name: member.short_name.is_some(),
                streams, // those of the set are read by name
            };
            if let Some(looked) = tree.look_at(folder, name, wanted)? {
                let (facts, data, file) = (looked.facts, looked.data, looked.file);
                let (facts, data, file) = (Some(facts), Some(data), Some(file));
                return Ok(Self { node: looked.node, facts, data, file });
            }
        }
        let _ = (member, streams);
        let node = tree.node(tree.below(folder, name)?)?;
        Ok(Self {
            node,
            facts: None,
            data: None,
            #[cfg(target_os = "linux")]
            file: None,
        })
    }

    pub(super) fn facts(&mut self, tree: &HostTree, name: &NtName) -> Result<Metadata, TreeError> {
        match self.facts.take() {
            Some(facts) => Ok(facts),
            None => tree.facts(self.node.id, Some(name)),
        }
    }

    /// Its unnamed stream.
    pub(super) fn data(&mut self, tree: &HostTree) -> Result<Box<dyn Stream>, TreeError> {
        match self.data.take() {
            Some(data) => Ok(data),
            None => tree.open(self.node.id, None),
        }
    }

    /// Sets its times again, since reading may have changed them.
    #[cfg_attr(not(target_os = "linux"), allow(clippy::unused_self))] // only by path there
    pub(super) fn put_times_back(
        &self,
        root: &mut Root,
        at: &[NtName],
        times: Times,
        failed: &mut dyn FnMut(FactKind, std::io::Error),
    ) -> std::io::Result<()> {
        #[cfg(target_os = "linux")]
        if let Some(file) = &self.file {
            return crate::restore::platform::put_times_back(file, times);
        }
        root.set(at, &[Fact::Times(times)], failed)
    }
}
