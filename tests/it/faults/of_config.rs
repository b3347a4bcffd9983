//! CFG: each page by the program itself, or by the loader of the configuration.

use std::path::Path;

use db_to_redshift::config::{self, Surroundings};
use db_to_redshift::model::Fault;
use db_to_redshift::model::fault::cfg;

use crate::faults::{Met, provocations, run};
use crate::support::pipeline::Pipeline;

provocations! {
    [cfg::NOT_FOUND] => a_file_that_is_not_there,
    [cfg::INVALID] => a_file_with_errors,
    [cfg::UNREADABLE] => a_file_that_is_no_text,
    bare [cfg::READ_ONLY] => a_writing_command_under_read_only,
    [cfg::NO_SUCH_CODE] => an_unknown_code,
    [cfg::NO_SUCH_DOCUMENT] => an_unknown_document,
    [cfg::NOT_WRITTEN] => a_file_that_is_there_already,
    bare [cfg::BAD_ARGUMENT] => a_time_that_is_none,
    [cfg::LAB] => a_script_that_fails,
    bare [cfg::NO_TERMINAL] => a_console_without_a_terminal,
    bare [cfg::BROKE_OFF] => a_task_that_panics,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configuration_s_pages_are_met() {
    run(register()).await;
}

fn load(text: Option<&[u8]>) -> Fault {
    let folder = tempfile::tempdir().unwrap();
    if let Some(text) = text {
        std::fs::write(folder.path().join("c.toml"), text).unwrap();
    }
    let around = Surroundings { variable: &|_| None, folder: folder.path().to_owned() };
    config::load_in(&around, Some(Path::new("c.toml")), None).unwrap_err()
}

async fn a_file_that_is_not_there() -> Fault {
    load(None)
}

async fn a_file_with_errors() -> Fault {
    load(Some(b"speed = 9\n[source]\nport = \"many\"\npassword = \"card 4711\"\n"))
}

async fn a_file_that_is_no_text() -> Fault {
    load(Some(b"pipeline = \"\xff\xfe\"\n"))
}

/// The fault that the program prints.
async fn program(arguments: &[&str]) -> Met {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_db-to-redshift"));
    let ran = command.arg("--json").args(arguments).output().await.unwrap();
    assert_ne!(ran.status.code(), Some(0));
    Met::printed(&String::from_utf8(ran.stdout).unwrap())
}

async fn a_writing_command_under_read_only() -> Met {
    program(&["--read-only", "sync"]).await
}

async fn a_console_without_a_terminal() -> Met {
    program(&["console"]).await
}

async fn a_task_that_panics() -> Fault {
    db_to_redshift::cli::console::guarded::<()>(async { panic!("not-the-secret") }).await.unwrap_err()
}

async fn an_unknown_code() -> Met {
    program(&["explain", "SYNC-099"]).await
}

async fn an_unknown_document() -> Met {
    program(&["schema", "statsu"]).await
}

async fn a_file_that_is_there_already() -> Met {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    std::fs::write(&path, "filled in").unwrap();
    let met = program(&["init", path.to_str().unwrap()]).await;
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "filled in");
    met
}

async fn a_time_that_is_none() -> Met {
    let pipeline = Pipeline::start(["EXEC sys.sp_cdc_enable_db"]).await;
    let ran = pipeline.program(&["--json", "lsn", "soon"]).output().await.unwrap();
    assert_eq!(ran.status.code(), Some(2));
    Met::printed(&String::from_utf8(ran.stdout).unwrap())
}

async fn a_script_that_fails() -> Met {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sql");
    std::fs::write(&path, "SELECT * FROM dbo.nowhere\nGO\n").unwrap();
    program(&["lab", "--script", path.to_str().unwrap()]).await
}
