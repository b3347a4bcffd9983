//! Ordinary statements: short, read to the end, on connections that may be used again.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tiberius::error::Error;
use tiberius::{ColumnData, Query, Row};
use tokio::time::timeout;
use tracing::debug;

use super::connect::{self, Driver};
use super::error::Place;
use crate::config::SourceSettings;
use crate::model::fault::src;
use crate::model::{Fault, Lsn};

/// Sent once after login, as a batch: inside `sp_executesql` a SET would end with the call.
///
/// What a value looks like and how it compares must not hang on the login's or the server's
/// defaults; rows are counted (see `counted`), so the server must say how many; nobody waits for us, and in a deadlock we are the one to go.
pub const SESSION: &str = "\
SET NOCOUNT OFF;
SET QUOTED_IDENTIFIER ON;
SET ANSI_NULLS ON;
SET ANSI_PADDING ON;
SET ANSI_WARNINGS ON;
SET ARITHABORT ON;
SET CONCAT_NULL_YIELDS_NULL ON;
SET IMPLICIT_TRANSACTIONS OFF;
SET TEXTSIZE 2147483647;
SET LOCK_TIMEOUT 10000;
SET DEADLOCK_PRIORITY LOW;
SET LANGUAGE us_english;
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;";

/// Connections that are kept, and for how long: enough for the tables that are worked on at
/// once, too short for one to die unseen.
const IDLE_CONNECTIONS: usize = 4;
const IDLE_TIME: Duration = Duration::from_secs(30);

/// How much longer a statement that sorts may be silent.
const PATIENCE: u32 = 20;

pub type Parameter = ColumnData<'static>;

#[must_use]
pub fn text(value: impl Into<String>) -> Parameter {
    ColumnData::String(Some(value.into().into()))
}

#[must_use]
pub fn text_or_null(value: Option<String>) -> Parameter {
    ColumnData::String(value.map(Into::into))
}

#[must_use]
pub fn flag(value: bool) -> Parameter {
    ColumnData::Bit(Some(value))
}

#[must_use]
pub fn lsn(value: Lsn) -> Parameter {
    ColumnData::Binary(Some(value.as_bytes().to_vec().into()))
}

/// Many LSNs in one parameter, ten bytes each: a request takes 2,100 parameters at most. `lsn_at`
/// of [`super::quote`] takes them out again.
#[must_use]
pub fn lsns(values: impl Iterator<Item = Lsn>) -> Parameter {
    ColumnData::Binary(Some(values.flat_map(|value| *value.as_bytes()).collect::<Vec<_>>().into()))
}

#[must_use]
pub fn number(value: impl Into<i64>) -> Parameter {
    ColumnData::I64(Some(value.into()))
}

/// A statement with its parameters bound.
#[must_use]
pub fn query(sql: &str, parameters: Vec<Parameter>) -> Query<'_> {
    let mut query = Query::new(sql);
    query.bind_iter(parameters);
    query
}

/// Connections to one database.
pub struct Sessions {
    settings: SourceSettings,
    idle: Mutex<Vec<(Driver, Instant)>>,
}

impl Sessions {
    #[must_use]
    pub fn new(settings: SourceSettings) -> Self {
        Self { settings, idle: Mutex::new(Vec::new()) }
    }

    #[must_use]
    pub fn settings(&self) -> &SourceSettings {
        &self.settings
    }

    /// A connection of its own, never given back.
    pub async fn open(&self) -> Result<Driver, Fault> {
        connect::open(&self.settings, self.settings.timeout).await
    }

    /// As [`Self::open`], for a statement that sorts all it has before its first row.
    pub async fn open_patient(&self) -> Result<Driver, Fault> {
        connect::open(&self.settings, self.settings.timeout.saturating_mul(PATIENCE)).await
    }

    /// The fault of a driver error.
    #[must_use]
    pub fn failed(&self, place: &Place, error: &Error) -> Fault {
        place.failed(error, &self.settings.user)
    }

    /// Runs a statement and returns its result sets. The connection goes back only when the
    /// answer was read to its end; after any error, or when the caller gives up, it is closed.
    ///
    /// A kept connection may have died unseen, so one that breaks is replaced once. That is safe
    /// for every statement that runs here: reads, and calls that say so when they find their work
    /// done already.
    pub async fn run(&self, place: &Place, sql: &str, parameters: Vec<Parameter>) -> Result<Vec<Vec<Row>>, Fault> {
        if let Some(driver) = self.take() {
            match self.run_and_keep(driver, place, sql, parameters.clone()).await {
                Err(fault) if fault.is(&src::CONNECTION_LOST) => debug!(%fault, "a kept connection was dead"),
                answer => return answer,
            }
        }
        let driver = self.open().await?;
        self.run_and_keep(driver, place, sql, parameters).await
    }

    async fn run_and_keep(&self, mut driver: Driver, place: &Place, sql: &str, parameters: Vec<Parameter>) -> Result<Vec<Vec<Row>>, Fault> {
        let results = self.run_on(&mut driver, place, sql, parameters).await?;
        self.give_back(driver);
        Ok(results)
    }

    /// As [`Self::run`] on a connection of the caller's.
    pub async fn run_on(&self, driver: &mut Driver, place: &Place, sql: &str, parameters: Vec<Parameter>) -> Result<Vec<Vec<Row>>, Fault> {
        let answer = async {
            if parameters.is_empty() {
                driver.simple_query(sql).await?.into_results().await
            } else {
                query(sql, parameters).query(driver).await?.into_results().await
            }
        };
        match timeout(self.settings.timeout, answer).await {
            Ok(Ok(results)) => Ok(results),
            Ok(Err(error)) => Err(self.failed(place, &error)),
            Err(_) => Err(place.fault(&src::TIMED_OUT).evidence("timeout", format!("{:?}", self.settings.timeout))),
        }
    }

    /// A connection that answers, for a stream that is read to its end and gives it back then. A
    /// kept one may have died unseen.
    pub async fn lend(&self) -> Result<Driver, Fault> {
        if let Some(mut driver) = self.take()
            && self.run_on(&mut driver, &Place::new("a kept connection does not answer"), "SELECT 1 AS answer;", Vec::new()).await.is_ok()
        {
            return Ok(driver);
        }
        self.open().await
    }

    fn take(&self) -> Option<Driver> {
        let mut idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < IDLE_TIME);
        idle.pop().map(|(driver, _)| driver)
    }

    /// Only with no answer half read.
    pub fn give_back(&self, driver: Driver) {
        let mut idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if idle.len() < IDLE_CONNECTIONS {
            idle.push((driver, Instant::now()));
        }
    }
}
