//! One statement of a session: run, and told to the client.

use std::io;

use super::backend::Standing;
use super::copy::load;
use super::faults::Action;
use super::session::Session;
use super::sql::plan::{Planned, Work};
use super::sql::rewrite::of_catalogue;
use super::sql::settings::Effect;
use super::wire::message::{SqlError, notice, one_text};

/// The connection ends here on purpose.
fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "cut by a planned fault")
}

impl Session {
    /// Runs one statement and tells the client everything but ReadyForQuery. `false`: it failed.
    pub(super) async fn perform(&mut self, planned: &Planned) -> io::Result<bool> {
        let due = self.shared.faults.due(&planned.source);
        match &due {
            Some((Action::CutBefore, _)) => return Err(cut()),
            Some((Action::Hold, handle)) => handle.released().await,
            Some((Action::Conflict, _)) => {
                self.backend.fail().await?;
                let detail =
                    "Serializable isolation violation on table - 100001, transactions forming the cycle are: 2001, 2002 (pid:1001)";
                self.tell(&SqlError::new("XX000", "1023").detail(detail)).await?;
                return Ok(false);
            }
            Some((Action::Refuse(sqlstate, message), _)) => {
                self.backend.fail().await?;
                self.tell(&SqlError::new(sqlstate, *message)).await?;
                return Ok(false);
            }
            Some((Action::CutAfter | Action::RefuseValue(..), _)) | None => {}
        }
        let silent = matches!(due, Some((Action::CutAfter, _)));
        let refuse = match due {
            Some((Action::RefuseValue(column, code), _)) => Some((column, code)),
            _ => None,
        };
        let result = self.work(planned, silent, refuse).await?;
        if silent {
            return Err(cut());
        }
        match result {
            Ok(()) => Ok(true),
            Err(None) => Ok(false),
            Err(Some(error)) => {
                self.backend.fail().await?;
                self.tell(&error).await?;
                Ok(false)
            }
        }
    }

    /// The inner error is one that the client has not been told yet.
    async fn work(&mut self, planned: &Planned, silent: bool, refuse: Option<load::Refused>) -> io::Result<Result<(), Option<SqlError>>> {
        if self.backend.standing == Standing::Failed && !matches!(planned.work, Work::Pass { .. }) {
            return Ok(Err(Some(SqlError::new(
                "25P02",
                "current transaction is aborted, commands ignored until end of transaction block",
            ))));
        }
        match &planned.work {
            Work::Pass { sql, after, effect } => {
                if !self.pass(sql, silent).await? {
                    return Ok(Err(None));
                }
                if let Some(after) = after
                    && let Err(error) = self.backend.query(after).await?
                {
                    return Ok(Err(Some(error)));
                }
                if let Some(Effect::CaseSensitive(on)) = effect {
                    self.case_sensitive = *on;
                }
                Ok(Ok(()))
            }
            Work::Instead { sql, tag } => self.quietly(&[sql], tag, silent).await,
            Work::Truncate { sql } if self.backend.standing == Standing::InTransaction => {
                self.quietly(&["COMMIT", sql], "TRUNCATE TABLE", silent).await
            }
            Work::Truncate { sql } => self.quietly(&[sql], "TRUNCATE TABLE", silent).await,
            Work::Append { to, from } => {
                let moved = format!("WITH moved AS (DELETE FROM {from} RETURNING *) INSERT INTO {to} SELECT * FROM moved");
                self.quietly(&[&moved], "ALTER TABLE APPEND", silent).await
            }
            Work::Copy(copy) => {
                let ended = load::run(&mut self.backend, &self.shared, copy, load::Who { pid: self.pid, user: &self.user }, refuse).await?;
                if let Some(id) = ended.id {
                    let rows = ended.result.as_ref().map_or(0, |rows| i64::try_from(*rows).unwrap_or(i64::MAX));
                    self.last_copy = (rows, id);
                }
                match ended.result {
                    Ok(rows) if !silent => {
                        let said = format!(
                            "Load into table '{}' completed, {rows} record(s) loaded successfully.",
                            copy.table.rsplit('.').next().unwrap_or_default().trim_matches('"')
                        );
                        self.writer.send(b'N', &notice("INFO", self.shared.long_names.restore(&said))).await?;
                        self.writer.send(b'C', &one_text("COPY")).await?;
                        Ok(Ok(()))
                    }
                    Ok(_) => Ok(Ok(())),
                    Err(error) => Ok(Err(Some(error))),
                }
            }
        }
    }

    /// Gives a statement to the server and its answers to the client. `false`: it failed.
    async fn pass(&mut self, sql: &str, silent: bool) -> io::Result<bool> {
        self.relay.names_in_rows(self.shared.long_names.any() && sql.split(|c: char| !c.is_alphanumeric() && c != '_').any(of_catalogue));
        self.backend.send_query(sql).await?;
        let mut good = true;
        loop {
            let frame = self.backend.next().await?;
            match frame.tag {
                b'Z' => return Ok(good),
                b'G' => {
                    // Redshift has no COPY over the connection; planning refuses it.
                    self.backend.writer.send(b'f', b"not served\0").await?;
                    self.backend.writer.flush().await?;
                }
                tag => {
                    good &= tag != b'E';
                    if !silent {
                        self.relay.forward(frame, &self.shared.long_names, &mut self.writer).await?;
                    }
                }
            }
        }
    }

    /// Runs statements of which the client sees one tag.
    async fn quietly(&mut self, all: &[&str], tag: &str, silent: bool) -> io::Result<Result<(), Option<SqlError>>> {
        for sql in all {
            if let Err(error) = self.backend.query(sql).await? {
                return Ok(Err(Some(error)));
            }
        }
        if !silent {
            self.writer.send(b'C', &one_text(tag)).await?;
        }
        Ok(Ok(()))
    }
}
