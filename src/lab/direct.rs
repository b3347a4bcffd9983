//! Work on the lab's SQL Server from inside: scripts, the workload, and the comparison.

use super::sqlserver::session::{Cancelled, Message, Session, Sessions, Sink};
use super::sqlserver::types::{DataType, Datum, ResultColumn};

/// A session without a connection.
pub struct Direct {
    session: Box<dyn Session>,
}

/// What a batch answered: its result sets and its first error.
#[derive(Default, Debug)]
pub struct Answer {
    pub sets: Vec<ResultSet>,
    error: Option<Message>,
    /// Rows changed by all statements together.
    pub changed: u64,
}

#[derive(Default, Debug)]
pub struct ResultSet {
    pub columns: Vec<ResultColumn>,
    pub rows: Vec<Vec<Datum>>,
}

/// A batch that failed.
#[derive(Debug, thiserror::Error)]
#[error("error {number} in batch {batch}: {text}")]
pub struct BatchError {
    pub number: i32,
    /// Counted from 1.
    pub batch: usize,
    pub text: String,
}

impl Sink for Answer {
    fn columns(&mut self, columns: &[ResultColumn]) -> Result<(), Cancelled> {
        self.sets.push(ResultSet { columns: columns.to_vec(), rows: Vec::new() });
        Ok(())
    }

    fn row(&mut self, row: &[Datum]) -> Result<(), Cancelled> {
        if let Some(set) = self.sets.last_mut() {
            set.rows.push(row.to_vec());
        }
        Ok(())
    }

    fn done(&mut self, rows: Option<u64>) -> Result<(), Cancelled> {
        self.changed += rows.unwrap_or(0);
        Ok(())
    }

    fn message(&mut self, message: &Message) -> Result<(), Cancelled> {
        if message.class > 10 && self.error.is_none() {
            self.error = Some(message.clone());
        }
        Ok(())
    }

    fn database_changed(&mut self, _: &str, _: &str) -> Result<(), Cancelled> {
        Ok(())
    }

    fn output(&mut self, _: &str, _: &DataType, _: &Datum) -> Result<(), Cancelled> {
        Ok(())
    }
}

impl Direct {
    /// Logs in as any client would.
    pub fn login(sessions: &dyn Sessions, user: &str, password: &str, database: &str) -> Result<Self, BatchError> {
        let (session, _) = sessions.login(user, password, database, "lab").map_err(|message| failed(&message, 1))?;
        Ok(Self { session })
    }

    /// Runs one batch.
    pub fn run(&mut self, sql: &str) -> Result<Answer, BatchError> {
        let mut answer = Answer::default();
        // This sink never cancels.
        let _ = self.session.batch(sql, &mut answer);
        match answer.error.take() {
            Some(message) => Err(failed(&message, 1)),
            None => Ok(answer),
        }
    }

    /// Runs batches in order, up to the first that fails.
    pub fn run_all<'a>(&mut self, batches: impl IntoIterator<Item = &'a str>) -> Result<u64, BatchError> {
        let mut changed = 0;
        for (at, batch) in batches.into_iter().enumerate() {
            changed += self.run(batch).map_err(|error| BatchError { batch: at + 1, ..error })?.changed;
        }
        Ok(changed)
    }
}

fn failed(message: &Message, batch: usize) -> BatchError {
    BatchError { number: message.number, batch, text: message.text.clone() }
}

/// The batches of a script: what stands between lines that hold `GO` alone.
#[must_use]
pub fn batches(script: &str) -> Vec<String> {
    let mut batches = vec![String::new()];
    for line in script.lines() {
        if line.trim().eq_ignore_ascii_case("go") {
            batches.push(String::new());
        } else if let Some(batch) = batches.last_mut() {
            batch.push_str(line);
            batch.push('\n');
        }
    }
    batches.retain(|batch| !batch.trim().is_empty());
    batches
}

#[cfg(test)]
mod tests {
    use super::batches;

    #[test]
    fn a_script_is_cut_at_go() {
        assert_eq!(batches("SELECT 1\nGO\n\n go \nSELECT 'GO'\nSELECT 2"), ["SELECT 1\n", "SELECT 'GO'\nSELECT 2\n"]);
    }
}
