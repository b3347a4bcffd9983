//! Where one is and what one may do there: read-only, protected profiles, switching, what is kept.

use termlens::Key;

use super::Place;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_only_never_writes_and_says_why() {
    let mut place = Place::failed().await;
    place.change("INSERT INTO dbo.Tea VALUES (3, N'Gyokuro')");
    let keys = place.keys();
    let mut console = place.open(&["--read-only"]);
    console.line(&["FAILED", "dbo.Buyer"]);
    assert!(console.0.screen().row_text(0).contains("READ-ONLY"), "{}", console.text());
    for key in ['E', 'L', 'B', 'R', 'P'] {
        console.press(Key::Char(key));
        let screen = console.see("read-only: the console was started with --read-only");
        assert!(!screen.contains("y runs it"), "{screen}");
        console.press(Key::Char('j'));
        console.gone("read-only: the console was started");
        console.press(Key::Char('k'));
    }
    console.press(Key::Char('W'));
    console.see("read-only: the console was started with --read-only");
    console.press(Key::Char('e')).see("What it means");
    console.press(Key::Enter);
    console.see("read-only: the console was started with --read-only");
    console.press(Key::Esc).gone("What it means");
    // The menu tells the reason beside each line.
    console.press(Key::Char('a')).see("Actions");
    console.line(&["extract: new changes", "read-only"]);
    console.press(Key::Esc).gone("Actions");
    console.quit();
    assert_eq!(place.keys(), keys);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_protected_profile_is_unlocked_by_its_typed_name() {
    let mut place = Place::loaded().await;
    place.configure("[profile.live]\nprotected = true");
    place.change("INSERT INTO dbo.Tea VALUES (3, N'Gyokuro')");
    let mut console = place.open(&["--profile", "live"]);
    console.line(&["behind", "dbo.Tea"]);
    assert!(console.0.screen().row_text(0).contains(" PROD "), "{}", console.text());
    assert!(console.0.screen().row_text(0).contains("READ-ONLY (W unlocks)"), "{}", console.text());
    console.press(Key::Char('B'));
    console.see("the profile live is protected: W unlocks it for 15 minutes");
    // Another name, and the pasted name, do not count.
    console.press(Key::Char('W')).see("type the profile's name");
    console.type_in("liv").press(Key::Enter);
    console.see("what was typed is not the profile's name");
    console.press(Key::Char('W')).see("type the profile's name");
    console.0.paste("live").unwrap();
    console.see("typed, not pasted");
    console.press(Key::Enter);
    console.see("what was typed is not the profile's name");
    console.press(Key::Char('W')).see("type the profile's name");
    console.type_in("live").press(Key::Enter);
    console.see("WRITE 14:");
    console.press(Key::Char('B'));
    console.see_all(&["in PROD live", "y runs it"]);
    console.press(Key::Char('y'));
    console.line(&["Extract and load", "dbo.Tea", "done"]);
    place.equal(&["Tea"]).await;
    // It counts down, and W takes it back.
    let left = |screen: &termlens::Screen| screen.row_text(0).rsplit("WRITE ").next().map(str::trim).map(str::to_owned);
    let before = left(&console.0.screen());
    console.until("the time runs down", |screen| left(screen) != before);
    console.press(Key::Char('W'));
    console.see("READ-ONLY (W unlocks)");
    console.quit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profiles_are_switched_and_each_keeps_its_view() {
    let place = Place::loaded().await;
    place.configure("[profile.second]\npipeline = \"second\"\n[profile.second.redshift]\ntarget_schema = \"second\"\nstaging_schema = \"second_staging\"\ncontrol_schema = \"second_control\"");
    let mut console = place.open(&[]);
    console.line(&["ok", "dbo.Tea"]);
    console.press(Key::Char('2'));
    console.see("OLDEST");
    console.press(Key::Char('/')).type_in("te");
    console.press(Key::Enter);
    console.see("1/3");
    console.press(Key::Char('p')).see("Switch to a profile");
    console.line(&["default", "here"]);
    console.press(Key::Down).press(Key::Enter);
    // The other pipeline has no epoch yet, and its own view.
    console.line(&["not prepared", "dbo.Tea"]);
    let head = console.0.screen().row_text(0);
    assert!(head.contains(" LAB ") && head.contains(" second "), "{head}");
    assert!(console.text().contains("dbo.Sale") && !console.text().contains("1/3"), "{}", console.text());
    console.press(Key::Char('s'));
    console.see("TABLE↓");
    console.press(Key::Char('3')).see("STAGED");
    console.press(Key::Char('p')).see("Switch to a profile");
    console.press(Key::Enter);
    console.see_all(&["OLDEST", "1/3"]);
    console.quit();

    let mut console = place.open(&[]);
    console.see_all(&["OLDEST", "1/3"]);
    console.quit();
    let mut console = place.open(&["--profile", "second"]);
    console.see_all(&["STAGED", "TABLE↓"]);
    console.line(&["not prepared", "dbo.Sale"]);
    console.quit();
}
