//! A log of any encoding: it becomes lines, none of them longer than the text,
//! and what they tell is bounded.

use lifeboat::usmt::logs::{Logs, decode, lines};

pub(crate) fn run(data: &[u8]) {
    let text = decode(data);
    let mut total = 0;
    for line in lines(&text) {
        total += line.text.len();
        if let Some(time) = line.time {
            assert!(time.to_string().len() >= 19);
            let _ = time.to_filetime();
        }
    }
    assert!(total <= text.len(), "no byte is in two lines");
    for name in ["scanstate.log", "loadstate.log", "smsts.log", "BDD.log"] {
        let logs = Logs::of_text(name, &text);
        assert!(logs.runs.len() <= 100 && logs.wipe.len() <= 200);
        for run in &logs.runs {
            assert!(run.errors.len() <= 100 && run.error_files.len() <= 100);
            assert!(run.ignored_profiles.sids.len() <= 100);
            let texts = run.errors.iter().map(|row| &row.first).chain(&run.error_files);
            for text in texts.chain(&run.command).chain(&run.failure) {
                assert!(text.len() <= 3 * 4096 && !text.contains(['\r', '\n', '\t']));
            }
        }
        for line in &logs.wipe {
            assert!(line.text.len() <= 4096 && !line.text.contains(['\r', '\n', '\t']));
        }
    }
}
