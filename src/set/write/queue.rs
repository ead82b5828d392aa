//! Which member of the plan comes next: all in the plan's order, then the postponed
//! ones. Good data first: bad areas of the disk are read thoroughly after everything
//! else is saved, since that may kill the disk.

use super::plan::{Plan, PlanKind};

/// The most files that are postponed: they have to be remembered.
const MAX_PUT_OFF: usize = 4096;

/// The progress through a plan.
pub(crate) struct Queue<'a> {
    plan: &'a Plan,
    /// Members that are done or postponed, in order.
    at: usize,
    /// The postponed members, in the order of the plan.
    put_off: Vec<usize>,
}

impl<'a> Queue<'a> {
    /// Resumes at a position from [`Self::place`]; `None` if it is not valid.
    pub(crate) fn new(plan: &'a Plan, (at, put_off): (u64, &[u64])) -> Option<Self> {
        let number = |place: u64| usize::try_from(place).ok();
        let put_off = put_off.iter().map(|&index| number(index)).collect::<Option<Vec<_>>>()?;
        let in_order = put_off.is_sorted_by(|a, b| a < b);
        (in_order && put_off.last().is_none_or(|&last| last < plan.len())).then_some(())?;
        Some(Self { plan, at: number(at)?, put_off })
    }

    /// The position for resuming.
    pub(crate) fn place(&self) -> (u64, Vec<u64>) {
        (self.at as u64, self.put_off.iter().map(|&index| index as u64).collect())
    }

    /// The current member's index in the plan; `None` after the last. A hard link to a
    /// postponed file has to come after it and is skipped.
    pub(crate) fn present(&mut self) -> Option<usize> {
        while self.follows_its_file() {
            self.put_off();
        }
        self.index()
    }

    /// The same without skipping.
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

    /// Whether the postponed members are being read now.
    pub(crate) fn is_late(&self) -> bool {
        self.at >= self.plan.len()
    }

    /// The number of postponed members.
    pub(crate) fn late(&self) -> usize {
        self.put_off.len()
    }

    /// Whether the current member can be postponed.
    pub(crate) fn may_put_off(&self) -> bool {
        !self.is_late() && self.put_off.len() < MAX_PUT_OFF
    }

    /// Postpones the current member and moves on to the next.
    pub(crate) fn put_off(&mut self) {
        self.put_off.push(self.at);
        self.at += 1;
    }

    /// Marks the current member as done and moves on to the next.
    pub(crate) fn done(&mut self) {
        self.at += 1;
    }
}
