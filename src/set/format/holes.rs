//! The holes of one stream while it is copied, perhaps in two runs.

use super::manifest::HoleLine;
use crate::model::loss::Hole;

/// Holes that are kept separately; all further ones are combined into one.
const MAX_HOLES: usize = 4096;

/// The holes of one stream.
pub(crate) struct Holes {
    /// From before an interruption.
    earlier: Vec<HoleLine>,
    /// Where the current run began.
    from: u64,
    /// Reported by the stream since.
    seen: Vec<HoleLine>,
    /// The unreadable end, if any.
    rest: Option<HoleLine>,
}

impl Holes {
    pub(crate) fn new(mut earlier: Vec<HoleLine>, from: u64) -> Self {
        // What was given up after that position is tried again.
        for hole in &mut earlier {
            hole.length = hole.length.min(from.saturating_sub(hole.offset));
        }
        Self { earlier, from, seen: Vec::new(), rest: None }
    }

    /// Takes the stream's holes up to byte `to`. The stream may extend its last hole, so
    /// that one is read again.
    pub(crate) fn see(&mut self, told: &[Hole], to: u64) {
        let known = self.seen.len().saturating_sub(1).min(told.len());
        self.seen.truncate(known);
        for hole in &told[known..] {
            let start = hole.offset.max(self.from);
            let end = hole.offset.saturating_add(hole.length).min(to);
            // A hole before `from` stays as an empty one, so that the indices in both
            // lists match.
            let length = end.saturating_sub(start);
            self.seen.push(HoleLine { offset: start, length, reason: hole.reason.clone() });
        }
    }

    /// Records everything from `at` to the stream's end at `size` as lost.
    pub(crate) fn rest(&mut self, at: u64, size: u64, reason: &str) {
        if self.rest.is_none() {
            let length = size.saturating_sub(at);
            self.rest = Some(HoleLine { offset: at, length, reason: reason.to_owned() });
        }
    }

    /// The holes in order; adjacent ones with the same reason are merged.
    pub(crate) fn lines(&self) -> Vec<HoleLine> {
        let mut lines: Vec<HoleLine> = Vec::new();
        let all = self.earlier.iter().chain(&self.seen).chain(&self.rest);
        for hole in all.filter(|hole| hole.length > 0) {
            let full = lines.len() >= MAX_HOLES;
            match lines.last_mut() {
                Some(last)
                    if last.offset + last.length == hole.offset && last.reason == hole.reason =>
                {
                    last.length += hole.length;
                }
                Some(last) if full => {
                    last.length = (hole.offset - last.offset).saturating_add(hole.length);
                    "many ranges, with readable data between them".clone_into(&mut last.reason);
                }
                _ => lines.push(hole.clone()),
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hole(offset: u64, length: u64) -> Hole {
        Hole { offset, length, reason: "bad".to_owned() }
    }

    fn ranges(holes: &Holes) -> Vec<(u64, u64)> {
        holes.lines().iter().map(|h| (h.offset, h.length)).collect()
    }

    #[test]
    fn holes_grow_and_join() {
        let mut holes = Holes::new(Vec::new(), 0);
        holes.see(&[hole(10, 5)], 12);
        assert_eq!(ranges(&holes), [(10, 2)]);
        holes.see(&[hole(10, 5)], 20);
        holes.see(&[hole(10, 8), hole(18, 2), hole(30, 1)], 40);
        assert_eq!(ranges(&holes), [(10, 10), (30, 1)]);
        holes.rest(50, 100, "gone");
        assert_eq!(ranges(&holes), [(10, 10), (30, 1), (50, 50)]);
    }

    #[test]
    fn an_interruption_leaves_no_trace() {
        let mut before = Holes::new(Vec::new(), 0);
        before.see(&[hole(10, 20)], 16);
        // Whether the stream tells of the hole that it skipped into or not.
        for told in [hole(10, 20), hole(16, 14)] {
            let mut after = Holes::new(before.lines(), 16);
            after.see(&[hole(0, 3), told], 100);
            assert_eq!(ranges(&after), [(10, 20)]);
        }
    }

    #[test]
    fn a_lost_rest_is_the_same_after_an_interruption() {
        let mut before = Holes::new(Vec::new(), 0);
        before.rest(20, 100, "gone");
        let mut after = Holes::new(before.lines(), 50);
        after.rest(50, 100, "gone");
        assert_eq!(after.lines(), before.lines());
    }

    #[test]
    fn too_many_holes_become_one_large_one() {
        let told: Vec<Hole> = (0..5000).map(|i| hole(i * 2, 1)).collect();
        let mut holes = Holes::new(Vec::new(), 0);
        holes.see(&told, u64::MAX);
        let lines = holes.lines();
        assert_eq!(lines.len(), MAX_HOLES);
        assert_eq!(lines[MAX_HOLES - 1].offset + lines[MAX_HOLES - 1].length, 9999);
    }
}
