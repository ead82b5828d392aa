//! The members of a set, without their places in it: for comparing two sets.

use std::collections::BTreeMap;

use lifeboat::set::format::manifest::{At, Line, Member};
use lifeboat::set::read::reader::SetReader;

/// By path.
pub fn of(set: &SetReader) -> BTreeMap<String, Member> {
    let mut members = BTreeMap::new();
    for line in set.lines().unwrap() {
        let Line::Member(mut member) = line.unwrap() else { continue };
        member.start = At::default();
        member.data.iter_mut().for_each(|data| data.at = None);
        member.streams.iter_mut().for_each(|stream| stream.data.at = None);
        members.insert(member.path.clone(), *member);
    }
    members
}
