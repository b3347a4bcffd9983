//! One running server, which never outlives us.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin};

use super::account::Account;
use super::programs::Programs;
use super::{StartError, While};

/// Holds the server as its child and waits for the end of its own input, which comes when we
/// close it and also when we are killed. Arguments: signal, `remove` or `keep`, home, program, options.
const WATCHER: &str = r#"
signal=$1; after=$2; home=$3; shift 3
"$@" &
server=$!
exec 2>/dev/null
cat >/dev/null
kill -"$signal" $server
wait $server
[ "$after" = remove ] && rm -rf "$home"
"#;

/// How a server ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// At once, and its files go.
    Remove,
    /// Cleanly, and its files stay.
    Keep,
}

pub(in super::super) struct Postmaster {
    home: PathBuf,
    child: Child,
    /// Closing this ends the server.
    lifeline: Option<ChildStdin>,
}

impl Postmaster {
    /// Starts the server on `home/data` and waits until it takes connections.
    pub(super) async fn launch(programs: &Programs, account: &Account, home: PathBuf, end: End) -> Result<Self, StartError> {
        let (signal, after) = match end {
            End::Remove => ("QUIT", "remove"),
            End::Keep => ("INT", "keep"),
        };
        let mut child = account
            .command(Path::new("/bin/sh"))
            .args(["-c", WATCHER, "sh", signal, after])
            .arg(&home)
            .arg(&programs.postgres)
            .arg("-D")
            .arg(home.join("data"))
            .arg("-k")
            .arg(&home)
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Not ours to receive: an interrupt from the terminal ends us, and that ends the server.
            .process_group(0)
            .spawn()
            .during("starting PostgreSQL")?;
        let lifeline = child.stdin.take();
        let mut said = String::new();
        if let Some(stderr) = child.stderr.take() {
            let mut lines = BufReader::new(stderr).lines();
            loop {
                match lines.next_line().await.during("reading PostgreSQL's log")? {
                    Some(line) if line.contains("database system is ready to accept connections") => break,
                    Some(line) => {
                        said.push_str(&line);
                        said.push('\n');
                    }
                    None => return Err(StartError::Program { what: "starting PostgreSQL", output: said }),
                }
            }
            tokio::spawn(async move {
                while let Ok(Some(line)) = lines.next_line().await {
                    tracing::debug!(line, "private postgresql");
                }
            });
        }
        Ok(Self { home, child, lifeline })
    }

    /// The server's socket.
    pub(in super::super) fn socket(&self) -> PathBuf {
        self.home.join(".s.PGSQL.5432")
    }

    /// Ends the server and waits for it. Dropping ends it too, without waiting.
    pub(in super::super) async fn stop(mut self) -> Result<(), StartError> {
        drop(self.lifeline.take());
        self.child.wait().await.during("stopping PostgreSQL")?;
        Ok(())
    }
}
