//! `init`: the file that a newcomer gets, where the other commands look for it.

use std::path::Path;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_db-to-redshift");

/// A shell in this folder, where the program is found by its name.
fn shell(folder: &Path, config: Option<&str>, line: &str) -> Output {
    let beside = Path::new(PROGRAM).parent().unwrap().display();
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(folder).env("HOME", folder).env_remove("XDG_CONFIG_HOME").env_remove("D2R_CONFIG");
    command.env("PATH", format!("{beside}:{}", std::env::var("PATH").unwrap()));
    command.envs(config.map(|config| ("D2R_CONFIG", config))).output().unwrap()
}

/// Whoever has no file is told a command that makes the one that is missing.
#[test]
fn the_advice_of_a_missing_file_makes_it() {
    for (config, options, made) in [
        (None, "", "db-to-redshift.toml"),
        (None, "--config \"it's mine.toml\" ", "it's mine.toml"),
        (Some("of the shell.toml"), "", "of the shell.toml"),
        (Some("of the shell.toml"), "--config mine.toml ", "mine.toml"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let missing = shell(folder.path(), config, &format!("db-to-redshift {options}status"));
        let said = String::from_utf8(missing.stderr).unwrap();
        assert!(missing.status.code() == Some(2) && said.starts_with("CFG-001 "), "{said}");
        let advice = said.lines().find_map(|line| line.trim().strip_prefix("Next: ")).unwrap();
        let ran = shell(folder.path(), config, advice);
        assert!(ran.status.success(), "{advice}: {}", String::from_utf8_lossy(&ran.stderr));
        let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(files, [made], "{advice}");
        // What comes next reads that very file: it stands there, and is not filled in.
        let told = String::from_utf8(ran.stdout).unwrap();
        let next = told.trim_end().split_once("then run ").unwrap().1;
        let said = String::from_utf8(shell(folder.path(), config, next).stderr).unwrap();
        assert!(!said.contains("CFG-001"), "{next}: {said}");
    }
}

/// As on a full disk: nothing is left that the next try would not write over.
#[test]
fn a_file_that_cannot_be_written_whole_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let cut = shell(folder.path(), None, "trap '' XFSZ; ulimit -f 1; db-to-redshift init");
    let said = String::from_utf8(cut.stderr).unwrap();
    assert!(cut.status.code() == Some(2) && said.starts_with("CFG-"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{said}");
    assert!(shell(folder.path(), None, "db-to-redshift init").status.success());
    let again = shell(folder.path(), None, "db-to-redshift init");
    assert_eq!(again.status.code(), Some(2), "never over a file that is filled in");
}

#[test]
fn a_path_of_its_own_wins_and_read_only_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let refused = shell(folder.path(), None, "db-to-redshift --read-only init");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && said.starts_with("CFG-010 "), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let ran = shell(folder.path(), Some("b.toml"), "db-to-redshift --config a.toml init c.toml");
    assert!(ran.status.success() && folder.path().join("c.toml").exists());
    assert!(String::from_utf8(ran.stdout).unwrap().ends_with("then run db-to-redshift --config 'c.toml' check\n"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
