//! The page's part on how to put the set back: what `RESTORE.txt` says, shorter.

use super::html::escape;
use crate::set::format::instructions::destinations;
use crate::set::format::rescue::{Rescue, What};
use crate::usmt::loadstate::{Call, ways};

/// The steps, as HTML.
pub(super) fn section(rescue: &Rescue) -> String {
    let mut html = String::from("<section>\n<h2>How to restore</h2>\n<ol class=\"steps\">\n");
    let mut step = |what: &str, commands: &[String], more: &str| {
        html.push_str(&format!("<li><p>{what}</p>\n"));
        for command in commands {
            html.push_str(&format!("<pre>{}</pre>\n", escape(command)));
        }
        if !more.is_empty() {
            html.push_str(&format!("<p class=\"quiet\">{more}</p>\n"));
        }
        html.push_str("</li>\n");
    };
    step(
        "Check the set, wherever it lies now.",
        &["lifeboat verify <this folder> --level full".to_owned()],
        "",
    );
    match rescue.what {
        What::Store => store_steps(rescue, &mut step),
        What::Folder => step(
            "Take out what is wanted, elevated.",
            &[
                "restore.cmd D:\\Rescued".to_owned(),
                "lifeboat extract <this folder> <path as listed> --to D:\\Rescued".to_owned(),
            ],
            "This is a folder, not a migration store: <code>loadstate</code> has no use for it.",
        ),
    }
    html.push_str("</ol>\n");
    let split = rescue.options.split.is_some();
    let unpack = if split {
        "cat store.tar.zst.* | zstd -dc | tar -x"
    } else {
        "zstd -dc store.tar.zst | tar -x"
    };
    html.push_str(&format!(
        "<p class=\"quiet\">Without Lifeboat, any machine with zstd and tar gets every file\u{2019}s \
         bytes: <code>{unpack}</code>. <b>RESTORE.txt</b> in the same folder says all of this at \
         length.</p>\n</section>\n"
    ));
    html
}

fn store_steps(rescue: &Rescue, step: &mut dyn FnMut(&str, &[String], &str)) {
    let (to, known) = destinations(rescue);
    // One drive after the other, a hundred forged ones not.
    let to = if to.len() > 600 { "--in-place".to_owned() } else { to };
    let mut commands = vec![format!("lifeboat restore <this folder> {to}")];
    if known {
        commands.insert(0, "restore.cmd".to_owned());
    }
    let more = if known {
        "Either of the two. Every part goes to the drive and path that it came from. In WinPE drives \
         may have other letters: <code>--to C=E:\\</code> puts the part of C: onto the drive that is \
         E: now."
    } else {
        "Nobody knows which drive a part was on: name it in the place of the angle brackets."
    };
    step("Put the store back, elevated, in WinPE or in the new Windows.", &commands, more);
    let call = Call::default();
    let Some(way) = ways(&rescue.kept()).into_iter().next() else { return };
    let line = way.line(&call);
    let more = match (line.is_some(), rescue.kind.as_str()) {
        (false, _) => {
            "The set has no primary part, its drive is not known, or its path has letters that a \
             command line should not hold: give <code>loadstate</code> the store path named above."
        }
        (true, "compressed") => {
            "With the same <code>/i:</code> files as at the capture. An encrypted store needs \
             <code>/decrypt</code> and its key besides; the key is not in the store."
        }
        (true, _) => "With the same <code>/i:</code> files as at the capture.",
    };
    let commands: Vec<String> = line.into_iter().collect();
    step(
        "Run <code>loadstate</code>, elevated, in the new Windows (it does not run in WinPE).",
        &commands,
        more,
    );
}
