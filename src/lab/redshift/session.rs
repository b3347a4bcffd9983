//! One client's session: its messages in, answers out.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};

use super::Shared;
use super::backend::{Backend, Standing};
use super::relay::Relay;
use super::sql::plan::{Planned, Work, plan};
use super::sql::rewrite::Context;
use super::wire::frame::{Frame, FrameReader, FrameWriter};
use super::wire::message::{SqlError, take_i16, take_i32, take_text, text};

pub(super) struct Session {
    pub shared: Arc<Shared>,
    pub user: String,
    pub pid: i32,
    pub reader: FrameReader,
    pub writer: FrameWriter,
    pub backend: Backend,
    pub relay: Relay,
    pub case_sensitive: bool,
    pub last_copy: (i64, i64),
    /// ReadyForQuery messages that the server still owes for Sync messages of the client.
    owed: u32,
    /// The server was given messages of the extended protocol since the last [`Session::settle`].
    unsettled: bool,
    /// An error was told: everything up to the next Sync is dropped.
    skipping: bool,
    /// Prepared statements that the proxy runs itself, by name.
    served: HashMap<String, Arc<Planned>>,
    /// The statement of each portal.
    portals: HashMap<String, String>,
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a malformed message")
}

impl Session {
    pub fn new(shared: Arc<Shared>, user: String, pid: i32, reader: FrameReader, writer: FrameWriter, backend: Backend) -> Self {
        Self {
            shared,
            user,
            pid,
            reader,
            writer,
            backend,
            relay: Relay::default(),
            case_sensitive: false,
            last_copy: (0, -1),
            owed: 0,
            unsettled: false,
            skipping: false,
            served: HashMap::new(),
            portals: HashMap::new(),
        }
    }

    /// Serves the client until one of the two connections ends.
    pub async fn run(mut self) -> io::Result<()> {
        loop {
            tokio::select! {
                biased;
                frame = self.backend.reader.next() => {
                    let Some(frame) = frame? else { return self.writer.flush().await };
                    // The server drops what follows up to the next Sync; so do we.
                    self.skipping |= frame.tag == b'E' && self.owed == 0;
                    self.forward(frame).await?;
                    if self.backend.reader.drained() {
                        self.writer.flush().await?;
                    }
                }
                frame = self.reader.next() => {
                    let Some(frame) = frame? else { return Ok(()) };
                    if frame.tag == b'X' {
                        return Ok(());
                    }
                    self.take(frame).await?;
                }
            }
        }
    }

    async fn take(&mut self, frame: Frame) -> io::Result<()> {
        self.unsettled |= matches!(frame.tag, b'P' | b'B' | b'E' | b'D' | b'C' | b'H' | b'S');
        match frame.tag {
            b'Q' => {
                self.skipping = false;
                self.settle().await?;
                let sql = take_text(&mut &frame.body[..]).ok_or_else(malformed)?.to_owned();
                self.simple(&sql).await?;
                self.writer.send(b'Z', &[self.backend.standing.letter()]).await?;
                self.writer.flush().await
            }
            b'S' => {
                self.skipping = false;
                self.owed += 1;
                self.backend.writer.send(b'S', &[]).await?;
                self.backend.writer.flush().await
            }
            _ if self.skipping => Ok(()),
            b'P' => self.parse(&frame).await,
            b'B' => self.bind(&frame).await,
            b'E' => {
                let portal = take_text(&mut &frame.body[..]).ok_or_else(malformed)?;
                match self.portals.get(portal).and_then(|statement| self.served.get(statement)).cloned() {
                    None => self.backend.writer.send(b'E', &frame.body).await,
                    Some(planned) => {
                        if self.settle().await? && !self.perform(&planned).await? {
                            self.skipping = true;
                        }
                        self.writer.flush().await
                    }
                }
            }
            b'H' => {
                self.backend.writer.send(b'H', &[]).await?;
                self.backend.writer.flush().await
            }
            b'D' | b'C' => self.backend.writer.send(frame.tag, &frame.body).await,
            // The rest of a COPY that the server has refused already.
            b'd' | b'c' | b'f' => Ok(()),
            _ => {
                self.tell(&SqlError::new("08P01", format!("invalid frontend message type {}", frame.tag))).await?;
                Err(malformed())
            }
        }
    }

    /// Waits for everything that the server owes. `false`: an error was among it, and the client
    /// drops what follows up to its Sync.
    async fn settle(&mut self) -> io::Result<bool> {
        if !self.unsettled {
            return Ok(!self.skipping);
        }
        self.unsettled = false;
        self.backend.writer.send(b'S', &[]).await?;
        self.backend.writer.flush().await?;
        loop {
            let frame = self.backend.next().await?;
            let failed = frame.tag == b'E';
            match (frame.tag, self.owed) {
                (b'Z', 0) => return Ok(!self.skipping),
                (b'Z', _) => {
                    self.skipping = false;
                    self.forward(frame).await?;
                }
                _ => self.forward(frame).await?,
            }
            self.skipping |= failed;
        }
    }

    /// A message of the server's to the client.
    async fn forward(&mut self, frame: Frame) -> io::Result<()> {
        if frame.tag == b'Z' {
            self.owed = self.owed.saturating_sub(1);
        }
        self.relay.forward(frame, &self.shared.long_names, &mut self.writer).await
    }

    pub(super) async fn tell(&mut self, error: &SqlError) -> io::Result<()> {
        let mut error = error.clone();
        error.message = self.shared.long_names.restore(&error.message);
        self.writer.send(b'E', &error.body()).await
    }

    fn planned(&self, sql: &str) -> Result<Vec<Planned>, SqlError> {
        plan(
            sql,
            &Context {
                case_sensitive: self.case_sensitive,
                long_names: &self.shared.long_names,
                last_copy_count: self.last_copy.0,
                last_copy_id: self.last_copy.1,
                in_transaction: self.backend.standing != Standing::Idle,
            },
        )
    }

    async fn simple(&mut self, sql: &str) -> io::Result<()> {
        self.relay.text_rows(true);
        let planned = match self.planned(sql) {
            Ok(planned) => planned,
            Err(error) => {
                self.backend.fail().await?;
                return self.tell(&error).await;
            }
        };
        if planned.is_empty() {
            return self.writer.send(b'I', &[]).await;
        }
        self.shared.saw(self.pid, sql);
        // Several statements in one message are one transaction, unless they say otherwise.
        let own_transaction = |planned: &Planned| {
            let first = planned.source.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
            matches!(first.as_str(), "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "vacuum")
        };
        let wrap = planned.len() > 1 && self.backend.standing == Standing::Idle && !planned.iter().any(own_transaction);
        if wrap {
            let _ = self.backend.query("BEGIN").await?;
        }
        let mut good = true;
        for (at, early) in planned.iter().enumerate() {
            // What went before may have opened a transaction or changed a setting.
            let late = if at == 0 { Ok(None) } else { self.planned(&early.source).map(|mut planned| planned.pop()) };
            good = match late {
                Ok(late) => self.perform(late.as_ref().unwrap_or(early)).await?,
                Err(error) => {
                    self.backend.fail().await?;
                    self.tell(&error).await?;
                    false
                }
            };
            if !good {
                break;
            }
        }
        if wrap && self.backend.standing != Standing::Idle {
            let end = self.backend.query(if good { "COMMIT" } else { "ROLLBACK" }).await?;
            if let Err(error) = end {
                self.tell(&error).await?;
            }
        }
        Ok(())
    }

    /// Parse: a statement that the proxy runs itself stands in the server as an empty one.
    async fn parse(&mut self, frame: &Frame) -> io::Result<()> {
        let mut body = &frame.body[..];
        let (Some(name), Some(sql)) = (take_text(&mut body), take_text(&mut body)) else { return Err(malformed()) };
        let mut planned = match self.planned(sql) {
            Ok(planned) if planned.len() > 1 => {
                return self.refuse(&SqlError::new("42601", "cannot insert multiple commands into a prepared statement")).await;
            }
            Ok(planned) => planned,
            Err(error) => return self.refuse(&error).await,
        };
        self.served.remove(name);
        let mut given = String::new();
        if let Some(planned) = planned.pop() {
            self.shared.saw(self.pid, sql);
            match &planned.work {
                // A fault may wait for any statement, so that these are looked at when they run.
                Work::Pass { sql, after: None, effect: None } if !self.shared.faults.any() => given.clone_from(sql),
                Work::Pass { sql, .. } if returns_rows(sql) => given.clone_from(sql),
                _ => {
                    self.served.insert(name.to_owned(), Arc::new(planned));
                }
            }
        }
        let mut message = BytesMut::new();
        text(&mut message, name);
        text(&mut message, &given);
        // An empty statement has no parameters.
        if given.is_empty() {
            message.put_i16(0);
        } else {
            message.put_slice(body);
        }
        self.backend.writer.send(b'P', &message).await
    }

    /// An error of ours inside the extended protocol.
    async fn refuse(&mut self, error: &SqlError) -> io::Result<()> {
        if self.settle().await? {
            self.backend.fail().await?;
            self.tell(error).await?;
        }
        self.skipping = true;
        self.writer.flush().await
    }

    async fn bind(&mut self, frame: &Frame) -> io::Result<()> {
        let mut body = &frame.body[..];
        let (Some(portal), Some(statement)) = (take_text(&mut body), take_text(&mut body)) else { return Err(malformed()) };
        self.portals.insert(portal.to_owned(), statement.to_owned());
        self.relay.text_rows(text_results(body).ok_or_else(malformed)?);
        self.backend.writer.send(b'B', &frame.body).await
    }
}

/// Whether the rest of a Bind asks for text in every column.
fn text_results(mut body: &[u8]) -> Option<bool> {
    for _ in 0..take_i16(&mut body)? {
        take_i16(&mut body)?;
    }
    for _ in 0..take_i16(&mut body)? {
        let length = take_i32(&mut body)?;
        body = body.get(usize::try_from(length).unwrap_or(0)..)?;
    }
    let mut all_text = true;
    for _ in 0..take_i16(&mut body)? {
        all_text &= take_i16(&mut body)? == 0;
    }
    Some(all_text)
}

fn returns_rows(sql: &str) -> bool {
    let first = sql.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    matches!(first.as_str(), "select" | "with" | "show" | "explain" | "fetch") || sql.contains('$')
}
