use super::destination::USER;
use super::*;
use crate::cli::exit::interrupted;
use crate::cli::tui::places::Places;
use crate::cli::tui::places::tests::place;
use crate::model::secret::Secret;

/// One store, and two sticks attached.
fn app() -> App {
    let mut places = Places::default();
    places.found = vec![place("E:/rescue"), place("F:/rescue")];
    let mut app = App::new(&Guide::default());
    app.found = Some(Box::new(Found::of_places(places)));
    app.marked = vec![true];
    app.page = Page::Stores;
    app
}

fn press(app: &mut App, keys: &[Key]) -> Effect {
    keys.iter().map(|key| app.key(*key)).last().unwrap_or(Effect::Nothing)
}

fn type_in(app: &mut App, text: &str) {
    for c in text.chars() {
        app.key(Key::Char(c));
    }
}

#[test]
fn a_place_that_is_attached_is_two_keys_away() {
    let mut app = app();
    let effect = press(&mut app, &[Key::Enter, Key::Down, Key::Enter]);
    assert!(matches!(effect, Effect::Check(wish) if wish.to == "F:/rescue"));
    assert_eq!(app.page, Page::Checking);
}

#[test]
fn another_place_is_typed() {
    let mut app = app();
    press(&mut app, &[Key::Enter, Key::End, Key::Enter]);
    assert_eq!(app.page, Page::Form);
    assert!(matches!(app.key(Key::Enter), Effect::Nothing), "nothing is typed yet");
    type_in(&mut app, "smb://server/share");
    app.key(Key::Tab);
    type_in(&mut app, "tech");
    app.key(Key::Tab);
    type_in(&mut app, "geheim");
    let Effect::Check(wish) = app.key(Key::Enter) else { panic!("it is tried") };
    assert_eq!((wish.to.as_str(), wish.password.as_str()), ("smb://server/share", "geheim"));
    assert_eq!(wish.logon.user.as_deref(), Some("tech"));
}

#[test]
fn a_name_that_is_typed_is_no_anonymous_logon() {
    for name in ["", "tech"] {
        let mut app = app();
        app.logon.anonymous = true;
        press(&mut app, &[Key::Enter, Key::End, Key::Enter]);
        type_in(&mut app, "smb://server/share");
        app.key(Key::Tab);
        type_in(&mut app, name);
        let Effect::Check(wish) = app.key(Key::Enter) else { panic!("it is tried") };
        assert_eq!(wish.logon.anonymous, name.is_empty());
    }
}

#[test]
fn stopping_is_asked_for_and_the_second_time_obeyed() {
    let mut app = app();
    app.page = Page::Saving;
    assert!(matches!(app.key(Key::Esc), Effect::Nothing));
    assert!(matches!(app.key(Key::Esc), Effect::Nothing), "no");
    assert_eq!(app.question, None);
    assert!(matches!(press(&mut app, &[Key::Esc, Key::Char('S')]), Effect::Stop));
    assert!(app.is_stopping());
    assert!(matches!(app.key(Key::Stop), Effect::Leave(Exit::Interrupted)));
}

#[test]
fn nothing_is_left_without_a_question() {
    for page in [Page::Stores, Page::Where, Page::Form, Page::Refused, Page::Ready] {
        let mut app = app();
        app.page = page;
        assert!(matches!(app.key(Key::Stop), Effect::Nothing), "{page:?}");
        assert_eq!(app.question, Some(Question::Quit), "{page:?}");
        // No store was found here, and nothing saved.
        assert!(matches!(app.key(Key::Char('l')), Effect::Leave(Exit::NothingFound)));
    }
}

#[test]
fn a_job_that_does_not_stop_is_not_waited_for() {
    let mut app = app();
    app.page = Page::Saving;
    let start = Instant::now();
    app.stop(start);
    app.tick(start + Duration::from_secs(2));
    assert_eq!(app.page, Page::Saving);
    app.tick(start + Duration::from_secs(3));
    assert_eq!((app.page, app.exit(), app.end()), (Page::End, Exit::Interrupted, End::Stopped));
    app.key(Key::Char('r'));
    assert!(app.page == Page::End && app.hint.is_some(), "it would meet itself");
    app.done(Done::Saved(Box::new(Saved { failure: Some(interrupted()), ..Saved::default() })));
    app.form.fields[0] = Field::new("smb://tech@server/share");
    assert!(matches!(app.key(Key::Char('r')), Effect::Check(_)));
    assert_eq!(app.page, Page::Checking);
}

#[test]
fn a_passphrase_is_typed_twice_and_empty_is_none() {
    let mut app = app();
    app.page = Page::Ready;
    app.key(Key::Char('n'));
    type_in(&mut app, "INC-4711");
    app.key(Key::Tab);
    type_in(&mut app, "correct horse");
    app.key(Key::Tab);
    type_in(&mut app, "correct hors");
    app.key(Key::Enter);
    assert_eq!((app.page, app.naming.at), (Page::Naming, 2));
    assert!(app.naming.said.as_ref().unwrap().contains("differ"));
    type_in(&mut app, "e");
    assert_eq!(app.naming.said, None);
    app.key(Key::Enter);
    assert_eq!(app.page, Page::Ready);
    assert_eq!(app.naming.name.as_deref(), Some("INC-4711"));
    assert_eq!(app.naming.passphrase, Some(Secret::new("correct horse")));
    // A short one is refused, and Esc keeps what was taken.
    app.key(Key::Char('n'));
    for at in 1..3 {
        app.naming.fields[at] = Field::new("short");
    }
    app.key(Key::Enter);
    assert!(app.page == Page::Naming && app.naming.said.is_some());
    app.key(Key::Esc);
    assert_eq!(app.naming.passphrase, Some(Secret::new("correct horse")));
    app.key(Key::Char('n'));
    for at in 1..3 {
        app.naming.fields[at].clear();
    }
    app.key(Key::Enter);
    assert_eq!((app.page, &app.naming.passphrase), (Page::Ready, &None));
}

#[test]
fn a_key_that_cannot_go_on_says_why() {
    let mut app = app();
    press(&mut app, &[Key::Char(' '), Key::Enter]);
    assert!(app.hint.unwrap().contains("Space"));
    press(&mut app, &[Key::Char(' ')]);
    assert_eq!(app.hint, None);
    app.page = Page::Form;
    app.key(Key::Enter);
    assert!(app.hint.is_some());
}

#[test]
fn a_store_that_is_not_chosen_is_not_saved() {
    let mut app = app();
    press(&mut app, &[Key::Char(' '), Key::Enter]);
    assert_eq!(app.page, Page::Stores, "there is nothing to save");
    press(&mut app, &[Key::Char(' '), Key::Enter]);
    assert_eq!(app.page, Page::Where);
}

#[test]
#[cfg(not(windows))]
fn a_share_without_a_user_leads_to_the_field_for_it() {
    let mut app = app();
    press(&mut app, &[Key::Enter, Key::End, Key::Enter]);
    type_in(&mut app, r"\\server\share\x");
    assert!(matches!(app.key(Key::Enter), Effect::Nothing));
    assert_eq!((app.page, app.form.at), (Page::Form, USER));
    assert!(app.hint.unwrap().contains("Fill in User"));
    type_in(&mut app, "tech");
    let Effect::Check(wish) = app.key(Key::Enter) else { panic!("it is tried") };
    assert_eq!(
        (wish.to.as_str(), wish.logon.user.as_deref()),
        ("smb://server/share/x", Some("tech"))
    );
}
