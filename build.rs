//! Embeds `resources/` in the exe, only for Windows.

use std::env::var;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=resources");
    if var("CARGO_CFG_TARGET_OS")? != "windows" {
        return Ok(());
    }
    let folder = PathBuf::from(var("CARGO_MANIFEST_DIR")?).join("resources");
    let part = |name| var(format!("CARGO_PKG_VERSION_{name}"));
    let numbers = format!("{},{},{},0", part("MAJOR")?, part("MINOR")?, part("PATCH")?);
    let text = fs::read_to_string(folder.join("lifeboat.rc"))?
        .replace("@FOLDER@", &folder.display().to_string().replace('\\', "/"))
        .replace("@NUMBERS@", &numbers)
        .replace("@VERSION@", &var("CARGO_PKG_VERSION")?);
    let filled = PathBuf::from(var("OUT_DIR")?).join("lifeboat.rc");
    fs::write(&filled, text)?;
    embed_resource::compile_for(&filled, ["lifeboat"], embed_resource::NONE).manifest_required()?;
    Ok(())
}
