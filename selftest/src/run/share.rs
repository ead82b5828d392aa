//! A share of this machine: paths, passwords, connections, and one that disappears.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::child::{Stopped, Tool, start, tool};
use super::{Session, say};
use crate::events::stage_of;
use crate::made::{PREFIX, Thing};
use crate::windows::{files, machine, verbatim};

const ROWS: [&str; 6] = [
    "share-long-paths",
    "share-wrong-password",
    "share-password",
    "share-closed",
    "share-disappears",
    "share-beside",
];

impl Session {
    fn net(&self, args: &[&str]) -> Result<Tool, Stopped> {
        tool("net.exe", args, self.work())
    }

    /// Makes the share, or says why not.
    fn make_share(&mut self, name: &str, folder: &Path) -> Result<Result<(), String>, Stopped> {
        // The name of "Everyone" is in the language of this Windows, and `net share`
        // takes no SID. Without it, others may only read.
        let Some(everyone) = machine::everyone() else {
            return Ok(Err("the name of the group of all users is not known".into()));
        };
        if let Err(error) = self.made.will_make(Thing::Share(name.to_owned())) {
            return Ok(Err(error.to_string()));
        }
        let shared = self.net(&[
            "share",
            &format!("{name}={}", folder.display()),
            &format!("/GRANT:{everyone},FULL"),
        ])?;
        Ok(if shared.is_ok() { Ok(()) } else { Err(format!("net share: {}", shared.ended())) })
    }

    /// Everything about shares.
    pub(super) fn share(&mut self, source: char) -> Result<(), Stopped> {
        say("a share of this machine");
        let name = format!("{PREFIX}{}", std::process::id());
        let folder = self.work().join("share");
        let made = fs::create_dir(&folder)
            .and_then(|()| files::set_security(&folder, "D:(A;OICI;FA;;;WD)"));
        let shared = match made {
            Ok(()) => self.make_share(&name, &folder)?,
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = shared {
            // WinPE has no server.
            for row in ROWS {
                self.ledger.not_possible(row, "", why.clone());
            }
            return Ok(());
        }
        self.long_paths(source, &name)?;
        self.beside(source, &name, &folder)?;
        self.passwords(source, &name, &folder)?;
        self.disappears(source, &name, &folder)?;
        self.net(&["share", &name, "/delete", "/y"])?;
        self.made.removed(&Thing::Share(name));
        Ok(())
    }

    fn long_paths(&mut self, source: char, share: &str) -> Result<(), Stopped> {
        const ROW: &str = "share-long-paths";
        let deep = [r"\\localhost", share, &"l".repeat(120), &"m".repeat(120)].join("\\");
        if let Err(error) = fs::create_dir_all(verbatim(Path::new(&deep))) {
            self.ledger.not_possible(ROW, "", error.to_string());
            return Ok(());
        }
        let ran =
            self.run(&["offload", &format!("{source}:"), "--to", &deep, "--name", "SELFTEST"])?;
        let Some(set) = ran.set().map(str::to_owned) else {
            self.ledger.fail(ROW, "", ran.ended());
            return Ok(());
        };
        let verified = self.verify(Some(&set))?;
        let is_right = ran.code == Some(0) && verified.is_ok();
        let verified = verified.unwrap_or_else(|why| why);
        let seen = format!("{} characters: {}; verify: {verified}", set.len(), ran.ended());
        self.ledger.check(ROW, "", is_right, seen);
        Ok(())
    }

    /// What is on the share already is read back while the rest is written.
    fn beside(&mut self, source: char, share: &str, folder: &Path) -> Result<(), Stopped> {
        const ROW: &str = "share-beside";
        let _ = fs::create_dir(folder.join("beside"));
        let (drive, to) = (format!("{source}:"), format!(r"\\localhost\{share}\beside"));
        // Small frames: what is on the server is said after each 32 of them.
        let small = ["--level", "1", "--frame-bytes", "65536", "--name", "SELFTEST"];
        let args = [&["offload", &drive, "--path", "\\", "--to", &to][..], &small].concat();
        let ran = self.run(&args)?;
        let rescue = ran.set().and_then(|set| fs::read(Path::new(set).join("rescue.json")).ok());
        let rescue: Option<serde_json::Value> =
            rescue.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(rescue) = rescue else {
            self.ledger.fail(ROW, "", ran.ended());
            return Ok(());
        };
        let beside = rescue["timings"]["beside_bytes"].as_u64().unwrap_or(0);
        let bytes = rescue["totals"]["bytes"].as_u64().unwrap_or(0);
        let verified = self.verify(ran.set())?;
        let is_right = beside > 0 && verified.is_ok();
        let verified = verified.unwrap_or_else(|why| why);
        let seen = format!("{beside} bytes, of a set of {bytes} before compression; {verified}");
        self.ledger.check(ROW, "", is_right, seen);
        Ok(())
    }

    /// Under another name of this machine: to one server there is one account at a time.
    fn passwords(&mut self, source: char, share: &str, folder: &Path) -> Result<(), Stopped> {
        let unc = format!(r"\\127.0.0.1\{share}");
        if let Err(error) = self.made.will_make(Thing::Connection(unc.clone())) {
            self.remarks.push(error.to_string());
            return Ok(());
        }
        let password = password();
        let (right, wrong) = (self.work().join("right.txt"), self.work().join("wrong.txt"));
        let written =
            fs::write(&right, &password).and_then(|()| fs::write(&wrong, "not this one 1"));
        if let Err(error) = written {
            self.remarks.push(error.to_string());
            return Ok(());
        }
        let user = format!("{PREFIX}{}", std::process::id());
        let made = if self.make_user {
            self.make_user_of(&user, &password)?
        } else {
            Err("without --make-user there is none".into())
        };
        let to = format!(r"{unc}\sets");
        let _ = fs::create_dir(folder.join("sets"));
        let drive = format!("{source}:");
        let args = |file: &Path| {
            [
                "offload",
                &drive,
                "--to",
                &to,
                "--name",
                "SELFTEST",
                "--user",
                &user,
                "--password-file",
            ]
            .map(str::to_owned)
            .into_iter()
            .chain([file.display().to_string()])
            .collect::<Vec<_>>()
        };
        let run = |session: &Self, file: &Path| {
            let args = args(file);
            session.run(&args.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let refused = run(self, &wrong)?;
        // Any 5 would not do: nobody answers, there is a connection already.
        let is_right = refused.code == Some(5) && refused.refuses_logon();
        let action = refused.of("error").last().and_then(|e| e["action"].as_str());
        let seen = format!("{}, {:?}", refused.ended(), action.unwrap_or_default());
        self.ledger.check("share-wrong-password", "", is_right, seen);
        if let Err(why) = made {
            self.ledger.not_possible("share-password", "", why.clone());
            self.ledger.not_possible("share-closed", "", why);
        } else {
            let saved = run(self, &right)?;
            self.ledger.check("share-password", "", saved.code == Some(0), saved.ended());
            let open = self.net(&["use"])?;
            let is_closed = !open.text.contains(&unc);
            self.ledger.check(
                "share-closed",
                "",
                is_closed,
                format!("`net use` lists it afterwards: {}", !is_closed),
            );
            self.net(&["user", &user, "/delete"])?;
            self.made.removed(&Thing::User(user));
        }
        self.net(&["use", &unc, "/delete", "/y"])?;
        self.made.removed(&Thing::Connection(unc));
        let _ = fs::remove_file(right);
        Ok(())
    }

    fn make_user_of(&mut self, user: &str, password: &str) -> Result<Result<(), String>, Stopped> {
        if let Err(error) = self.made.will_make(Thing::User(user.to_owned())) {
            return Ok(Err(error.to_string()));
        }
        let made = self.net(&["user", user, password, "/add", "/y"])?;
        Ok(if made.is_ok() { Ok(()) } else { Err(format!("net user: {}", made.ended())) })
    }

    /// The share is gone for some seconds in the middle.
    fn disappears(&mut self, source: char, share: &str, folder: &Path) -> Result<(), Stopped> {
        const ROW: &str = "share-disappears";
        let to = format!(r"\\localhost\{share}\gone");
        let _ = fs::create_dir(folder.join("gone"));
        let drive = format!("{source}:");
        let args = ["offload", &drive, "--to", &to, "--name", "SELFTEST", "--level", "19"];
        let Ok(mut started) = start(&self.lifeboat, &args) else { return Ok(()) };
        let copies = started.wait_for(|line| stage_of(line).as_deref() == Some("copy"))?;
        if !copies || started.has_ended() {
            self.ledger.not_possible(ROW, "", "the run had ended before");
            return Ok(());
        }
        let gone = self.net(&["share", share, "/delete", "/y"])?;
        std::thread::sleep(Duration::from_secs(5));
        let back = self.make_share(share, folder)?;
        let ended = started.wait(Duration::from_mins(15))?;
        if let (false, _) | (_, Err(_)) = (gone.is_ok(), &back) {
            self.ledger.not_possible(
                ROW,
                "",
                format!("the share could not be taken away: {}; {back:?}", gone.ended()),
            );
            return Ok(());
        }
        let again = if ended.code == Some(0) { None } else { Some(self.run(&args)?) };
        let is_right = match &again {
            None => true,
            Some(again) => matches!(ended.code, Some(5 | 6)) && again.code == Some(0),
        };
        let again = again.map_or_else(|| "not needed".to_owned(), |again| again.ended());
        self.ledger.check(
            ROW,
            "",
            is_right,
            format!("{}; the same command again: {again}", ended.ended()),
        );
        Ok(())
    }
}

/// A password with every kind of character that a policy may want; 14 characters, as
/// `net user` asks a question for a longer one.
fn password() -> String {
    let number = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| u64::from(time.subsec_nanos()) ^ time.as_secs());
    format!("Lb-{:011x}", number & 0xFFF_FFFF_FFFF)
}
