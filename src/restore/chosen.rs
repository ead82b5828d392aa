//! Some files and folders of a set, as a restore's input.

use std::collections::{HashMap, HashSet};

use crate::archive::error::ArchiveError;
use crate::archive::manifest::{Data, Line, Member, MemberKind, Totals};
use crate::archive::reader::{InOrder, SetReader};
use crate::archive::rescue::Rescue;

use super::{Bytes, Input, Ordered};

/// A set of which only some members are given: those chosen, all below them,
/// and the folders above them.
pub struct Chosen {
    set: SetReader,
    /// The set's own words, but with the totals of what is chosen.
    rescue: Rescue,
    /// Without `/` at either end; empty when everything is chosen.
    paths: Vec<String>,
    missing: Vec<String>,
    /// The files that chosen links lead to and that are not chosen themselves.
    /// The first such link becomes the file, the others lead to it.
    homeless: HashSet<String>,
}

impl Chosen {
    /// Looks for `paths` in the set; `/` and `\` both part names. No path at
    /// all chooses everything.
    ///
    /// # Errors
    /// The manifest cannot be read.
    pub fn new<S: AsRef<str>>(set: SetReader, paths: &[S]) -> Result<Self, ArchiveError> {
        let paths: Vec<String> = paths
            .iter()
            .map(|path| path.as_ref().replace('\\', "/").trim_matches('/').to_owned())
            .collect();
        let rescue = set.rescue().clone();
        let mut chosen = Self { set, rescue, paths, missing: Vec::new(), homeless: HashSet::new() };
        let mut met = HashSet::new();
        let mut totals = Totals::default();
        for line in chosen.set.lines()? {
            let member = match line {
                Ok(Line::Member(member)) => member,
                Ok(_) | Err(ArchiveError::Damaged { .. }) => continue,
                Err(error) => return Err(error),
            };
            let by: Vec<usize> = (0..chosen.paths.len())
                .filter(|&at| is_at_or_below(&member.path, &chosen.paths[at]))
                .collect();
            if by.is_empty() && !chosen.paths.is_empty() {
                continue;
            }
            count(&mut totals, &member);
            if let Some(target) = &member.link_to
                && !chosen.takes(target)
            {
                chosen.homeless.insert(target.clone());
            }
            met.extend(by);
        }
        chosen.rescue.totals = totals;
        chosen.missing = (0..chosen.paths.len())
            .filter(|at| !met.contains(at))
            .map(|at| chosen.paths[at].clone())
            .collect();
        Ok(chosen)
    }

    /// The paths that nothing in the set has.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    fn takes(&self, path: &str) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|chosen| is_at_or_below(path, chosen))
    }

    fn leads_to_chosen(&self, path: &str) -> bool {
        self.paths.iter().any(|chosen| is_at_or_below(chosen, path))
    }
}

fn count(totals: &mut Totals, member: &Member) {
    match member.kind {
        MemberKind::File => totals.files += 1,
        MemberKind::Directory => totals.directories += 1,
        MemberKind::Link => totals.links += 1,
    }
    let streams = member.data.iter().chain(member.streams.iter().map(|stream| &stream.data));
    totals.bytes = streams.fold(totals.bytes, |sum, data| sum.saturating_add(data.size));
    totals.streams += member.streams.len() as u64;
    totals.losses += member.losses.len() as u64;
}

fn is_at_or_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Input for Chosen {
    fn rescue(&self) -> &Rescue {
        &self.rescue
    }

    fn in_order(&self) -> Result<Box<dyn Ordered + '_>, ArchiveError> {
        let all = self.set.in_order()?;
        Ok(Box::new(ChosenInOrder { chosen: self, all, homes: HashMap::new() }))
    }
}

struct ChosenInOrder<'a> {
    chosen: &'a Chosen,
    all: InOrder,
    /// Files that are not chosen but have a chosen link, and, once that link
    /// came, the path that stands for them.
    homes: HashMap<String, Home>,
}

enum Home {
    Waiting(Box<Member>),
    At(String, Option<String>),
}

impl ChosenInOrder<'_> {
    /// A chosen link whose file is not chosen: becomes the file, or leads to
    /// the link that did.
    fn rehouse(&mut self, mut link: Member) -> Member {
        let Some(target) = &link.link_to else { return link };
        match self.homes.get_mut(target) {
            Some(Home::At(path, raw)) => {
                link.link_to = Some(path.clone());
                link.raw_link_to.clone_from(raw);
                link
            }
            Some(home) => {
                let here = Home::At(link.path.clone(), link.raw_path.clone());
                match std::mem::replace(home, here) {
                    Home::Waiting(file) => {
                        Member { path: link.path, raw_path: link.raw_path, ..*file }
                    }
                    Home::At(..) => link,
                }
            }
            None => link,
        }
    }
}

impl Ordered for ChosenInOrder<'_> {
    fn next_member(&mut self) -> Option<Result<Member, ArchiveError>> {
        loop {
            let member = match self.all.next_member()? {
                Ok(member) => member,
                Err(error) => return Some(Err(error)),
            };
            if self.chosen.homeless.contains(&member.path) {
                self.homes.insert(member.path.clone(), Home::Waiting(Box::new(member)));
            } else if self.chosen.takes(&member.path) {
                return Some(Ok(self.rehouse(member)));
            } else if member.kind == MemberKind::Directory
                && self.chosen.leads_to_chosen(&member.path)
            {
                return Some(Ok(member));
            }
        }
    }

    fn data<'a>(&'a mut self, data: &Data) -> Box<dyn Bytes + 'a> {
        Box::new(self.all.data(data))
    }
}
