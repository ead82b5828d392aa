//! The wipe that a task sequence runs before it applies an image, and what is on
//! the disk when it fails half-way.

use std::collections::BTreeSet;

use crate::content::Content;
use crate::hive;
use crate::path::TreePath;
use crate::rng::Rng;
use crate::store::guid;
use crate::tree::TreeSpec;

/// Removes everything that is not one of `kept`, below one of them or above one.
/// Files go before their folders; their records stay on the disk, deleted.
pub fn wipe(tree: &mut TreeSpec, kept: &[TreePath]) {
    let stays = |path: &TreePath| {
        kept.iter().any(|keep| path.below(keep).is_some() || keep.below(path).is_some())
    };
    let gone: BTreeSet<TreePath> = tree.removed.iter().cloned().collect();
    let going: Vec<TreePath> = tree
        .entries
        .iter()
        .rev()
        .map(|entry| &entry.path)
        .filter(|path| !stays(path) && !gone.contains(path))
        .cloned()
        .collect();
    tree.removed.extend(going);
}

/// What stands around a store after the wipe failed.
#[derive(Clone, Copy, Debug)]
pub struct Leftovers {
    /// The old Windows' computer name.
    pub computer: &'static str,
    /// What made-up contents follow from.
    pub seed: u64,
}

impl Leftovers {
    /// Makes the Windows folder and the root's files. Gives what the wipe will
    /// not have got at, to which the caller adds.
    pub fn before_wipe(&self, tree: &mut TreeSpec) -> Vec<TreePath> {
        let hive = hive::system_with_computer_name(self.computer).unwrap_or_default();
        tree.bytes("Windows/System32/config/SYSTEM", hive);
        tree.file("Windows/System32/config/SOFTWARE", Content::noise(self.seed, 300));
        tree.file("Windows/System32/ntoskrnl.exe", Content::noise(self.seed + 1, 900));
        for number in 0..12 {
            let name = format!("Windows/WinSxS/Manifests/amd64_component_{number:04}.manifest");
            tree.file(name, Content::text(self.seed + number, 200));
            tree.file(format!("Windows/Fonts/font{number}.ttf"), Content::text(number, 150));
        }
        tree.file("Program Files/Vendor/app.exe", Content::noise(self.seed + 2, 700));
        tree.bytes("pagefile.sys", "").attributes(0x26);
        tree.bytes(
            "_SMSTSVolumeID.7159644d-f741-45d5-ab29-0ad8aa4771ca",
            format!("[SMS]\r\nVolumeID={}\r\n", guid(self.seed)),
        )
        .attributes(0x22);
        [
            "_SMSTaskSequence",
            "_SMSTSVolumeID.7159644d-f741-45d5-ab29-0ad8aa4771ca",
            "Windows/System32/config/SYSTEM",
            "Windows/WinSxS",
        ]
        .map(TreePath::from)
        .to_vec()
    }

    /// Writes the logs, which are the last thing that happens.
    pub fn after_wipe(&self, tree: &mut TreeSpec) {
        let logs = TreePath::from("_SMSTaskSequence/Logs");
        tree.bytes(logs.join("Smsts.log"), self.task_sequence_log());
        tree.bytes(logs.join("scanstate.log"), self.scanstate_log());
    }

    /// Lines as CMTrace shows them. The two about deleting are messages of
    /// ConfigMgr's own; the rest of the log is left out.
    fn task_sequence_log(&self) -> String {
        let mut rng = Rng::new(self.seed);
        let messages = [
            ("Start executing an instruction. Instruction name: 'Wipe disk'", 1),
            (
                "Unable to delete directory C:\\Users\\alice\\AppData\\Local\\Microsoft\\Outlook (0x80070091). Continuing.",
                2,
            ),
            (
                "Unable to delete directory C:\\Users\\alice\\AppData\\Local (0x80070091). Continuing.",
                2,
            ),
            ("Successfully wiped C:\\", 1),
        ];
        let lines = messages.map(|(message, kind)| {
            format!(
                "<![LOG[{message}]LOG]!><time=\"15:{:02}:{:02}.{:03}+000\" date=\"11-14-2023\" \
                 component=\"ApplyOperatingSystem\" context=\"\" type=\"{kind}\" thread=\"1340\" \
                 file=\"installcommon.cpp:734\">\r\n",
                rng.below(60),
                rng.below(60),
                rng.below(1000)
            )
        });
        lines.concat()
    }

    fn scanstate_log(&self) -> String {
        format!(
            "2023-11-14 15:02:11, Info  [0x000000] USMT Started at 2023/11/14:15:02:11.401\r\n\
             2023-11-14 15:02:11, Info  [0x000000] Command line: scanstate.exe \
             C:\\_SMSTaskSequence\\UserState /o /c /hardlink /nocompress /i:migdocs.xml\r\n\
             2023-11-14 15:02:12, Info  [0x000000] Computer: {}\r\n\
             2023-11-14 15:09:40, Info  [0x000000] USMT Completed at 2023/11/14:15:09:40.112\r\n",
            self.computer
        )
    }
}
