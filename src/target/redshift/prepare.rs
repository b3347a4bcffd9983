//! Creates what is missing for one table, and checks what is there.
//!
//! Production (when missing), staging and state are made in one transaction, state with its row
//! (rule L8): so a staging table without a state is not ours, and of two first prepares one wins
//! and the other reads. Later DDL runs under the state's lock.

use super::apply;
use super::catalogue;
use super::collation;
use super::connect::Session;
use super::ddl::{self, Layout};
use super::error::{Kind, SqlError};
use super::hidden;
use super::locked::{self, Locked};
use super::names::Names;
use super::{production, shapes, state};
use crate::config::RedshiftSettings;
use crate::model::fault::rs;
use crate::model::state::StreamIdentity;
use crate::model::{Fault, TableName, TableShape};
use crate::target::{NewColumns, Prepared};

/// How often the state is looked for again after a race.
const ATTEMPTS: u32 = 4;

/// What prepare works on.
pub struct Job<'a> {
    pub settings: &'a RedshiftSettings,
    pub table: &'a TableName,
    pub shape: &'a TableShape,
    pub identity: &'a StreamIdentity,
    pub new_columns: NewColumns,
}

pub async fn run(job: &Job<'_>) -> Result<Prepared, Fault> {
    let mut refused = Vec::new();
    shapes::check_one(job.table, job.shape, &mut refused);
    if let Some(fault) = refused.into_iter().next() {
        return Err(fault);
    }
    let names = Names::new(job.settings, job.table);
    let layout = Layout::new(job.table, job.shape)?;
    let (mut did, mut replaced) = (Vec::new(), false);
    let mut session = Session::open(job.settings).await?;
    collation::database(&mut session, job.settings).await?;
    did.extend(collation::production(&mut session, &names, &layout).await?);
    shared(&mut session, job.settings, &names, &mut did).await?;
    for attempt in 1.. {
        let outcome = if catalogue::oid(&mut session, &names.state).await?.is_some() {
            again(job, &names, &layout, &mut did).await.map(|found| {
                replaced = found;
                true
            })
        } else {
            first(session, job, &names, &layout, &mut did).await
        };
        session = Session::open(job.settings).await?;
        match outcome {
            Ok(true) => break,
            Ok(false) if attempt < ATTEMPTS => {}
            Ok(false) => {
                return Err(Fault::new(&rs::CONFLICT, format!("{} is being made by somebody else", names.state.sql())));
            }
            Err(fault) => return Err(fault),
        }
    }
    let (production_rows, _) = super::maintenance::row_counts(&mut session, &names).await?;
    if did.is_empty() {
        did.push(format!("found {}, {} and {} ready", names.production.sql(), names.staging.sql(), names.state.sql()));
    }
    Ok(Prepared { did, lossy: shapes::lossy(job.shape), production_rows, replaced })
}

/// Schemas and the batch log: made outside a transaction, since all tables share them.
async fn shared(session: &mut Session, settings: &RedshiftSettings, names: &Names, did: &mut Vec<String>) -> Result<(), Fault> {
    for (what, schema) in schemas(settings) {
        let exists = catalogue::schema_exists(session, &schema).await?;
        if !exists && made(session.run("create schema", &ddl::create_schema(&schema)).await)? {
            did.push(format!("created {what} schema \"{schema}\""));
        }
    }
    if catalogue::oid(session, &names.log).await?.is_none() && made(session.run("create batch log", &ddl::create_log(&names.log)).await)? {
        did.push(format!("created batch log {}", names.log.sql()));
    }
    Ok(())
}

/// The three schemas as the target spells them, each once.
pub fn schemas(settings: &RedshiftSettings) -> Vec<(&'static str, String)> {
    let mut out: Vec<(&'static str, String)> = Vec::new();
    for (what, name) in [("target", &settings.target_schema), ("staging", &settings.staging_schema), ("control", &settings.control_schema)]
    {
        let folded = super::names::fold(name);
        if out.iter().all(|(_, other)| *other != folded) {
            out.push((what, folded));
        }
    }
    out
}

/// `false` when somebody else made it first.
fn made<T>(outcome: Result<T, SqlError>) -> Result<bool, SqlError> {
    match outcome {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == Some(Kind::AlreadyExists) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The first prepare. `false`: somebody else was faster, and state is to be read.
async fn first(mut session: Session, job: &Job<'_>, names: &Names, layout: &Layout, did: &mut Vec<String>) -> Result<bool, Fault> {
    if catalogue::oid(&mut session, &names.staging).await?.is_some() {
        // Made together with state: a rival may have committed both since we looked.
        if catalogue::oid(&mut session, &names.state).await?.is_some() {
            return Ok(false);
        }
        let staging = names.staging.sql();
        return Err(Fault::new(&rs::FOREIGN_STAGING, format!("{staging} exists, but {} does not", names.state.sql()))
            .evidence("staging", &staging)
            .evidence("state", names.state.sql()));
    }
    let production_found = catalogue::oid(&mut session, &names.production).await?.is_some();
    if production_found {
        check_production(&mut session, names, layout, None, did).await?;
    }
    match create_all(&mut session, job, names, layout, production_found).await {
        Ok(()) => {}
        Err(Created::Failed(error)) => {
            session.abandon().await;
            return match error.kind() {
                Some(Kind::AlreadyExists | Kind::Conflict) => Ok(false),
                _ => Err(error.into()),
            };
        }
        Err(Created::Fault(fault)) => {
            session.abandon().await;
            return Err(fault);
        }
    }
    if !production_found {
        did.push(format!("created production {}", names.production.sql()));
    }
    did.push(format!("created staging {}", names.staging.sql()));
    did.push(format!("created state {}", names.state.sql()));
    Ok(true)
}

/// Why the first transaction did not come through.
enum Created {
    Failed(SqlError),
    Fault(Fault),
}

impl From<SqlError> for Created {
    fn from(error: SqlError) -> Self {
        Self::Failed(error)
    }
}

impl From<Fault> for Created {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// `CREATE TABLE` without `IF NOT EXISTS`: the loser of a race must notice. State comes first, so
/// that the race is lost before anything else is made.
async fn create_all(session: &mut Session, job: &Job<'_>, names: &Names, layout: &Layout, production_found: bool) -> Result<(), Created> {
    session.run("begin", "BEGIN").await?;
    session.run("create state", &state::create(&names.state)).await?;
    if !production_found {
        session.run("create production", &ddl::create_production(names, layout)).await?;
    }
    session.run("create staging", &ddl::create_staging(names, layout)).await?;
    let production_oid = need_oid(session, &names.production).await?;
    let staging_oid = need_oid(session, &names.staging).await?;
    session.run("insert state", &state::insert(names, job.table, job.identity, production_oid, staging_oid)).await?;
    fail_point!("state.create.before");
    session.commit().await?;
    fail_point!("state.create.after");
    Ok(())
}

async fn need_oid(session: &mut Session, relation: &super::names::Relation) -> Result<u32, Fault> {
    catalogue::oid(session, relation)
        .await?
        .ok_or_else(|| Fault::new(&rs::ANSWER, format!("{} was created, but the catalogue does not have it", relation.sql())))
}

async fn check_production(
    session: &mut Session,
    names: &Names,
    layout: &Layout,
    loaded: Option<&TableName>,
    did: &mut Vec<String>,
) -> Result<(), Fault> {
    hidden::require_open(session, &names.production).await?;
    let found = catalogue::columns(session, &names.production).await?;
    let more = production::check(names, layout, &found, loaded)?;
    if !more.is_empty() {
        let note = format!(
            "found columns in {} that the source does not have, which become NULL or their default when a row changes: {}",
            names.production.sql(),
            more.join(", ")
        );
        if !did.contains(&note) {
            did.push(note);
        }
    }
    Ok(())
}

/// Gives production what it lacks beside the key. One statement a column: Redshift takes no more.
async fn add_columns(session: &mut Session, names: &Names, layout: &Layout, did: &mut Vec<String>) -> Result<(), Fault> {
    let found = catalogue::columns(session, &names.production).await?;
    for column in production::missing(layout, &found).filter(|column| !column.not_null) {
        session.run("add column", &production::add_column(names, column)).await?;
        did.push(format!("added column \"{}\" {} to {}", column.name, column.rs, names.production.sql()));
    }
    Ok(())
}

/// A prepare on a table that has its state: checks, and mends under the lock. `true`: production is
/// not the table that was loaded.
async fn again(job: &Job<'_>, names: &Names, layout: &Layout, did: &mut Vec<String>) -> Result<bool, Fault> {
    let session = Session::open(job.settings).await?;
    let mut locked = locked::begin(session, job.settings, names).await?;
    match mend(&mut locked, job, names, layout, did).await {
        Ok(replaced) => Ok(replaced),
        Err(fault) => {
            locked.session.abandon().await;
            Err(fault)
        }
    }
}

async fn mend(locked: &mut Locked, job: &Job<'_>, names: &Names, layout: &Layout, did: &mut Vec<String>) -> Result<bool, Fault> {
    locked::require_stream(&locked.row, names, job.table, job.identity)?;
    let recorded = (locked.row.state.production_oid, locked.row.state.staging_oid);
    let mut oids = recorded;
    let (epoch, fence) = (locked.row.state.epoch, locked.row.state.fence);
    let mut staged = locked.row.state.staged.is_some();
    let session = &mut locked.session;

    let staging_oid = catalogue::oid(session, &names.staging).await?;
    let ours = staging_oid == Some(recorded.1);
    let fits = ours && production::staging_fits(layout, &catalogue::columns(session, &names.staging).await?);
    if !fits {
        if staged {
            // What was staged goes with its table; the records still have it (rule L8: DDL needs
            // staged none).
            locked::move_state(session, names, &state::set_unstaged(&names.state, fence, epoch)).await?;
            staged = false;
        }
        if staging_oid.is_some() {
            session.run("drop staging", &ddl::drop_table(&names.staging)).await?;
        }
        session.run("create staging", &ddl::create_staging(names, layout)).await?;
        oids.1 = need_oid(session, &names.staging).await?;
        did.push(format!("{} staging {}", if staging_oid.is_some() { "rebuilt" } else { "created" }, names.staging.sql()));
    }

    let production_oid = catalogue::oid(session, &names.production).await?;
    if production_oid.is_some() {
        if job.new_columns == NewColumns::Add {
            add_columns(session, names, layout, did).await?;
        }
        check_production(session, names, layout, Some(job.table).filter(|_| epoch > 0), did).await?;
        if epoch == 0 {
            oids.0 = need_oid(session, &names.production).await?;
        }
    } else {
        if staged {
            // It cannot be applied to a table that is gone; its records stage it again.
            apply::empty(session, names, (fence, epoch)).await?;
        }
        session.run("create production", &ddl::create_production(names, layout)).await?;
        if epoch == 0 {
            oids.0 = need_oid(session, &names.production).await?;
            did.push(format!("created production {}", names.production.sql()));
        } else {
            // State goes on naming the table that was loaded: only a new epoch fills this one.
            did.push(format!("created production {}, which only a new epoch can fill", names.production.sql()));
        }
    }
    if oids != recorded {
        locked::move_state(session, names, &state::set_oids(&names.state, fence, oids.0, oids.1)).await?;
    }
    let replaced = epoch > 0 && production_oid != Some(recorded.0);
    if replaced && let Some(sql) = locked::replaced_sql(&locked.row, names, &names.production) {
        locked::move_state(session, names, &sql).await?;
    }
    session.commit().await?;
    Ok(replaced)
}
