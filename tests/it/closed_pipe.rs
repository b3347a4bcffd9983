//! Whoever reads the output may leave early, as `head` does: the program ends quietly, with the
//! exit code of its work.

use std::io::pipe;
use std::process::{Command, Output, Stdio};

use crate::support::pipeline::Pipeline;

/// The program with a standard output that nobody reads any more.
fn unread(command: &mut Command) -> Output {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).output().unwrap()
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_db-to-redshift"));
    command.args(arguments);
    command
}

fn quiet(output: &Output, code: i32) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.as_ref()), (Some(code), ""));
}

#[test]
fn help_lists_and_errors_end_quietly() {
    quiet(&unread(&mut program(&["--help"])), 0);
    quiet(&unread(&mut program(&["explain", "--list"])), 0);
    quiet(&unread(&mut program(&["explain", "SRC-001"])), 0);
    quiet(&unread(&mut program(&["--json", "explain", "NONE-1"])), 2);
}

#[test]
fn a_closed_standard_error_does_not_matter_either() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let status = program(&["explain", "NONE-1"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = program(&["explain", "--list"]).stdin(Stdio::null()).stdout(full).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.starts_with("standard output could not be written"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_on_the_three_systems_end_quietly() {
    let pipeline = Pipeline::start([]).await;
    let config = pipeline.config.display().to_string();
    for arguments in [&["status"][..], &["tables"], &["runs"], &["sync"], &["--events", "sync"]] {
        let arguments = [&["--config", &config], arguments].concat();
        let output = tokio::task::spawn_blocking({
            let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
            move || unread(Command::new(env!("CARGO_BIN_EXE_db-to-redshift")).args(arguments))
        });
        quiet(&output.await.unwrap(), 0);
    }
}
