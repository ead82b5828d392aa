//! The disk of the demo: a laptop with two volumes whose re-image failed, and a
//! family's worth of data in the store.

use crate::content::Content;
use crate::disk::{DiskSpec, Partition, Purpose, Scheme};
use crate::fixtures::{ExpectedPart, ExpectedStore, Fixture};
use crate::path::TreePath;
use crate::people::{Desk, Person, mail, office, pdf, photo};
use crate::rng::Rng;
use crate::store::{self, Capture, StoreKind};
use crate::tree::TreeSpec;
use crate::volume::VolumeSpec;
use crate::wipe::{Leftovers, wipe};

const MIB: u64 = 1024 * 1024;

/// The disk, with about `megabytes` of user data over both volumes.
pub fn demo(megabytes: u64) -> Fixture {
    let data = megabytes.max(8) * MIB;
    let ids = [('C', store::guid(71)), ('D', store::guid(72))];
    let usmt = TreePath::from("StateStore/USMT");
    let alice = Person::new("alice", 1104, 70);
    let bob = Person::new("bob", 1105, 71);

    // Room for the data, for a Windows half deleted, and for NTFS itself.
    let mut system = VolumeSpec::new("OSDisk", (data * 7 / 10 + 64 * MIB).next_multiple_of(MIB));
    let tree = &mut system.tree;
    for (person, share) in [(&alice, 4), (&bob, 2)] {
        person.small_profile(tree);
        lively(person, tree, person.home(), data * share / 10);
        person.old_junctions(tree);
    }
    let left = Leftovers { computer: "LAPTOP-0815", seed: 70 };
    let mut kept = left.before_wipe(tree);
    store::capture(tree, &usmt, 'C', &[alice.home(), bob.home()], Capture::Link);
    store::markers(tree, &usmt, 70, true);
    store::hardlink_main(tree, &usmt, &ids);
    kept.push("StateStore".into());
    kept.push(alice.home().join("AppData/Local/Microsoft/Outlook"));
    wipe(tree, &kept);
    left.after_wipe(tree);

    let mut second = VolumeSpec::new("Data", (data * 5 / 10 + 32 * MIB).next_multiple_of(MIB));
    let tree = &mut second.tree;
    alice.small_projects(tree, "Projects");
    lively(&alice, tree, "Projects/House".into(), data * 4 / 10);
    store::capture(tree, &usmt, 'D', &["Projects".into()], Capture::Link);
    store::hardlink_distributed(tree, &usmt, &ids[1].1);

    let partitions = vec![
        Partition::raw("Microsoft reserved partition", Purpose::Reserved, Vec::new(), 16 * MIB),
        Partition::ntfs(system),
        Partition::ntfs(second),
    ];
    Fixture {
        name: "demo",
        about: "GPT: a laptop after a failed re-image, two users, C: and D:",
        disk: DiskSpec::new(Scheme::Gpt, partitions),
        stores: vec![ExpectedStore::whole(
            StoreKind::HardLink,
            vec![ExpectedPart::primary(1, 'C', &usmt), ExpectedPart::secondary(2, 'D', &usmt)],
        )],
    }
}

/// Fills `home` with `bytes` of what people have: mostly photos, some mail and
/// documents, many small texts.
fn lively(person: &Person, tree: &mut TreeSpec, home: TreePath, bytes: u64) {
    let mut rng = Rng::from_text(person.seed, home.as_bytes());
    let mut desk = Desk::new(person, tree, home);
    let mut left = bytes;
    let mut number = 0;
    while left > 20_000 {
        number += 1;
        let year = rng.between(2014, 2023);
        let seed = rng.next_u64();
        let (name, content) = match rng.below(20) {
            0..8 => {
                let name = format!("Pictures/{year}/IMG_{number:05}.JPG");
                (name, photo(seed, rng.between(80_000, 900_000).min(left)))
            }
            8..11 => {
                let name = format!("Documents/{year}/Report {number}.docx");
                (name, office(seed, rng.between(9_000, 120_000).min(left)))
            }
            11..13 => {
                let name = format!("Documents/Invoices/{year}/Invoice {number:04}.pdf");
                (name, pdf(seed, rng.between(20_000, 90_000).min(left)))
            }
            13 if left > bytes / 4 => {
                let name = format!("AppData/Local/Microsoft/Outlook/archive {year} {number}.pst");
                (name, mail(seed, (left / 12).min(12_000_000)))
            }
            _ => {
                let name = format!("Documents/Notes/{year}/note {number}.txt");
                (name, Content::text(seed, rng.between(100, 18_000)))
            }
        };
        left = left.saturating_sub(content.len());
        desk.put(&name, content);
    }
}
