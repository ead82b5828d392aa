//! The destination: attached places, the form, the pre-flight check.

use super::super::app::{App, PASSWORD, What};
use super::super::canvas::{Canvas, Lines, Look, WIDTH, cut, window};
use super::super::jobs::Checked;
use super::turning;
use crate::cli::output::live::Live;
use crate::model::units;
use crate::set::write::commit::name_of_sets;
use crate::set::write::writer::may_not_fit;

/// The largest clock difference that is not reported, in seconds.
const SAME_CLOCK: u64 = 60;

/// So many warnings are shown where there is something else to do.
const WARNINGS: usize = 2;

/// What to save.
fn task(app: &App) -> String {
    let (mut stores, mut users) = (0, 0);
    for target in app.left() {
        match target.what {
            What::Store(_) => stores += 1,
            What::Users(_, chosen) => users += chosen.len() as u64,
        }
    }
    let mut parts = Vec::new();
    if stores > 0 {
        parts.push(units::count(stores, "store", "stores"));
    }
    if users > 0 {
        parts.push(format!("the files of {}", units::count(users, "user", "users")));
    }
    format!("{}, {} before compression", parts.join(" and "), units::bytes(app.bytes()))
}

/// Draws the attached places.
pub(super) fn places(app: &App, canvas: &mut Canvas<'_>) {
    canvas.frame("3 of 5: Destination", &[("Enter", "Continue"), ("Esc", "Back")]);
    canvas.next();
    canvas.text(1, &format!("Save {}. Choose a destination:", task(app)), Look::Plain);
    super::warn(app, WARNINGS, canvas);
    canvas.next();
    let Some(found) = &app.found else { return };
    let places = &found.places.found;
    let rows = usize::from(canvas.room()).saturating_sub(2).clamp(1, 12);
    let wide = canvas.width() >= WIDTH;
    for number in window(places.len(), rows, app.place.min(places.len().saturating_sub(1))) {
        let Some(place) = places.get(number) else { continue };
        let free = format!("{} free", units::bytes(place.free));
        let folder = cut(&place.folder, 26);
        let few = if place.free < app.bytes() { "  TOO SMALL?" } else { "" };
        let begun = if place.begun { "  RESUMES HERE" } else { "" };
        let about = cut(&place.about, 29);
        // On a narrow screen, what is said of a place comes before what it is.
        let text = if wide {
            format!("{folder:<26} {free:>15}  {about}{few}{begun}")
        } else {
            format!("{folder:<26} {free:>15}{few}{begun}  {about}")
        };
        canvas.choice(number == app.place, &text);
    }
    canvas.choice(app.place >= places.len(), "Another folder, or a share");
    canvas.next();
    canvas.text(
        1,
        "Lifeboat does not list the disks that have the stores: it never writes to them.",
        Look::Plain,
    );
    if places.iter().any(|place| place.begun) {
        canvas.text(1, "RESUMES HERE: this place has an unfinished set.", Look::Plain);
    }
}

/// Draws the form for a destination.
pub(super) fn form(app: &App, canvas: &mut Canvas<'_>) {
    canvas.frame(
        "3 of 5: Destination",
        &[("Tab", "Next field"), ("F2", "Show password"), ("Enter", "Continue"), ("Esc", "Back")],
    );
    canvas.next();
    canvas.text(1, &format!("Save {}. Enter the destination:", task(app)), Look::Plain);
    super::warn(app, WARNINGS, canvas);
    canvas.next();
    // The explanations have eight lines.
    let is_low = canvas.room() < 14;
    let form = &app.form;
    let width = usize::from(canvas.width()).saturating_sub(18);
    for (number, (name, field)) in
        ["Destination", "User", "Password"].iter().zip(&form.fields).enumerate()
    {
        let active = number == form.at;
        let sign = if active { "> " } else { "  " };
        canvas.at(1, &format!("{sign}{name}"), Look::Plain);
        let (text, cursor) = field.view(width, number == PASSWORD && !form.reveal);
        canvas.typed(16, &text);
        if active {
            canvas.cursor(16_u16.saturating_add(u16::try_from(cursor).unwrap_or(0)));
        }
        canvas.next();
        if !is_low {
            canvas.next();
        }
    }
    if is_low {
        canvas.next();
    }
    for (name, text) in [
        ("Folder", r"E:\rescue or /media/usb/rescue"),
        ("Share", r"\\server\share\folder or smb://server/share/folder"),
        ("User", r"NAME or DOMAIN\NAME. User and password are only for shares"),
        ("Password", "F2 or Ctrl-T shows it. WinPE starts with the US keyboard layout"),
    ] {
        canvas.pair(name, text, Look::Plain);
    }
}

/// Draws the running pre-flight check.
pub(super) fn checking(app: &App, live: &Live, tick: usize, canvas: &mut Canvas<'_>) {
    canvas.frame("4 of 5: Pre-flight check", &[("Esc", "Back")]);
    canvas.next();
    canvas.line(&format!("{} Testing {}", turning(tick), app.to), Look::Plain);
    canvas.next();
    canvas.text(1, "Lifeboat writes a test file there, reads it back and removes it.", Look::Plain);
    canvas.next();
    live.with(|shown| {
        for note in shown.notes.iter().rev().take(3).rev() {
            canvas.text(1, &super::without_switches(note), Look::Doubtful);
        }
    });
}

/// Draws a failed pre-flight check.
pub(super) fn refused(app: &App, canvas: &mut Canvas<'_>) {
    canvas.frame("4 of 5: Pre-flight check", &[("Enter", "Change destination")]);
    canvas.next();
    canvas.line("Can't save to this destination.", Look::Bad);
    canvas.next();
    if let Some(failed) = &app.failure {
        super::failure(&failed.what, &failed.action, canvas);
    }
    canvas.next();
    canvas.text(1, "Nothing was saved yet. The disk with the store is unchanged.", Look::Plain);
}

/// Draws a passed pre-flight check.
pub(super) fn ready(app: &App, canvas: &mut Canvas<'_>) {
    let deleted = app.deleted();
    let gone = app.gone();
    let Some(Checked { target, report, begun, encrypts, needed, .. }) = &app.checked else {
        return;
    };
    let mut keys = vec![("Enter", "SAVE NOW"), ("N", "Name, passphrase")];
    match (deleted.files > 0 || !gone.is_empty(), app.recover) {
        (false, _) => {}
        (_, true) => keys.push(("D", "Leave deleted files out")),
        (_, false) => keys.push(("D", "Recover deleted files")),
    }
    keys.push(("Esc", "Back"));
    canvas.frame("4 of 5: Pre-flight check", &keys);
    let mut lines = Lines::new(canvas);
    lines.text(&format!("Save {}, to", task(app)), Look::Plain);
    lines.text(&target.display(""), Look::Plain);
    super::add_warnings(app, &mut lines);
    lines.blank();
    for (name, bytes) in begun {
        const RESUMES: &str = "Lifeboat resumes it if it belongs to this store";
        let text = match bytes {
            None => format!("{name}: how much is saved is not known. {RESUMES}"),
            Some(0) => format!(
                "{name}: nothing in it can be resumed, so saving begins at the start. If that makes \
                 another set, you can delete this one"
            ),
            Some(bytes) => {
                format!("{name}: {} are saved already. {RESUMES}", units::bytes(*bytes))
            }
        };
        lines.row(*bytes != Some(0), "unfinished", &text);
    }
    let speed = units::bytes(report.write_speed);
    lines.row(true, "reachable", "yes");
    lines.row(true, "writable", &format!("written, read back, renamed and removed; {speed}/s"));
    let free = report.space.map(|space| space.free);
    match (free, needed) {
        (None, _) => lines.row(false, "space", "free space is not known"),
        (Some(free), None) => {
            lines.row(true, "space", &format!("{} free", units::bytes(free)));
        }
        (Some(free), Some(needed)) => {
            let (free_bytes, needed_bytes) = (units::bytes(free), units::bytes(*needed));
            let both = format!("{free_bytes} free; about {needed_bytes} are needed, by a sample");
            if may_not_fit(free, *needed) {
                let then =
                    "If the destination is full, the rescue stops. Free some space to resume";
                lines.row(false, "space", &format!("{both}: it may not fit. {then}"));
            } else {
                lines.row(true, "space", &both);
            }
        }
    }
    if report.max_file_size < u64::MAX {
        let text = format!(
            "at most {}: the set is split into files of that size",
            units::bytes(report.max_file_size)
        );
        lines.row(true, "file size", &text);
    }
    match report.clock_ahead {
        Some(secs) if secs.unsigned_abs() > SAME_CLOCK => {
            let way = if secs > 0 { "ahead of" } else { "behind" };
            let minutes = secs.unsigned_abs() / 60;
            lines.row(
                false,
                "clock",
                &format!("{minutes} min {way} this PC's clock; times may be wrong"),
            );
        }
        Some(_) => lines.row(true, "clock", "same as this PC's"),
        None => {}
    }
    deleted_rows(app, &mut lines);
    naming_rows(app, *encrypts, &mut lines);
    lines.blank();
    lines.text(
        "Lifeboat lists files that cannot be read, and saves all others. You can stop at any time \
         and resume later.",
        Look::Plain,
    );
    canvas.scrolled(&lines, &app.scroll);
}

impl Lines {
    /// A thing that was checked, and whether it is good.
    fn row(&mut self, good: bool, name: &str, text: &str) {
        let (sign, look) = if good { ("[ok]", Look::Plain) } else { ("[!!]", Look::Doubtful) };
        self.indented(17, &format!("{sign} {name}"), text, look);
    }
}

/// Whether deleted files are recovered.
fn deleted_rows(app: &App, lines: &mut Lines) {
    let (deleted, gone) = (app.deleted(), app.gone());
    if deleted.files > 0 {
        let recover = if app.recover { "yes" } else { "NO" };
        let files = units::count(deleted.files, "file was", "files were");
        let text = format!("recover: {recover}. {files} deleted: {}", deleted.words());
        lines.row(app.recover, "deleted", &text);
    }
    if !gone.is_empty() {
        let recover = if app.recover { "yes" } else { "NO" };
        let (whose, more) = (gone.iter().take(3).cloned().collect::<Vec<_>>(), gone.len() > 3);
        let more = if more { " and others" } else { "" };
        let text = format!(
            "recover: {recover}. The folder of {}{more} is gone; deleted files of it may still be \
             there",
            whose.join(", ")
        );
        lines.row(app.recover, "deleted", &text);
    }
}

/// The set's name, and whether it is encrypted.
fn naming_rows(app: &App, encrypts: Option<&str>, lines: &mut Lines) {
    let computer = app.found.as_ref().and_then(|found| {
        let machine = &found.machine;
        machine.name.as_ref().or(machine.serial.as_ref()).map(|(name, _)| name.as_str())
    });
    let asked = app.naming.name.as_deref();
    let name = asked.or(computer).and_then(name_of_sets);
    let shown = name.as_deref().unwrap_or("the volume's serial number");
    let text = format!("{shown}, the time and an id");
    match asked.filter(|asked| Some(asked.trim()) != name.as_deref()) {
        None => lines.row(true, "name", &text),
        Some(asked) => {
            let why = "Names of sets have letters, digits and -, at most 40 characters";
            lines.row(false, "name", &format!("{text}. Not {asked}: {why}"));
        }
    }
    let encrypted = match (&app.naming.passphrase, encrypts) {
        (Some(_), _) => "with the passphrase that you typed",
        (None, Some("recipients")) => "to the recipients in the settings",
        (None, Some(_)) => "with the passphrase in the settings",
        (None, None) => "no",
    };
    lines.row(true, "encrypted", encrypted);
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;

    use super::super::super::super::args::Guide;
    use super::super::super::canvas::Glyphs;
    use super::super::super::jobs::Found;
    use super::super::super::places::Places;
    use super::super::super::places::tests::place;
    use super::*;

    #[test]
    fn every_place_says_how_much_is_free() {
        let mut found = Places::default();
        found.found = vec![place("E:/rescue"), place("F:/rescue")];
        let mut app = App::new(&Guide::default());
        app.found = Some(Box::new(Found::of_places(found)));
        let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 24));
        places(&app, &mut Canvas::new(&mut buffer, Glyphs::ASCII));
        let line = |y: u16| -> String {
            let cells = (0..80).filter_map(|x| buffer.cell((x, y)));
            cells.map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned()
        };
        assert_eq!(line(5), " > E:/rescue                    64.0 GiB free  STICK, FAT32, usb");
        assert_eq!(line(7), "   Another folder, or a share");
    }
}
