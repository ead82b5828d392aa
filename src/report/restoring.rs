//! The section about restoring: a short form of `RESTORE.txt`.

use super::html::escape;
use crate::set::format::instructions::destinations;
use crate::set::format::names::SCRIPT;
use crate::set::format::rescue::{Rescue, What};
use crate::usmt::StoreKind;
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
    step("Verify the set.", &["lifeboat verify <this folder> --level full".to_owned()], "");
    match rescue.what {
        What::Store => store_steps(rescue, &mut step),
        What::Folder if rescue.parts.iter().any(|part| part.user.is_some()) => step(
            "Restore a user\u{2019}s files, as administrator, into the profile of a user who has \
             logged on to the new Windows once.",
            &[
                "lifeboat restore <this folder> --of-user NAME --into C:\\Users\\NAME".to_owned(),
                "lifeboat restore <this folder> --to D:\\Rescued".to_owned(),
            ],
            "The second command restores all of it to a separate folder. These are users\u{2019} \
             files, not a migration store: <code>loadstate</code> cannot use them.",
        ),
        What::Folder => step(
            "Extract the files that you need, as administrator.",
            &[
                if has_script(rescue) {
                    "restore.cmd D:\\Rescued".to_owned()
                } else {
                    "lifeboat restore <this folder> --to D:\\Rescued".to_owned()
                },
                "lifeboat extract <this folder> <path as listed> --to D:\\Rescued".to_owned(),
            ],
            "This is a folder, not a migration store: <code>loadstate</code> cannot use it.",
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
        "<p class=\"quiet\">Without Lifeboat, zstd and tar extract the bytes of every file: \
         <code>{unpack}</code>. <b>RESTORE.txt</b> in the same folder has more \
         details.</p>\n</section>\n"
    ));
    html
}

/// Whether the set has `restore.cmd`: a destination may refuse it.
fn has_script(rescue: &Rescue) -> bool {
    rescue.files.is_empty() || rescue.files.iter().any(|file| file.name == SCRIPT)
}

fn store_steps(rescue: &Rescue, step: &mut dyn FnMut(&str, &[String], &str)) {
    let (to, known) = destinations(rescue);
    // A forged set may have very many drives.
    let to = if to.len() > 600 { "--in-place".to_owned() } else { to };
    let mut commands = vec![format!("lifeboat restore <this folder> {to}")];
    let two_ways = known && has_script(rescue);
    if two_ways {
        commands.insert(0, SCRIPT.to_owned());
    }
    let more = if two_ways {
        "Use one of the two. Every part is restored to its original drive and path. In WinPE, \
         drives may have other letters: <code>--to C=E:\\</code> restores the C: part to the \
         drive that is now E:."
    } else if known {
        "Every part is restored to its original drive and path. In WinPE, drives may have other \
         letters: <code>--to C=E:\\</code> restores the C: part to the drive that is now E:."
    } else {
        "The drive of a part is not known: replace the angle brackets with it."
    };
    step("Restore the store, as administrator, in WinPE or in the new Windows.", &commands, more);
    if rescue.lacks_a_part() {
        step(
            "Before <code>loadstate</code>, find the part that is missing: connect its disk or \
             unlock its volume, and save the store again.",
            &["lifeboat offload --to <folder above this one>".to_owned()],
            "<code>loadstate</code> refuses a store without all its parts (code 38). If the part \
             is gone, extract the files of this set: <code>lifeboat extract &lt;this folder&gt; \
             &lt;path as listed&gt; --to D:\\Rescued</code>.",
        );
        return;
    }
    let call = Call::default();
    let Some(way) = ways(&rescue.kept()).into_iter().next() else { return };
    let line = way.line(&call);
    let more = match (line.is_some(), rescue.store_kind()) {
        (false, _) => {
            "The set has no primary part, its drive is not known, or its path has characters that \
             are not safe on a command line. Give <code>loadstate</code> the store path above."
        }
        (true, Some(StoreKind::Compressed)) => {
            "With the same <code>/i:</code> files as at the capture. An encrypted store also \
             needs <code>/decrypt</code> and its key, which is not in the store."
        }
        (true, _) => "With the same <code>/i:</code> files as at the capture.",
    };
    let commands: Vec<String> = line.into_iter().collect();
    step(
        "Run <code>loadstate</code>, as administrator, in the new Windows (it does not run in \
         WinPE).",
        &commands,
        more,
    );
}
