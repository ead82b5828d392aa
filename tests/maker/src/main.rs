//! Makes disk images with USMT stores by name: see `lifeboat-maker list`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use lifeboat_maker::{fixtures, pack};

const USAGE: &str = "\
usage:
  lifeboat-maker list
  lifeboat-maker make NAME OUT.img
  lifeboat-maker pack DIR               make and pack every fixture";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lifeboat-maker: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    match words {
        ["list"] => {
            for fixture in fixtures::all() {
                println!("{:16} {}", fixture.name, fixture.about);
            }
            Ok(())
        }
        ["make", name, out] => fixtures::by_name(name)?.make(Path::new(out)),
        ["pack", dir] => {
            for (name, bytes) in pack::pack_all(Path::new(dir))? {
                println!("{bytes:8}  {name}");
            }
            Ok(())
        }
        _ => bail!("{USAGE}"),
    }
}
