//! The lines of a manifest, or what takes their place if it is not whole.

use std::collections::VecDeque;

use super::in_order::InOrder;
use super::lines::Lines;
use crate::set::error::SetError;
use crate::set::format::manifest::Line;

/// See [`SetReader::lines`](super::reader::SetReader::lines).
pub enum AllLines {
    /// The manifest is whole; what is wrong with the set comes first.
    Manifest(VecDeque<SetError>, Lines),
    /// It is not: its members, and those that only the tar has.
    Tar(Box<InOrder>),
}

impl Iterator for AllLines {
    type Item = Result<Line, SetError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Manifest(faults, lines) => match faults.pop_front() {
                Some(fault) => Some(Err(fault)),
                None => lines.next(),
            },
            Self::Tar(members) => {
                let member = members.next_member()?;
                Some(member.map(|member| Line::Member(Box::new(member))))
            }
        }
    }
}
