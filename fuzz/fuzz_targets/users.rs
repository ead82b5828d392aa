//! A SOFTWARE hive and a user's hive of any bytes: the users that they give have a
//! folder of the volume or none, and their names come from paths on a drive.

use std::sync::Arc;

use lifeboat::model::monitor::Silent;
use lifeboat::profiles::{Contents, find};
use lifeboat::tree::memory::{MemoryData, MemoryTree};
use lifeboat::usmt::StoreVolume;

pub(crate) fn run(data: &[u8]) {
    let mut tree = MemoryTree::new("Windows", 1);
    tree.file("Windows/System32/config/SOFTWARE", MemoryData::new(data.to_vec()));
    tree.file("Users/alice/NTUSER.DAT", MemoryData::new(data.to_vec()));
    let volume = StoreVolume {
        tree: Arc::new(tree),
        display: "memory".to_owned(),
        present_letter: None,
        attached: false,
        disk: "memory".to_owned(),
        is_lost: false,
    };
    for one in find(std::slice::from_ref(&volume), &Silent) {
        for profile in &one.profiles {
            assert!(profile.path.get(1..3) == Some(":\\"), "{}", profile.path);
            assert!(!profile.path.split('\\').any(|name| name == ".."), "{}", profile.path);
            Contents::of(profile, std::slice::from_ref(&volume), &Silent);
        }
    }
}
