//! What a fault advises is a command for the same configuration, the same profile and the table
//! that it is about: pasted as it stands, it runs.

use std::fs;
use std::process::Stdio;

use tokio::process::Command;

use crate::support::pipeline::Pipeline;

/// The command of the first advice that gives one, with the program's path for its name.
fn pasted(said: &str) -> String {
    let next = said.lines().filter_map(|line| line.trim().strip_prefix("Next: "));
    let command = next.into_iter().find_map(|next| next.strip_prefix("db-to-redshift ")).unwrap_or_else(|| panic!("{said}"));
    format!("{} {command}", env!("CARGO_BIN_EXE_db-to-redshift"))
}

#[tokio::test(flavor = "multi_thread")]
async fn advice_runs_as_it_stands() {
    let (pipeline, _) = Pipeline::sample(31).await;
    // Only the profile has a target that is there.
    let text = fs::read_to_string(&pipeline.config).unwrap();
    let port = text.split("[redshift]").nth(1).unwrap().lines().find(|line| line.starts_with("port = ")).unwrap().to_owned();
    let (before, after) = text.split_once("[redshift]").unwrap();
    let text = format!("{before}[redshift]{}\n[profile.\"a b\".redshift]\n{port}\n", after.replacen(&port, "port = 1", 1));
    fs::write(&pipeline.config, text).unwrap();
    let prepared = pipeline.program(&["--profile", "a b", "prepare", "--table", "dbo.Country"]).output().await.unwrap();
    assert!(prepared.status.success(), "{prepared:?}");
    let client = crate::support::lab::redshift(&pipeline.lab).await;
    client
        .batch_execute(
            r#"DROP TABLE public.country; DROP TABLE d2r_staging."dbo__country"; DROP TABLE d2r_control."public__country__state""#,
        )
        .await
        .unwrap();
    let output = pipeline.program(&["--profile", "a b", "load", "--table", "dbo.Country"]).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let command = pasted(&said);
    for part in ["--config ", "--profile 'a b'", "'dbo.Country'"] {
        assert!(command.contains(part), "{part} is not in {command}");
    }
    let ran = Command::new("sh").args(["-c", &command]).stdin(Stdio::null()).output().await.unwrap();
    assert!(ran.status.success(), "{command}: {}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_choose_what_is_listed_or_are_refused() {
    let (mut pipeline, _) = Pipeline::sample(32).await;
    pipeline.sql.run("CREATE TABLE dbo.Untouched (id int NOT NULL PRIMARY KEY)").unwrap();
    pipeline.prepared().await;
    assert!(pipeline.program(&["sync"]).output().await.unwrap().status.success());
    for (arguments, code, lines) in [
        (&["runs", "--table", "dbo.Country"][..], 0, 2),
        (&["runs", "--table", "dbo.Nothing*"], 0, 1),
        (&["runs", "--table", "dbo.Untouched"], 0, 1),
        (&["runs", "--table", "dbo.Countri"], 2, 0),
        (&["tables", "--table", "dbo.Country"], 0, 2),
        (&["tables", "--table", "dbo.Countri"], 2, 0),
        (&["lsn", "2026-03-02 09:30:00", "--table", "dbo.Country"], 2, 0),
        (&["buckets", "--table", "dbo.Country"], 2, 0),
        (&["console", "--plain", "--table", "dbo.Country"], 2, 0),
    ] {
        let output = pipeline.program(arguments).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(if lines == 2 { said.lines().count() >= 2 } else { said.lines().count() == lines }, "{arguments:?}: {said}");
    }
}
