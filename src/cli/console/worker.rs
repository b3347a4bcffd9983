//! Answers the console's questions: each on a task of its own, so that the screen never waits.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{jobs, looks, place, plan, setup};
use crate::cli::connect::{self, LiveEngine};
use crate::config;
use crate::console::order::Order;
use crate::console::seam::{Access, Answer, Ask, Backend, Id, Look, Place, Replies, Reply, TableEnd};
use crate::engine::event::Events;
use crate::engine::status::TargetSaid;
use crate::engine::{Engine, Run};
use crate::model::fault::{FaultDocument, cfg};
use crate::model::{Fault, TableName};
use crate::store::ChangeStore;

/// How long an unlocked profile stays unlocked.
const UNLOCKED: SignedDuration = SignedDuration::from_mins(15);
/// Runs that are read: what failed last must be among them.
const RUNS: usize = 200;

/// A profile that the console is connected to.
pub struct Link {
    /// Machines and settings; jobs get an engine of their own over the same machines.
    pub engine: Arc<LiveEngine>,
    /// What Redshift said last.
    pub said: Mutex<Option<Arc<TargetSaid>>>,
}

/// Whoever answers.
pub struct Worker {
    config: Option<PathBuf>,
    read_only: bool,
    /// The fault that came instead, where there is none.
    link: Arc<Mutex<Result<Arc<Link>, Fault>>>,
    access: Arc<Mutex<Access>>,
    jobs: Arc<Mutex<BTreeMap<Id, CancellationToken>>>,
    running: TaskTracker,
}

/// A poisoned lock only says that another task has panicked; what it guards is whole.
pub fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Worker {
    #[must_use]
    pub fn new(config: Option<PathBuf>, read_only: bool) -> Self {
        Self {
            config,
            read_only,
            link: Arc::new(Mutex::new(Err(not_yet()))),
            access: Arc::new(Mutex::new(if read_only { Access::ReadOnly } else { Access::Locked })),
            jobs: Arc::default(),
            running: TaskTracker::new(),
        }
    }

    /// Jobs have not ended.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !locked(&self.jobs).is_empty()
    }

    fn connect(&self, id: Id, profile: String, replies: &Replies) {
        let (config, link, access, read_only) = (self.config.clone(), Arc::clone(&self.link), Arc::clone(&self.access), self.read_only);
        // Nothing is answered from the profile before.
        *locked(&link) = Err(not_yet());
        answer(id, replies, async move {
            match open(config, profile).await {
                Ok((engine, place)) => {
                    let allowed = match (read_only, engine.settings.protected) {
                        (true, _) => Access::ReadOnly,
                        (false, true) => Access::Locked,
                        (false, false) => Access::Write,
                    };
                    *locked(&access) = allowed;
                    *locked(&link) = Ok(Arc::new(Link { engine, said: Mutex::default() }));
                    Ok(Answer::Connected { place: Box::new(place), access: allowed })
                }
                Err(fault) => {
                    *locked(&link) = Err(fault.clone());
                    Err(fault)
                }
            }
        });
    }

    /// Whether one may write, decided here and not by the screen.
    fn may_write(&self) -> Result<(), Fault> {
        let now = Timestamp::now();
        if locked(&self.access).may_write(now) {
            return Ok(());
        }
        Err(Fault::new(&cfg::READ_ONLY, "the console may not write here"))
    }

    fn unlock(&self, typed: &str) -> Result<Access, Fault> {
        let profile = self.linked()?.engine.settings.profile.clone();
        let mut access = locked(&self.access);
        match *access {
            Access::Locked | Access::Until(_) if typed == profile => {
                let end = Timestamp::now().checked_add(UNLOCKED).unwrap_or(Timestamp::MAX);
                *access = Access::Until(end);
                Ok(*access)
            }
            Access::Locked | Access::Until(_) => {
                Err(Fault::new(&cfg::READ_ONLY, "what was typed is not the profile's name").evidence("profile", profile))
            }
            Access::Write | Access::ReadOnly => Ok(*access),
        }
    }

    fn begin(&self, id: Id, order: Order, tables: Vec<TableName>, replies: &Replies) {
        let ready = self.may_write().and_then(|()| self.linked());
        let replies = replies.clone();
        let (jobs, cancel) = (Arc::clone(&self.jobs), CancellationToken::new());
        locked(&jobs).insert(id, cancel.clone());
        self.running.spawn(async move {
            let ended = match ready {
                Ok(link) => {
                    let (events, receiver) = Events::new();
                    let engine = Arc::new(Engine {
                        source: Arc::clone(&link.engine.source),
                        store: Arc::clone(&link.engine.store),
                        target: Arc::clone(&link.engine.target),
                        settings: Arc::clone(&link.engine.settings),
                        run: Run::new(order.command(), false),
                        events,
                        cancel,
                    });
                    let told = tokio::spawn(jobs::tell(id, receiver, replies.clone()));
                    let ended = jobs::run(engine, &order, &tables).await;
                    // What was told comes before the end.
                    if let Err(error) = told.await {
                        tracing::warn!(%error, "the job's events ended early");
                    }
                    // Redshift holds something else now.
                    *locked(&link.said) = None;
                    ended
                }
                Err(fault) => tables.iter().map(|table| failed(table, &order, &fault)).collect(),
            };
            locked(&jobs).remove(&id);
            let _ = replies.send(Reply::Ended { job: id, tables: ended }).await;
        });
    }

    fn linked(&self) -> Result<Arc<Link>, Fault> {
        locked(&self.link).clone()
    }

    fn cancel(&self, job: Id) {
        if let Some(cancel) = locked(&self.jobs).get(&job) {
            cancel.cancel();
        }
    }

    fn lock(&self) -> Access {
        let mut access = locked(&self.access);
        if let Access::Until(_) = *access {
            *access = Access::Locked;
        }
        *access
    }
}

/// Before the first profile is there, nothing can be answered.
fn not_yet() -> Fault {
    Fault::new(&cfg::NO_TERMINAL, "the console is not connected to a profile yet")
}

/// Reads the configuration and builds the machines; nothing is connected before it is needed.
async fn open(config: Option<PathBuf>, profile: String) -> Result<(Arc<LiveEngine>, Place), Fault> {
    // `command:` secrets may take a while.
    let read = tokio::task::spawn_blocking(move || {
        let profile = (profile != "default").then_some(profile);
        let settings = config::load(config.as_deref(), profile.as_deref())?;
        Ok::<_, Fault>((settings, config::profiles(config.as_deref())?))
    });
    let read = read.await.map_err(|error| Fault::new(&cfg::UNREADABLE, "the configuration could not be read").caused_by(error))?;
    let (settings, profiles) = read?;
    let place = place::place(&settings, profiles);
    let (engine, _) = connect::engine(settings, Run::new("console", false), CancellationToken::new()).await?;
    Ok((engine, place))
}

/// What a look finds out.
async fn look(link: &Link, ask: Look) -> Result<Answer, Fault> {
    let engine = &link.engine;
    match ask {
        Look::Fleet { target } => Ok(looks::fleet(link, target).await),
        Look::Runs => Ok(Answer::Runs(engine.store.runs(RUNS).await?)),
        Look::Tab { table, tab, show_values } => Ok(Answer::Page(looks::tab(engine, &table, tab, show_values).await?)),
        Look::Preview { table, seq, show_values } => Ok(Answer::Page(looks::preview(engine, &table, seq, show_values).await?)),
        Look::Trace { table, key, show_values } => Ok(Answer::Page(looks::trace(engine, &table, &key, show_values).await?)),
        Look::LoadErrors { table, show_values } => Ok(Answer::Page(looks::load_errors(engine, &table, show_values).await?)),
        Look::DryRun { table } => Ok(Answer::Page(looks::dry_run(engine, &table).await?)),
        Look::Plan { order, tables } => Ok(Answer::Plan(Box::new(plan::plan(engine, &order, &tables).await?))),
        Look::Setup => Ok(Answer::Setup(Box::new(Box::pin(setup::checklist(engine)).await?))),
        Look::Bundle { tables } => looks::bundle(engine, tables).await.map(Answer::Written),
    }
}

/// An order that could not even begin.
fn failed(table: &TableName, order: &Order, fault: &Fault) -> TableEnd {
    TableEnd {
        table: table.clone(),
        outcome: format!("{} {}", order.command(), fault.code()),
        batches: 0,
        rows: 0,
        fault: Some(FaultDocument::from(fault)),
    }
}

/// Answers when the work is done; a fault is an answer, too.
fn answer(id: Id, replies: &Replies, work: impl Future<Output = Result<Answer, Fault>> + Send + 'static) {
    let replies = replies.clone();
    tokio::spawn(async move {
        let answer = work.await.unwrap_or_else(|fault| Answer::Failed(Box::new(FaultDocument::from(&fault))));
        // A console that is gone needs no answer.
        let _ = replies.send(Reply::Answer { id, answer }).await;
    });
}

impl Backend for Worker {
    fn ask(&mut self, id: Id, ask: Ask, replies: &Replies) {
        match ask {
            Ask::Connect { profile } => self.connect(id, profile, replies),
            Ask::Run { order, tables } => self.begin(id, order, tables, replies),
            Ask::Cancel { job } => self.cancel(job),
            Ask::Unlock { typed } => {
                let unlocked = self.unlock(&typed).map(Answer::Access);
                answer(id, replies, async move { unlocked });
            }
            Ask::Lock => {
                let access = self.lock();
                answer(id, replies, async move { Ok(Answer::Access(access)) });
            }
            Ask::Look(ask) => {
                let link = self.linked();
                answer(id, replies, Box::pin(async move { look(&*link?, ask).await }));
            }
        }
    }

    async fn finish(&mut self) {
        self.running.close();
        self.running.wait().await;
    }
}
