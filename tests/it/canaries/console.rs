//! The console with canaries in every secret's place: its screens, what it writes, what it keeps.

use std::fs;
use std::path::Path;

use db_to_redshift::lab::redshift::Action;
use termlens::{Key, Terminal};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{Cage, PURPOSE, leaks};
use crate::console_pty::place::Console;

/// The console on the cage's configuration, in a home of its own.
fn open(cage: &Cage, home: &Path) -> Console {
    let terminal = Terminal::builder()
        .size(200, 50)
        .timeout(std::time::Duration::from_mins(1))
        .env_clear()
        .env("TERM", "xterm-256color")
        .env("HOME", home)
        .env("XDG_STATE_HOME", home.join("state"))
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir(home)
        .arg("--config")
        .arg(cage.config("plain", None));
    let mut console = Console(terminal.spawn(env!("CARGO_BIN_EXE_db-to-redshift")).unwrap_or_else(|error| panic!("{error}")));
    console.see("q quit");
    console
}

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
            continue;
        }
        let body = fs::read(&path).unwrap();
        let mut unpacked = Vec::new();
        let packed = std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&body[..]), &mut unpacked).is_ok();
        found.push(if packed { unpacked } else { body });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_screen_and_no_file_of_the_console_has_a_secret() {
    let mut cage = Cage::start().await;
    let config = cage.config("plain", None);
    assert!(cage.run(&config, &["prepare"]).await.status.success());
    assert!(cage.run(&config, &["load"]).await.status.success());
    // What is leaked on purpose must be found on the screens.
    let table = format!("CREATE TABLE dbo.[{PURPOSE}] (id int NOT NULL PRIMARY KEY)");
    cage.pipeline.sql.run(&table).unwrap();
    cage.pipeline.sql.run(&format!("EXEC sys.sp_cdc_enable_table N'dbo', N'{PURPOSE}', NULL")).unwrap();
    cage.change(2);
    let home = tempfile::tempdir().unwrap();
    let mut console = open(&cage, home.path());
    let mut seen = vec![console.see("dbo.t").text()];

    // A job that fails at the statement with the keys in it.
    let refused = Action::Refuse("42501", "permission denied for relation t");
    let _planted = cage.pipeline.lab.redshift.faults().on("COPY", 1, refused);
    console.press(Key::Char('/')).type_in("dbo.t").press(Key::Enter);
    console.press(Key::Char('B')).see("y runs it");
    seen.push(console.text());
    console.press(Key::Char('y')).see("FAILED");
    console.press(Key::Char('e'));
    seen.push(console.see("What it means").text());
    console.press(Key::Esc).gone("What it means");
    for view in ['1', '2', '3', '4', '5', '6', '1'] {
        console.press(Key::Char(view));
        seen.push(console.until("a view", |screen| !screen.contains("asking")).text());
    }
    console.press(Key::Char('y')).see("Copy");
    for _ in 0..6 {
        seen.push(console.text());
        console.press(Key::Down);
    }
    console.press(Key::Esc).gone("Copy");
    console.press(Key::Esc).see(PURPOSE);
    console.press(Key::Char('w')).see("Write the view");
    console.press(Key::Down).press(Key::Enter).see("written: ");
    console.command("bundle").see("incident bundle: ");
    seen.push(console.text());
    console.quit();

    let mut written = Vec::new();
    files(home.path(), &mut written);
    assert!(written.len() >= 3 && seen.len() > 10, "a view, a bundle and the last view: {} files", written.len());
    let on_screens = leaks(seen.join("\n").as_bytes());
    let in_files = leaks(&written.concat());
    assert_eq!(on_screens.into_iter().collect::<Vec<_>>(), ["on purpose"], "on screens");
    assert_eq!(in_files.into_iter().collect::<Vec<_>>(), ["on purpose"], "in files");
    assert!(cage.found.is_empty(), "{:#?}", cage.found);
}

/// A process that ends with a core file would leave every password in it.
#[tokio::test(flavor = "multi_thread")]
async fn no_core_file_is_ever_written() {
    let cage = Cage::start().await;
    // A shell that allows core files as large as it may.
    let mut child = tokio::process::Command::new("sh")
        .args(["-c", r#"ulimit -S -c "$(ulimit -H -c)"; exec "$@""#, "sh", env!("CARGO_BIN_EXE_db-to-redshift"), "--config"])
        .arg(&cage.pipeline.config)
        .arg("prepare")
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .env("D2R_FAILPOINT", "control.put.before")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while !lines.next_line().await.unwrap().expect("it stands at the point").starts_with("failpoint ") {}
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id().unwrap())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    child.kill().await.unwrap();
}
