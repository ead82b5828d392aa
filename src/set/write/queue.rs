//! Which member of the plan comes next: all in the plan's order, then those that
//! were put off. Good data first: what lies on a bad place of the disk is read in
//! earnest when all else is saved, for that may be the end of the disk.

use super::plan::{Plan, PlanKind};

/// Files that are put off at most: they have to be remembered.
const MAX_PUT_OFF: usize = 4096;

/// A plan on its way.
pub(crate) struct Queue<'a> {
    plan: &'a Plan,
    /// Members that are done or were put off, in the order in which they come.
    at: usize,
    /// What comes at the end, in the order of the plan.
    put_off: Vec<usize>,
}

impl<'a> Queue<'a> {
    /// Goes on at a place that [`Self::place`] told; `None` if it makes no sense.
    pub(crate) fn new(plan: &'a Plan, (at, put_off): (u64, &[u64])) -> Option<Self> {
        let number = |place: u64| usize::try_from(place).ok();
        let put_off = put_off.iter().map(|&index| number(index)).collect::<Option<Vec<_>>>()?;
        let in_order = put_off.is_sorted_by(|a, b| a < b);
        (in_order && put_off.last().is_none_or(|&last| last < plan.len())).then_some(())?;
        Some(Self { plan, at: number(at)?, put_off })
    }

    /// Where to go on.
    pub(crate) fn place(&self) -> (u64, Vec<u64>) {
        (self.at as u64, self.put_off.iter().map(|&index| index as u64).collect())
    }

    /// The present member's place in the plan; `None` behind the last. A further
    /// link of a file that was put off has to stand behind it and is passed over.
    pub(crate) fn present(&mut self) -> Option<usize> {
        while self.follows_its_file() {
            self.put_off();
        }
        self.index()
    }

    /// The same without passing over anything.
    pub(crate) fn index(&self) -> Option<usize> {
        match self.at.checked_sub(self.plan.len()) {
            None => Some(self.at),
            Some(late) => self.put_off.get(late).copied(),
        }
    }

    fn follows_its_file(&self) -> bool {
        if self.put_off.is_empty() || self.is_late() {
            return false;
        }
        match self.plan.member(self.at).map(|planned| planned.kind) {
            Some(PlanKind::Link(file)) => self.put_off.binary_search(&file).is_ok(),
            _ => false,
        }
    }

    /// Whether the members that were put off have their turn now.
    pub(crate) fn is_late(&self) -> bool {
        self.at >= self.plan.len()
    }

    /// How many were put off.
    pub(crate) fn late(&self) -> usize {
        self.put_off.len()
    }

    /// Whether the present member may be put off.
    pub(crate) fn may_put_off(&self) -> bool {
        !self.is_late() && self.put_off.len() < MAX_PUT_OFF
    }

    /// Puts the present member off, on to the next.
    pub(crate) fn put_off(&mut self) {
        self.put_off.push(self.at);
        self.at += 1;
    }

    /// The present member is done, on to the next.
    pub(crate) fn done(&mut self) {
        self.at += 1;
    }
}
