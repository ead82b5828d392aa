//! Holds `src/` to the map: the order of the rooms is read from ARCHITECTURE.md, the imports
//! from the source.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failed helper is a failed test

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module's path, `["set", "read", "verify"]`; the crate's own is empty.
type Module = Vec<String>;

/// The text before the list of rooms in ARCHITECTURE.md.
const MARK: &str = "<!-- tests/architecture.rs reads this list -->";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rooms of the map, from the ground up.
fn rooms() -> Vec<Module> {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let list = map.split_once(MARK).expect("the list of rooms is marked").1;
    let list = list.split("```").nth(1).expect("the list of rooms is a block");
    let paths = list.lines().filter_map(|line| line.split_whitespace().next());
    let rooms: Vec<Module> = paths
        .filter(|path| path.ends_with('/'))
        .map(|path| path.trim_end_matches('/').split('/').map(str::to_owned).collect())
        .collect();
    assert!(rooms.len() >= 12, "{rooms:?}");
    rooms
}

/// What the source says: which module is which file, and which modules each imports.
struct Source {
    files: BTreeMap<Module, PathBuf>,
    imports: BTreeMap<Module, BTreeSet<Module>>,
}

impl Source {
    fn read() -> Self {
        let mut files = BTreeMap::new();
        for entry in walkdir::WalkDir::new(root().join("src")) {
            let path = entry.unwrap().into_path();
            let is_code = path.extension().is_some_and(|e| e == "rs");
            if is_code && !path.ends_with("main.rs") && !path.ends_with("tests.rs") {
                files.insert(module_of(&path), path);
            }
        }
        assert!(files.len() > 200, "{} files", files.len());
        let mut named = BTreeMap::new();
        let mut reexports = BTreeMap::new();
        for (module, path) in &files {
            let code = code_of(&fs::read_to_string(path).unwrap());
            let (uses, rest) = split_uses(&code);
            let mut paths = inline_paths(&rest);
            for (is_public, text) in uses {
                for item in expand(&text) {
                    let (path, alias) = match item.split_once(" as ") {
                        Some((path, alias)) => (path.trim(), Some(alias.trim())),
                        None => (item.trim(), None),
                    };
                    let path = path.trim_end_matches("::self");
                    if is_public && let Some(to) = absolute(path, module, &files) {
                        let name = alias.or(path.rsplit("::").next()).unwrap_or_default();
                        reexports.insert([module.as_slice(), &[name.to_owned()]].concat(), to);
                    } else {
                        paths.push(path.to_owned());
                    }
                }
            }
            named.insert(module.clone(), paths);
        }
        let mut imports = BTreeMap::new();
        for (module, paths) in named {
            let found: BTreeSet<Module> = paths
                .iter()
                .filter_map(|path| absolute(path, &module, &files))
                .map(|path| resolve(path, &reexports, &files))
                .filter(|to| !to.is_empty() && *to != module)
                .collect();
            imports.insert(module, found);
        }
        Self { files, imports }
    }

    fn edges(&self) -> impl Iterator<Item = (&Module, &Module)> {
        self.imports.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to)))
    }

    /// Everything that `from` imports, directly or not.
    fn reach(&self, from: &Module) -> BTreeSet<&Module> {
        let mut reached = BTreeSet::new();
        let mut left: Vec<&Module> = self.imports[from].iter().collect();
        while let Some(module) = left.pop() {
            if reached.insert(module) {
                left.extend(&self.imports[module]);
            }
        }
        reached
    }
}

fn module_of(path: &Path) -> Module {
    let path = path.strip_prefix(root().join("src")).unwrap().with_extension("");
    let mut module: Module =
        path.components().map(|part| part.as_os_str().to_str().unwrap().to_owned()).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

/// The code without comments, and without its unit tests, which may use what they like.
fn code_of(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let mut code = String::new();
    for line in lines {
        let line_is_test_module = line.trim_end().ends_with("mod tests {");
        if line_is_test_module && code.trim_end().ends_with(']') {
            break;
        }
        code.push_str(line);
        code.push('\n');
    }
    code
}

/// The `use` lines (whether public, and of what), and the code without them.
fn split_uses(code: &str) -> (Vec<(bool, String)>, String) {
    let mut uses = Vec::new();
    let mut rest = String::new();
    let mut left = code;
    while let Some((line, after)) = left.split_once('\n') {
        let trimmed = line.trim_start();
        let visible = trimmed.strip_prefix("pub(crate) ").or(trimmed.strip_prefix("pub "));
        if visible.unwrap_or(trimmed).starts_with("use ") {
            let (text, behind) = left.split_once(';').expect("a use ends with a semicolon");
            let text = text.split_once("use ").unwrap().1;
            uses.push((visible.is_some(), text.split_whitespace().collect::<Vec<_>>().join(" ")));
            left = behind;
        } else {
            rest.push_str(line);
            rest.push('\n');
            left = after;
        }
    }
    (uses, rest)
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
fn expand(text: &str) -> Vec<String> {
    let Some((before, inner)) = text.split_once('{') else { return vec![text.to_owned()] };
    let inner = inner.rsplit_once('}').expect("braces are closed").0;
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in inner.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match c {
            ',' if depth == 0 => parts.push(String::new()),
            c => parts.last_mut().unwrap().push(c),
        }
    }
    let parts = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
    parts.flat_map(|part| expand(&format!("{before}{part}"))).collect()
}

/// The paths that stand in the code itself.
fn inline_paths(code: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    code.split(|c| !is_part(c))
        .filter(|word| word.contains("::"))
        .map(|word| word.trim_end_matches(':').to_owned())
        .collect()
}

/// A path from the crate's root on; `None` for what is not of this crate.
fn absolute(path: &str, module: &Module, files: &BTreeMap<Module, PathBuf>) -> Option<Module> {
    let mut parts: Vec<String> = path.split("::").map(|part| part.trim().to_owned()).collect();
    let mut base = module.clone();
    match parts.first()?.as_str() {
        "crate" => base.clear(),
        "self" => {}
        "super" => {
            base.pop()?;
        }
        child => {
            let child = [module.as_slice(), &[child.to_owned()]].concat();
            files.get(&child)?;
            base = child;
        }
    }
    parts.remove(0);
    while parts.first().is_some_and(|part| part == "super") {
        base.pop()?;
        parts.remove(0);
    }
    base.extend(parts);
    Some(base)
}

/// The module that a path ends in, behind all re-exports.
fn resolve(
    mut path: Module,
    reexports: &BTreeMap<Module, Module>,
    files: &BTreeMap<Module, PathBuf>,
) -> Module {
    for _ in 0..10 {
        let found = (1..=path.len()).rev().find_map(|n| Some((n, reexports.get(&path[..n])?)));
        let Some((n, to)) = found else { break };
        path = [to.as_slice(), &path[n..]].concat();
    }
    while !path.is_empty() && !files.contains_key(&path) {
        path.pop();
    }
    path
}

/// The place of a module in the list: that of its outer room, and that of its inner room,
/// if it is in one.
fn place_of(module: &Module, rooms: &[Module]) -> Option<(usize, Option<usize>)> {
    let outer = rooms.iter().position(|room| room.first() == module.first())?;
    let inner = rooms.iter().position(|room| module.starts_with(room));
    Some((outer, inner))
}

#[test]
fn every_file_is_in_a_room_of_the_map() {
    let rooms = rooms();
    let source = Source::read();
    for module in source.files.keys().filter(|module| !module.is_empty()) {
        assert!(place_of(module, &rooms).is_some(), "{} is in no room", module.join("/"));
    }
    for room in &rooms {
        let is_there = source.files.keys().any(|module| module.starts_with(room));
        assert!(is_there, "ARCHITECTURE.md lists src/{}/, which is not there", room.join("/"));
    }
}

#[test]
fn a_room_uses_only_those_above_it() {
    let rooms = rooms();
    let source = Source::read();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (from, to) in source.edges() {
        let (Some(here), Some(there)) = (place_of(from, &rooms), place_of(to, &rooms)) else {
            continue;
        };
        seen += 1;
        // The files directly in an outer room tie its inner rooms together.
        let is_against = match (here, there) {
            ((here, _), (there, _)) if here != there => there > here,
            ((_, Some(here)), (_, Some(there))) => there > here,
            _ => false,
        };
        if is_against {
            wrong.push(format!("{} uses {}", from.join("/"), to.join("/")));
        }
    }
    assert!(seen > 1000, "{seen} imports: are they still written like this?");
    assert!(wrong.is_empty(), "against the direction of ARCHITECTURE.md: {wrong:#?}");
}

#[test]
fn files_of_different_folders_form_no_circle() {
    let source = Source::read();
    let reach: BTreeMap<_, _> =
        source.imports.keys().map(|module| (module, source.reach(module))).collect();
    let folder = |module: &Module| source.files[module].parent().unwrap();
    let mut circles = Vec::new();
    for (from, to) in source.edges() {
        if reach[to].contains(from) && folder(from) != folder(to) {
            circles.push(format!("{} and {}", from.join("/"), to.join("/")));
        }
    }
    assert!(circles.is_empty(), "these import each other in a circle: {circles:#?}");
}

#[test]
fn imports_are_read_as_they_are_written() {
    let code = code_of(
        "use crate::a::{self, b::C, d as e}; // crate::z\n\
         pub use f::G;\nfn x() { crate::h::i(); }\n#[cfg(test)]\nmod tests {\n    use crate::y;\n}\n",
    );
    let (uses, rest) = split_uses(&code);
    assert_eq!(uses.len(), 2);
    assert_eq!(expand(&uses[0].1), ["crate::a::self", "crate::a::b::C", "crate::a::d as e"]);
    assert_eq!(uses[1], (true, "f::G".to_owned()));
    assert_eq!(inline_paths(&rest), ["crate::h::i"]);
}
