//! The procedures of CDC by name.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::agent::Agent;
use super::arguments::Arguments;
use super::capture::Limits;
use super::errors::{Trouble, internal};
use super::jobs::JobType;
use super::{Cdc, cleanup, database, disable, enable, help, job, jobs};
use crate::lab::sqlserver::engine::extension::{Argument, Call, Outcome, Procedure, ProcedureFn};
use crate::lab::sqlserver::session::Message;

/// The procedure of that name (lower case, with the schema when one was written).
pub fn find(cdc: &Cdc, name: &str) -> Option<Procedure> {
    let procedure = work(cdc, name)?;
    let bare = name.rsplit('.').next().unwrap_or(name);
    let required = match bare {
        "sp_cdc_enable_db" | "sp_cdc_disable_db" => Some(Trouble::SysadminRequired),
        "sp_cdc_help_change_data_capture" | "sp_cdc_get_captured_columns" | "sp_cdc_get_ddl_history" => None,
        _ => Some(Trouble::OwnerRequired),
    };
    let Some(required) = required else { return Some(procedure) };
    let Procedure { transactional, run } = procedure;
    let run: ProcedureFn = Box::new(move |call, given| {
        let allowed = if required == Trouble::SysadminRequired { call.rights.is_sysadmin() } else { call.rights.is_owner() };
        if allowed { run(call, given) } else { Err(required.into()) }
    });
    Some(Procedure { transactional, run })
}

fn work(cdc: &Cdc, name: &str) -> Option<Procedure> {
    let bare = name.strip_prefix("sys.").or_else(|| name.strip_prefix("msdb.dbo.")).unwrap_or(name);
    let inside = |run: fn(&Call<'_>, &[Argument]) -> Result<Outcome, Message>| Some(Procedure { transactional: true, run: Box::new(run) });
    let outside = |run: ProcedureFn| Some(Procedure { transactional: false, run });
    match bare {
        "sp_cdc_enable_db" => inside(database::enable_db),
        "sp_cdc_disable_db" => inside(database::disable_db),
        "rds_cdc_enable_db" if cdc.rds.load(Ordering::SeqCst) => inside(database::rds_enable_db),
        "rds_cdc_disable_db" if cdc.rds.load(Ordering::SeqCst) => inside(database::rds_disable_db),
        "sp_cdc_enable_table" => inside(enable::enable_table),
        "sp_cdc_disable_table" => inside(disable::disable_table),
        "sp_cdc_help_change_data_capture" => inside(help::help_change_data_capture),
        "sp_cdc_get_captured_columns" => inside(help::captured_columns),
        "sp_cdc_get_ddl_history" => inside(help::ddl_history),
        "sp_cdc_help_jobs" => inside(jobs::help_jobs),
        "sp_cdc_add_job" => inside(jobs::add_job),
        "sp_cdc_change_job" => inside(jobs::change_job),
        "sp_cdc_drop_job" => {
            let agents = cdc.agents.clone();
            let run: ProcedureFn = Box::new(move |call, given| {
                let (job_type, outcome) = jobs::drop_job(call, given)?;
                if let (JobType::Capture, Some(agent)) = (job_type, of(&agents, call)) {
                    job::stop(agent);
                }
                Ok(outcome)
            });
            Some(Procedure { transactional: true, run })
        }
        "sp_cdc_cleanup_change_table" => {
            let fails = cdc.cleanup_fails.load(Ordering::SeqCst);
            outside(Box::new(move |call, given| cleanup::clean_change_table(call, given, fails)))
        }
        "sp_cdc_start_job" => {
            let agents = cdc.agents.clone();
            outside(Box::new(move |call, given| start_job(&agents, call, given)))
        }
        "sp_cdc_stop_job" => {
            let agents = cdc.agents.clone();
            outside(Box::new(move |call, given| stop_job(&agents, call, given)))
        }
        "sp_cdc_scan" => {
            let agents = cdc.agents.clone();
            outside(Box::new(move |call, given| scan(&agents, call, given)))
        }
        _ => None,
    }
}

fn of<'a>(agents: &'a [Arc<Agent>], call: &Call<'_>) -> Option<&'a Arc<Agent>> {
    agents.iter().find(|agent| agent.database.id == call.database.id)
}

fn start_job(agents: &[Arc<Agent>], call: &Call<'_>, given: &[Argument]) -> Result<Outcome, Message> {
    let (job_type, _) = jobs::named(call, "sp_cdc_start_job", given)?;
    let Some(agent) = of(agents, call) else { return Err(Trouble::NoJob { job_type: job_type.name().into() }.into()) };
    match job_type {
        JobType::Capture => {
            let failed = |error: std::io::Error| Message::error(22_022, format!("SQLServerAgent Error: {error}."));
            match job::start(agent, job::IDLE).map_err(failed)? {
                // The thread ends when the job is stopped; nobody needs to wait for it.
                Some(thread) => drop(thread),
                None => return Err(Trouble::JobAlreadyRunning { job: job_type.job_name(&call.database.name) }.into()),
            }
        }
        JobType::Cleanup => {
            cleanup::by_retention(agent, None).map_err(|e| internal(&e))?;
        }
    }
    Ok(Outcome::default())
}

fn stop_job(agents: &[Arc<Agent>], call: &Call<'_>, given: &[Argument]) -> Result<Outcome, Message> {
    let (job_type, _) = jobs::named(call, "sp_cdc_stop_job", given)?;
    let stopped = job_type == JobType::Capture && of(agents, call).is_some_and(|agent| job::stop(agent));
    if stopped { Ok(Outcome::default()) } else { Err(Trouble::JobNotRunning { job: job_type.job_name(&call.database.name) }.into()) }
}

const SCAN: &[&str] = &["@maxtrans", "@maxscans", "@continuous", "@pollinginterval", "@is_from_job"];

/// `sys.sp_cdc_scan`: one scan by hand, while the job does not run.
fn scan(agents: &[Arc<Agent>], call: &Call<'_>, given: &[Argument]) -> Result<Outcome, Message> {
    let arguments = Arguments::new("sp_cdc_scan", SCAN, given)?;
    database::require_enabled(call)?;
    if arguments.bit("@continuous")?.unwrap_or_default() {
        return Err(Message::error(50_000, "the lab runs sp_cdc_scan once only: use sp_cdc_start_job for @continuous = 1"));
    }
    let Some(agent) = of(agents, call) else { return Ok(Outcome::default()) };
    if super::agent::lock(&agent.job).running {
        return Err(Trouble::AnotherLogReader.into());
    }
    let limits = Limits { maxtrans: arguments.number("@maxtrans")?.unwrap_or(500), maxscans: arguments.number("@maxscans")?.unwrap_or(10) };
    agent.scan(limits).map_err(|(number, text)| Message::error(i32::try_from(number).unwrap_or(22_859), text))?;
    Ok(Outcome::default())
}
