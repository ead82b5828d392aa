//! `lifeboat.toml` and the environment stand in for what nobody types at night:
//! the command line comes first, then the environment, then the file.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};

use support::program::{Guarded, Run, lifeboat_with};

struct Scene {
    image: Guarded,
    dir: tempfile::TempDir,
}

impl Scene {
    /// A disk with a store, and settings that lead to the folder `from-file`.
    fn new(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("from-file");
        let text = format!("to = '{}'\n{more}", to.display());
        std::fs::write(dir.path().join("lifeboat.toml"), text).unwrap();
        Self { image: Guarded::fixture("hardlink-one"), dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn offload(&self, args: &[&str], env: &[(&str, &str)]) -> Run {
        let settings = self.path("lifeboat.toml");
        let mut all = vec![("LIFEBOAT_SETTINGS", settings.to_str().unwrap())];
        all.extend(env);
        lifeboat_with(&[&["offload", self.image.arg()], args].concat(), &all)
    }
}

/// The names of the sets in a folder; none where there is no folder.
fn sets(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn the_file_says_where_to_how_named_and_where_the_log_is() {
    let scene = Scene::new("");
    let log = scene.path("rescue.log");
    let text = format!(
        "to = '{}'\nname = 'FRONTDESK'\nlog = '{}'\n",
        scene.path("from-file").display(),
        log.display()
    );
    std::fs::write(scene.path("lifeboat.toml"), text).unwrap();
    scene.offload(&[], &[]).expect(0);
    let made = sets(&scene.path("from-file"));
    assert!(matches!(&made[..], [one] if one.starts_with("FRONTDESK-")), "{made:?}");
    assert!(std::fs::read_to_string(log).unwrap().contains("<![LOG["));
}

#[test]
fn the_command_line_comes_before_the_environment_and_that_before_the_file() {
    let scene = Scene::new("");
    let (variable, typed) = (scene.path("from-variable"), scene.path("typed"));
    let env = [("LIFEBOAT_TO", variable.to_str().unwrap())];
    scene.offload(&[], &env).expect(0);
    assert_eq!((sets(&variable).len(), sets(&scene.path("from-file")).len()), (1, 0));
    scene.offload(&["--to", typed.to_str().unwrap()], &env).expect(0);
    assert_eq!((sets(&typed).len(), sets(&variable).len()), (1, 1));
}

#[test]
fn without_any_destination_it_says_so_and_looks_at_nothing() {
    let scene = Scene::new("");
    std::fs::write(scene.path("lifeboat.toml"), "name = 'PC'\n").unwrap();
    let run = scene.offload(&[], &[]).expect(2);
    assert_eq!(run.stderr.lines().count(), 2, "{}", run.stderr);
    assert!(run.stderr.contains("--to"), "{}", run.stderr);
}

#[test]
fn settings_that_are_wrong_stop_it_before_it_starts() {
    let scene = Scene::new("colour = 'red'\n");
    let run = scene.offload(&[], &[]).expect(2);
    assert!(run.stderr.contains("lifeboat.toml: line 2: "), "{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 2, "{}", run.stderr);
    let run = scene.offload(&[], &[("LIFEBOAT_SETTINGS", "/no/such/settings")]).expect(2);
    assert!(run.stderr.contains("/no/such/settings: "), "{}", run.stderr);
    assert!(sets(&scene.path("from-file")).is_empty());
}
