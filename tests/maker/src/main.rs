//! Makes disk images with USMT stores by name: see `lifeboat-maker list`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};
use lifeboat_maker::bitlocker::{Cipher, Protector, Wrap, wrap};
use lifeboat_maker::demo::demo;
use lifeboat_maker::many::{Where, many};
use lifeboat_maker::{fixtures, is_available, pack, random};

const USAGE: &str = "\
usage:
  lifeboat-maker list                            the disks by name
  lifeboat-maker make NAME OUT.img               one of them
  lifeboat-maker demo OUT.img [--megabytes N]    a laptop after a failed re-image (200 MB of data)
  lifeboat-maker random SEED OUT.img             a volume with a random tree
  lifeboat-maker many OUT.img --files N [--in-store | --in-profile]
                                                 a volume with very many files, for benches
  lifeboat-maker bitlocker PLAIN.img OUT.img     the volume encrypted by BitLocker, suspended
  lifeboat-maker pack DIR [NAME]...              makes and packs the committed fixtures";

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
    if let ["list"] = words {
        for fixture in fixtures::all().into_iter().chain(fixtures::large()) {
            println!("{:16} {}", fixture.name, fixture.about);
        }
        return Ok(());
    }
    if let ["make" | "demo" | "random" | "many" | "pack", ..] = words {
        is_available().map_err(|missing| anyhow!("cannot make volumes: {missing}"))?;
    }
    match words {
        ["make", name, out] => fixtures::by_name(name)?.make(Path::new(out)),
        ["demo", out] => demo(200).make(Path::new(out)),
        ["demo", out, "--megabytes", megabytes] => demo(number(megabytes)?).make(Path::new(out)),
        ["random", seed, out] => random::random_volume(number(seed)?).make(Path::new(out)),
        ["many", out, "--files", files] => make_many(out, number(files)?, Where::Windows),
        ["many", out, "--files", files, "--in-profile"] => {
            make_many(out, number(files)?, Where::Profile)
        }
        ["many", out, "--files", files, "--in-store"] => {
            make_many(out, number(files)?, Where::Store)
        }
        ["bitlocker", plain, out] => {
            let plain = std::fs::read(plain).with_context(|| (*plain).to_owned())?;
            let how = Wrap::new(Cipher::XtsAes128).opened_by(&[Protector::Clear]);
            std::fs::write(out, wrap(&plain, &how)?.image).with_context(|| (*out).to_owned())
        }
        ["pack", dir, only @ ..] => {
            for (name, bytes) in pack::pack_all(Path::new(dir), only)? {
                println!("{bytes:8}  {name}");
            }
            Ok(())
        }
        _ => bail!("{USAGE}"),
    }
}

fn make_many(out: &str, files: u64, place: Where) -> Result<()> {
    let start = Instant::now();
    many(Path::new(out), files, place, |made| {
        if made % 10_000 == 0 {
            eprint!("\r{made} of {files} files");
            let _ = std::io::stderr().flush();
        }
    })?;
    eprintln!("\n{files} files in {} s", start.elapsed().as_secs());
    Ok(())
}

fn number(word: &str) -> Result<u64> {
    word.parse().with_context(|| format!("{word} is not a number\n{USAGE}"))
}
