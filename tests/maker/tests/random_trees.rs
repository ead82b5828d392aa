//! Random volumes hold what their seed says, as ntfs-3g reads them back.

use lifeboat_maker::content::Content;
use lifeboat_maker::random::random_volume;
use lifeboat_maker::tree::Kind;
use lifeboat_maker::witness;
use support::need;

/// More of them: `SEEDS=1..200 cargo test -p lifeboat-maker --test random_trees`.
#[test]
fn random_volumes_hold_what_their_seed_says() {
    need!("fuse");
    let seeds = std::env::var("SEEDS").unwrap_or_else(|_| "1..8".to_owned());
    let (first, end) = seeds.split_once("..").expect("SEEDS=1..200");
    let scratch = tempfile::tempdir().unwrap();
    let image = scratch.path().join("random.img");
    for seed in first.parse::<u64>().unwrap()..end.parse().unwrap() {
        let volume = random_volume(seed);
        volume.make(&image).unwrap_or_else(|e| panic!("seed {seed}: {e:#}"));
        let differences = witness::differences(&image, &volume.tree).unwrap();
        assert_eq!(differences, Vec::<String>::new(), "seed {seed}");
    }
}

#[test]
fn the_witness_notices_every_kind_of_difference() {
    need!("fuse");
    let scratch = tempfile::tempdir().unwrap();
    let image = scratch.path().join("random.img");
    let volume = random_volume(2);
    volume.make(&image).unwrap();
    assert_eq!(witness::differences(&image, &volume.tree).unwrap(), Vec::<String>::new());
    let mut wrong = Vec::new();
    let mut tree = volume.tree.clone();
    tree.bytes("not there", "");
    wrong.push(tree);
    for change in 0..5 {
        let mut tree = volume.tree.clone();
        let survivor = tree
            .survivors()
            .find(|e| matches!(e.kind, Kind::File(_)) && e.facts.reparse.is_none())
            .unwrap()
            .path
            .clone();
        let entry = tree.entries.iter_mut().find(|e| e.path == survivor).unwrap();
        match change {
            0 => entry.facts.times.modified += 1,
            1 => entry.facts.security = Some(vec![1]),
            2 => entry.facts.attributes = Some(entry.facts.attributes.unwrap_or_default() ^ 2),
            3 => _ = entry.stream("never written", Content::text(1, 9)),
            _ => entry.kind = Kind::File(Content::text(99, 12345)),
        }
        wrong.push(tree);
    }
    for tree in wrong {
        assert!(!witness::differences(&image, &tree).unwrap().is_empty());
    }
}
