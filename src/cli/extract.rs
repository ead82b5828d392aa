//! `lifeboat extract`: files out of a set, wherever they are to lie. Facts beyond
//! the bytes and the time of the last write are `restore`'s job.

use anyhow::Result;

use super::args::Extract;
use super::exit::Exit;
use super::output::Out;

pub(crate) fn run(args: &Extract, out: Out) -> Result<Exit> {
    let _ = (args, out);
    anyhow::bail!("not yet")
}
