//! The PowerShell scripts that are handed out are PowerShell: read by a parser that is not
//! Microsoft's (tree-sitter's grammar), since none of these scripts can be run here.
#![cfg(target_os = "linux")]

use std::process::Command;

use support::{need, require, root};

/// Prints where each file that it is given is not PowerShell.
const PARSE: &str = "
import sys
import tree_sitter, tree_sitter_powershell
parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
def look(path, node):
    if node.is_error or node.is_missing:
        print(f'{path}:{node.start_point[0] + 1}: {node.text[:60]}')
    for child in node.children:
        look(path, child)
for path in sys.argv[1:]:
    look(path, parser.parse(open(path, 'rb').read()).root_node)
";

fn wrong_lines(paths: &[String]) -> Option<String> {
    let python = need!("tree-sitter-powershell", require::powershell_parser);
    let out = Command::new(python).args(["-c", PARSE]).args(paths).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some(String::from_utf8(out.stdout).unwrap())
}

#[test]
fn every_script_is_powershell() {
    let folders = ["pe-build", "scripts"].map(|folder| root().join(folder));
    let files = folders.iter().flat_map(walkdir::WalkDir::new).map(Result::unwrap);
    let scripts: Vec<String> = files
        .filter(|file| file.path().extension().is_some_and(|e| e == "ps1"))
        .map(|file| file.path().to_str().unwrap().to_owned())
        .collect();
    assert!(scripts.len() >= 3, "{scripts:?}");
    let wrong = need!(wrong_lines(&scripts));
    assert!(wrong.is_empty(), "{wrong}");
}

/// The test above is only as good as the parser's eyes.
#[test]
fn a_mistake_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("wrong.ps1");
    for mistake in ["if ($code -eq 0) { break", "$a = 'open", "foreach $x in 1..2 { $x }"] {
        std::fs::write(&script, format!("$code = 1\n{mistake}\n")).unwrap();
        let wrong = need!(wrong_lines(&[script.to_str().unwrap().to_owned()]));
        assert!(wrong.contains(".ps1:"), "{mistake}: {wrong}");
    }
}
