//! The committed fixtures hold what the maker says, and it still makes them.

use std::path::Path;

use anyhow::Result;
use lifeboat_maker::content::Content;
use lifeboat_maker::disk::copy_partition;
use lifeboat_maker::fixtures::{self, Fixture};
use lifeboat_maker::tree::Kind;
use lifeboat_maker::volume::VolumeSpec;
use lifeboat_maker::{acceptance, demo, expected, fixture, pack, witness};
use support::need;

/// What differs between the image and the data it is made from.
fn differences(fixture: &Fixture, image: &Path) -> Result<Vec<String>> {
    let scratch = tempfile::tempdir()?;
    let extents = fixture.disk.extents();
    let mut found = Vec::new();
    for (partition, volume) in fixture.disk.volumes() {
        let part = scratch.path().join("volume.img");
        copy_partition(image, extents[partition], &part)?;
        found.extend(witness::differences(&part, &volume.tree)?);
    }
    Ok(found)
}

#[test]
fn the_committed_fixtures_hold_what_the_maker_says() {
    need!("fuse");
    for made in fixtures::all() {
        let image = fixture(made.name).unwrap();
        assert_eq!(differences(&made, &image).unwrap(), Vec::<String>::new(), "{}", made.name);
    }
}

#[test]
fn the_maker_still_makes_them() {
    need!("fuse");
    let scratch = tempfile::tempdir().unwrap();
    for made in fixtures::all() {
        let image = scratch.path().join("fixture.img");
        made.make(&image).unwrap();
        assert_eq!(differences(&made, &image).unwrap(), Vec::<String>::new(), "{}", made.name);
        assert_eq!(
            image.metadata().unwrap().len(),
            fixture(made.name).unwrap().metadata().unwrap().len()
        );
    }
}

#[test]
fn the_larger_disks_hold_what_the_maker_says() {
    need!("fuse");
    let scratch = tempfile::tempdir().unwrap();
    let image = scratch.path().join("large.img");
    for made in [acceptance::acceptance(), demo::demo(10)] {
        made.make(&image).unwrap();
        assert_eq!(differences(&made, &image).unwrap(), Vec::<String>::new(), "{}", made.name);
    }
}

#[test]
fn volumes_have_the_smallest_and_the_largest_clusters() {
    need!("fuse");
    let scratch = tempfile::tempdir().unwrap();
    let image = scratch.path().join("volume.img");
    for (sector, cluster) in [(512, 512), (512, 2 << 20), (4096, 4096), (4096, 2 << 20)] {
        let mut volume = VolumeSpec::new("clusters", 200 << 20);
        (volume.sector, volume.cluster) = (sector, cluster);
        volume.tree.file("a folder/a file.txt", Content::text(1, 5_000_000));
        volume.make(&image).unwrap();
        let found = witness::differences(&image, &volume.tree).unwrap();
        assert_eq!(found, Vec::<String>::new(), "clusters of {cluster}");
    }
}

#[test]
fn what_the_wipe_took_from_a_store_still_lies_on_the_disk() {
    let image = std::fs::read(fixture("leftovers").unwrap()).unwrap();
    let lost = expected("leftovers").unwrap().lost;
    assert_eq!(lost.len(), 2);
    let made = fixtures::by_name("leftovers").unwrap();
    for file in lost {
        let (_, volume) = made.disk.volumes().find(|(at, _)| *at == file.partition).unwrap();
        let entry = volume.tree.get(&file.path).unwrap();
        let Kind::File(content) = &volume.tree.file_of(entry).kind else { panic!("no file") };
        let start = &content.to_vec().unwrap()[..512];
        let is_there = image.chunks(512).any(|sector| sector == start);
        assert!(is_there, "{} is overwritten", file.path);
    }
}

#[test]
fn the_list_of_fixtures_names_each_and_no_packed_file_is_without_a_maker() {
    let list = std::fs::read_to_string(pack::folder().join("README.md")).unwrap();
    let mut names: Vec<String> = fixtures::all().iter().map(|f| f.name.to_owned()).collect();
    for name in &names {
        assert!(list.contains(&format!("`{name}`")), "README.md does not tell what {name} is");
    }
    let mut packed: Vec<String> = std::fs::read_dir(pack::folder())
        .unwrap()
        .filter_map(|file| {
            file.unwrap()
                .file_name()
                .into_string()
                .unwrap()
                .strip_suffix(".img.zst")
                .map(str::to_owned)
        })
        .collect();
    names.sort();
    packed.sort();
    assert_eq!(packed, names);
}
