//! The capture and clean-up jobs, as `msdb.dbo.cdc_jobs` has them, and their procedures.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::arguments::Arguments;
use super::database::require_enabled;
use super::errors::{Trouble, internal};
use super::relations;
use crate::lab::sqlserver::engine::catalog;
use crate::lab::sqlserver::engine::codec;
use crate::lab::sqlserver::engine::extension::{Argument, Call, Outcome, ResultSet};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum, ResultColumn};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JobType {
    Capture,
    Cleanup,
}

impl JobType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Cleanup => "cleanup",
        }
    }

    /// 22992 for another word.
    pub fn parse(text: Option<String>) -> Result<Self, Message> {
        match text.as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("capture") => Ok(Self::Capture),
            Some("cleanup") => Ok(Self::Cleanup),
            _ => Err(Trouble::BadJobType { job_type: text.unwrap_or_else(|| "NULL".into()) }.into()),
        }
    }

    /// `cdc.<database>_capture`.
    pub fn job_name(self, database: &str) -> String {
        format!("cdc.{database}_{}", self.name())
    }
}

/// The settings of a job. Minutes and seconds as documented for `cdc_jobs`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Job {
    pub maxtrans: i64,
    pub maxscans: i64,
    pub continuous: bool,
    /// Seconds between scans.
    pub pollinginterval: i64,
    /// Minutes; clean-up only.
    pub retention: i64,
    /// Rows in one DELETE; clean-up only.
    pub threshold: i64,
}

impl Default for Job {
    fn default() -> Self {
        Self { maxtrans: 500, maxscans: 10, continuous: true, pollinginterval: 5, retention: 4320, threshold: 5000 }
    }
}

fn has_table(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(catalog::find_table(connection, "msdb.dbo", "cdc_jobs")?.is_some())
}

pub fn load(connection: &Connection, database_id: i32, job_type: JobType) -> rusqlite::Result<Option<Job>> {
    if !has_table(connection)? {
        return Ok(None);
    }
    connection
        .query_row(
            "SELECT maxtrans, maxscans, continuous, pollinginterval, retention, threshold
               FROM \"msdb.dbo.cdc_jobs\" WHERE database_id = ?1 AND job_type = ?2",
            params![database_id, job_type.name()],
            |row| {
                Ok(Job {
                    maxtrans: row.get(0)?,
                    maxscans: row.get(1)?,
                    continuous: row.get(2)?,
                    pollinginterval: row.get(3)?,
                    retention: row.get(4)?,
                    threshold: row.get(5)?,
                })
            },
        )
        .optional()
}

fn store(connection: &Connection, database_id: i32, job_type: JobType, job: &Job) -> rusqlite::Result<()> {
    if !has_table(connection)? {
        catalog::create_table(connection, &relations::jobs_definition())?;
    }
    let (capture, cleanup) = (job_type == JobType::Capture, job_type == JobType::Cleanup);
    let id = codec::encode(&DataType::UniqueIdentifier, &Datum::Guid(*Uuid::new_v4().as_bytes()));
    // Values of the other kind of job are 0, as real servers keep them.
    let when = |yes: bool, value: i64| if yes { value } else { 0 };
    connection.execute(
        "INSERT INTO \"msdb.dbo.cdc_jobs\"
                (database_id, job_type, job_id, maxtrans, maxscans, continuous, pollinginterval, retention, threshold)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (database_id, job_type) DO UPDATE
            SET maxtrans = excluded.maxtrans, maxscans = excluded.maxscans, continuous = excluded.continuous,
                pollinginterval = excluded.pollinginterval, retention = excluded.retention, threshold = excluded.threshold",
        params![
            database_id,
            job_type.name(),
            id,
            when(capture, job.maxtrans),
            when(capture, job.maxscans),
            capture && job.continuous,
            when(capture, job.pollinginterval),
            when(cleanup, job.retention),
            when(cleanup, job.threshold)
        ],
    )?;
    Ok(())
}

/// Both jobs with their defaults, when the first table is enabled.
pub fn add_default(connection: &Connection, database_id: i32) -> rusqlite::Result<()> {
    for job_type in [JobType::Capture, JobType::Cleanup] {
        if load(connection, database_id, job_type)?.is_none() {
            store(connection, database_id, job_type, &Job::default())?;
        }
    }
    Ok(())
}

pub fn drop_all(connection: &Connection, database_id: i32) -> rusqlite::Result<()> {
    if has_table(connection)? {
        connection.execute("DELETE FROM \"msdb.dbo.cdc_jobs\" WHERE database_id = ?1", [database_id])?;
    }
    Ok(())
}

const ADD: &[&str] = &[
    "@job_type",
    "@start_job",
    "@maxtrans",
    "@maxscans",
    "@continuous",
    "@pollinginterval",
    "@retention",
    "@threshold",
    "@check_for_logreader",
];

/// `sys.sp_cdc_add_job`.
pub fn add_job(call: &Call<'_>, given: &[Argument]) -> Result<Outcome, Message> {
    let arguments = Arguments::new("sp_cdc_add_job", ADD, given)?;
    arguments.require("@job_type")?;
    require_enabled(call)?;
    let job_type = JobType::parse(arguments.text("@job_type")?)?;
    if load(call.conn, call.database.id, job_type).map_err(|e| internal(&e))?.is_some() {
        return Err(Trouble::JobExists { job: job_type.job_name(&call.database.name) }.into());
    }
    let job = changed(&arguments, job_type, Job::default())?;
    store(call.conn, call.database.id, job_type, &job).map_err(|e| internal(&e))?;
    Ok(Outcome::default())
}

const CHANGE: &[&str] = &["@job_type", "@maxtrans", "@maxscans", "@continuous", "@pollinginterval", "@retention", "@threshold"];

/// `sys.sp_cdc_change_job`: takes effect when the job is started again.
pub fn change_job(call: &Call<'_>, given: &[Argument]) -> Result<Outcome, Message> {
    let arguments = Arguments::new("sp_cdc_change_job", CHANGE, given)?;
    require_enabled(call)?;
    let job_type = JobType::parse(Some(arguments.text("@job_type")?.unwrap_or_else(|| "capture".into())))?;
    let job = existing(call, job_type)?;
    let job = changed(&arguments, job_type, job)?;
    store(call.conn, call.database.id, job_type, &job).map_err(|e| internal(&e))?;
    Ok(Outcome::default())
}

fn changed(arguments: &Arguments<'_>, job_type: JobType, mut job: Job) -> Result<Job, Message> {
    match job_type {
        JobType::Capture if arguments.has("@retention") => return Err(Trouble::RetentionForCapture.into()),
        JobType::Cleanup if ["@pollinginterval", "@maxtrans", "@maxscans", "@continuous"].iter().any(|name| arguments.has(name)) => {
            return Err(Trouble::CaptureValuesForCleanup.into());
        }
        _ => {}
    }
    job.maxtrans = arguments.number("@maxtrans")?.unwrap_or(job.maxtrans);
    job.maxscans = arguments.number("@maxscans")?.unwrap_or(job.maxscans);
    job.continuous = arguments.bit("@continuous")?.unwrap_or(job.continuous);
    job.pollinginterval = arguments.number("@pollinginterval")?.unwrap_or(job.pollinginterval);
    job.retention = arguments.number("@retention")?.unwrap_or(job.retention);
    job.threshold = arguments.number("@threshold")?.unwrap_or(job.threshold);
    match job_type {
        JobType::Capture if job.maxtrans <= 0 => Err(Trouble::BadMaxTrans.into()),
        JobType::Capture if job.maxscans <= 0 => Err(Trouble::BadMaxScans.into()),
        JobType::Capture if !(0..86_400).contains(&job.pollinginterval) => Err(Trouble::BadPollingInterval.into()),
        JobType::Cleanup if !(1..=52_494_800).contains(&job.retention) => Err(Trouble::BadRetention.into()),
        JobType::Cleanup if job.threshold <= 0 => Err(Trouble::BadThreshold.into()),
        _ => Ok(job),
    }
}

fn existing(call: &Call<'_>, job_type: JobType) -> Result<Job, Message> {
    load(call.conn, call.database.id, job_type)
        .map_err(|e| internal(&e))?
        .ok_or_else(|| Trouble::NoJob { job_type: job_type.name().into() }.into())
}

/// The job that `@job_type` names, for drop, start and stop: capture when it is left out.
pub fn named(call: &Call<'_>, procedure: &'static str, given: &[Argument]) -> Result<(JobType, Job), Message> {
    let arguments = Arguments::new(procedure, &["@job_type"], given)?;
    require_enabled(call)?;
    let job_type = JobType::parse(Some(arguments.text("@job_type")?.unwrap_or_else(|| "capture".into())))?;
    Ok((job_type, existing(call, job_type)?))
}

/// `sys.sp_cdc_drop_job`.
pub fn drop_job(call: &Call<'_>, given: &[Argument]) -> Result<(JobType, Outcome), Message> {
    let (job_type, _) = named(call, "sp_cdc_drop_job", given)?;
    call.conn
        .execute("DELETE FROM \"msdb.dbo.cdc_jobs\" WHERE database_id = ?1 AND job_type = ?2", params![call.database.id, job_type.name()])
        .map_err(|e| internal(&e))?;
    Ok((job_type, Outcome::default()))
}

/// `sys.sp_cdc_help_jobs`.
pub fn help_jobs(call: &Call<'_>, given: &[Argument]) -> Result<Outcome, Message> {
    Arguments::new("sp_cdc_help_jobs", &[], given)?;
    require_enabled(call)?;
    let column = |name: &str, data_type| ResultColumn { name: name.into(), data_type, nullable: true };
    let columns = vec![
        column("job_id", DataType::UniqueIdentifier),
        column("job_type", DataType::NVarChar(Some(20))),
        column("job_name", DataType::NVarChar(Some(128))),
        column("maxtrans", DataType::Int),
        column("maxscans", DataType::Int),
        column("continuous", DataType::Bit),
        column("pollinginterval", DataType::BigInt),
        column("retention", DataType::BigInt),
        column("threshold", DataType::BigInt),
    ];
    let mut rows = Vec::new();
    for job_type in [JobType::Capture, JobType::Cleanup] {
        let Some(job) = load(call.conn, call.database.id, job_type).map_err(|e| internal(&e))? else { continue };
        let id = call.conn.query_row(
            "SELECT job_id FROM \"msdb.dbo.cdc_jobs\" WHERE database_id = ?1 AND job_type = ?2",
            params![call.database.id, job_type.name()],
            |row| Ok(codec::decode(&DataType::UniqueIdentifier, row.get_ref(0)?)),
        );
        let id = id.map_err(|e| internal(&e))?.unwrap_or(Datum::Null);
        let text = |text: &str| Datum::Text(text.encode_utf16().collect());
        let int = Datum::Int;
        rows.push(vec![
            id,
            text(job_type.name()),
            text(&job_type.job_name(&call.database.name)),
            int(job.maxtrans),
            int(job.maxscans),
            Datum::Bit(job.continuous),
            int(job.pollinginterval),
            int(job.retention),
            int(job.threshold),
        ]);
    }
    Ok(Outcome { results: vec![ResultSet { columns, rows }], ..Outcome::default() })
}
