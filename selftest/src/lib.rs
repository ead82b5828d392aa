//! `lifeboat-selftest.exe`: one command that shows on a real Windows what
//! `lifeboat.exe` finds, saves and restores there.
//!
//! It makes disks of its own in files, fills them by Windows' own calls with every
//! kind of metadata of docs/reference/what-is-kept.md, runs the real program over
//! them, and compares what came back, again by its own calls: it shares no code with
//! what it tests. Each row of docs/guide/windows.md gets an [`outcome::Outcome`].
//!
//! | module | |
//! |---|---|
//! | [`rows`] | the rows, by their names in the documents |
//! | [`outcome`] | pass, fail, not possible here; what was seen in which run |
//! | [`facts`] | everything that is known of a file, and the comparison of two trees |
//! | [`events`] | what `lifeboat --json` printed |
//! | [`plan`] | the disks and volumes, scripts for diskpart, drive letters |
//! | [`made`] | what this run has made, so that it can be removed after a crash |
//! | [`report`] | the text and the JSON file, without personal data |
//! | `windows` | Windows' calls |
//! | `run` | the order of it all |

pub mod args;
pub mod events;
pub mod facts;
pub mod made;
pub mod outcome;
pub mod plan;
pub mod report;
pub mod rows;
#[cfg(windows)]
pub mod run;
#[cfg(windows)]
pub mod windows;
