//! The steps of a command, for "2 of 4" in its progress.

use crate::model::monitor::Stage;

/// Where a command is on its way; without steps, it does not say so.
#[derive(Default)]
pub(super) struct Steps {
    all: &'static [&'static [Stage]],
    /// Whether the current set is being copied, or was.
    is_copied: bool,
}

impl Steps {
    /// The steps of a command.
    pub(super) fn of(command: &str) -> Self {
        use Stage::{Copy, Detect, Metadata, Plan, ReadBack, Restore, Scan};
        let all: &'static [&'static [Stage]] = match command {
            "offload" => &[&[Scan, Detect], &[Plan], &[Copy], &[ReadBack]],
            "restore" => &[&[Restore], &[Metadata], &[ReadBack]],
            _ => &[],
        };
        Self { all, is_copied: false }
    }

    /// `3 of 4: `; empty if the stage is none of the steps.
    pub(super) fn go_to(&mut self, stage: Stage) -> String {
        // What an earlier run left is read back before the copy goes on.
        let is_resuming = stage == Stage::ReadBack
            && !self.is_copied
            && self.all.iter().any(|step| step.contains(&Stage::Copy));
        match stage {
            Stage::Plan => self.is_copied = false,
            Stage::Copy => self.is_copied = true,
            _ => {}
        }
        let stage = if is_resuming { Stage::Copy } else { stage };
        match self.all.iter().position(|step| step.contains(&stage)) {
            Some(at) => format!("{} of {}: ", at + 1, self.all.len()),
            None => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offload_has_four_steps_whether_it_resumes_or_not() {
        use Stage::{Copy, Detect, Plan, ReadBack, Scan};
        let said = |stages: &[Stage]| {
            let mut steps = Steps::of("offload");
            stages.iter().map(|stage| steps.go_to(*stage)).collect::<Vec<_>>().concat()
        };
        assert_eq!(
            said(&[Scan, Detect, Plan, Copy, ReadBack]),
            "1 of 4: 1 of 4: 2 of 4: 3 of 4: 4 of 4: "
        );
        assert_eq!(said(&[Plan, ReadBack, Copy, ReadBack]), "2 of 4: 3 of 4: 3 of 4: 4 of 4: ");
        assert_eq!(Steps::of("detect").go_to(Scan), "");
    }
}
