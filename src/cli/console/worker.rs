//! Answers the console's questions: each on a task of its own, so that the screen never waits.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::access::{may_write, unknown, unlock};
use super::{jobs, looks, place, plan, setup};
use crate::cli::connect::{self, LiveEngine};
use crate::config;
use crate::console::order::Order;
use crate::console::seam::{Access, Answer, Ask, Backend, Id, Look, Place, Replies, Reply};
use crate::engine::event::Events;
use crate::engine::status::TargetSaid;
use crate::engine::{Engine, Run};
use crate::model::control::RunRecord;
use crate::model::fault::{FaultDocument, cfg};
use crate::model::{Fault, TableName};

/// A profile that the console is connected to.
pub struct Link {
    /// Machines and settings; jobs get an engine of their own over the same machines.
    pub engine: Arc<LiveEngine>,
    /// What Redshift said last.
    pub said: Mutex<Option<Arc<TargetSaid>>>,
    /// The newest runs, as they were read last.
    pub runs: Mutex<Vec<RunRecord>>,
}

/// The profile that was asked for last, and what came of it.
#[derive(Default)]
struct Connection {
    asked: Id,
    /// The fault that came instead of a link; `None`: still connecting.
    ready: Option<Result<Arc<Link>, Fault>>,
}

/// Whoever answers.
pub struct Worker {
    config: Option<PathBuf>,
    read_only: bool,
    connection: Arc<watch::Sender<Connection>>,
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
            connection: Arc::new(watch::Sender::new(Connection::default())),
            access: Arc::new(Mutex::new(unknown(read_only))),
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
        let (config, read_only) = (self.config.clone(), self.read_only);
        let (connection, access) = (Arc::clone(&self.connection), Arc::clone(&self.access));
        // Nothing is answered from the profile before, and nothing of it may be written to.
        *locked(&access) = unknown(read_only);
        connection.send_replace(Connection { asked: id, ready: None });
        answer(id, replies, async move {
            let (ready, answer) = match open(config, profile).await {
                Ok((engine, place)) => {
                    let allowed = match (read_only, engine.settings.protected) {
                        (true, _) => Access::ReadOnly,
                        (false, true) => Access::Locked,
                        (false, false) => Access::Write,
                    };
                    let link = Arc::new(Link { engine, said: Mutex::default(), runs: Mutex::default() });
                    (Ok((link, allowed)), Ok(Answer::Connected { place: Box::new(place), access: allowed }))
                }
                Err(fault) => (Err(fault.clone()), Err(fault)),
            };
            connection.send_if_modified(|now| {
                // A slow answer for a profile that was left meanwhile.
                let newest = now.asked == id;
                if newest {
                    now.ready = Some(ready.map(|(link, allowed)| {
                        *locked(&access) = allowed;
                        link
                    }));
                }
                newest
            });
            answer
        });
    }

    /// The link, as soon as the profile that was asked for last is connected.
    fn linked(&self) -> impl Future<Output = Result<Arc<Link>, Fault>> + Send + use<> {
        let mut connection = self.connection.subscribe();
        async move {
            let ready = connection.wait_for(|now| now.ready.is_some()).await.ok().and_then(|now| now.ready.clone());
            match ready {
                Some(ready) => ready,
                // The console has gone: nobody waits for an answer.
                None => std::future::pending().await,
            }
        }
    }

    fn begin(&self, id: Id, order: Order, tables: Vec<TableName>, replies: &Replies) {
        let (linked, access, replies) = (self.linked(), Arc::clone(&self.access), replies.clone());
        let (jobs, cancel) = (Arc::clone(&self.jobs), CancellationToken::new());
        locked(&jobs).insert(id, cancel.clone());
        self.running.spawn(async move {
            let link = linked.await.and_then(|link| may_write(&access, &link.engine.settings.profile).map(|()| link));
            let ended = match link {
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
                    let (given, of) = (order.clone(), tables.clone());
                    let ended = guarded(async move { jobs::run(engine, &given, &of).await }).await;
                    let ended = ended.unwrap_or_else(|fault| jobs::refused(&order, &tables, &fault));
                    // What was told comes before the end.
                    if let Err(error) = told.await {
                        tracing::warn!(%error, "the job's events ended early");
                    }
                    // Redshift holds something else now.
                    *locked(&link.said) = None;
                    ended
                }
                Err(fault) => jobs::refused(&order, &tables, &fault),
            };
            locked(&jobs).remove(&id);
            let _ = replies.send(Reply::Ended { job: id, tables: ended }).await;
        });
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

/// Work whose panic becomes a fault: an answer that never comes would be waited for for ever.
///
/// # Errors
/// [`cfg::BROKE_OFF`] when the work panicked.
pub async fn guarded<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, Fault> {
    // The panic's own text may quote values: it goes to standard error, not into the fault.
    tokio::spawn(work).await.map_err(|_| Fault::new(&cfg::BROKE_OFF, "a part of the console's work ended by a panic"))
}

/// Reads the configuration and builds the machines; nothing is connected before it is needed.
async fn open(config: Option<PathBuf>, profile: String) -> Result<(Arc<LiveEngine>, Place), Fault> {
    let named = config.clone();
    // `command:` secrets may take a while.
    let read = tokio::task::spawn_blocking(move || {
        let profile = (profile != "default").then_some(profile);
        let settings = config::load(config.as_deref(), profile.as_deref())?;
        Ok::<_, Fault>((settings, config::profiles(config.as_deref())?))
    });
    let read = read.await.map_err(|error| Fault::new(&cfg::UNREADABLE, "the configuration could not be read").caused_by(error))?;
    let (settings, profiles) = read?;
    let place = place::place(&settings, profiles, named.as_deref());
    let (engine, _) = connect::engine(settings, Run::new("console", false), CancellationToken::new()).await?;
    Ok((engine, place))
}

/// What a look finds out.
async fn look(link: &Link, ask: Look) -> Result<Answer, Fault> {
    crate::panic_point!("console.look");
    let engine = &link.engine;
    match ask {
        Look::Fleet { target } => Ok(looks::fleet(link, target).await),
        Look::Runs => looks::runs(link).await,
        Look::Tab { table, tab, show_values } => Ok(Answer::Page(looks::tab(link, &table, tab, show_values).await?)),
        Look::Preview { table, seq, show_values } => Ok(Answer::Page(looks::preview(engine, &table, seq, show_values).await?)),
        Look::Row { table, url, line, show_values } => Ok(Answer::Page(looks::row(engine, &table, &url, line, show_values).await?)),
        Look::Trace { table, key, show_values } => Ok(Answer::Page(looks::trace(engine, &table, &key, show_values).await?)),
        Look::LoadErrors { table, show_values } => Ok(Answer::Page(looks::load_errors(engine, &table, show_values).await?)),
        Look::DryRun { table } => Ok(Answer::Page(looks::dry_run(engine, &table).await?)),
        Look::Plan { order, tables } => Ok(Answer::Plan(Box::new(plan::plan(link, &order, &tables).await?))),
        Look::Setup => Ok(Answer::Setup(Box::new(Box::pin(setup::checklist(engine)).await?))),
        Look::Bundle { tables } => looks::bundle(engine, tables).await.map(Answer::Written),
    }
}

/// Answers when the work is done; a fault is an answer, too.
fn answer(id: Id, replies: &Replies, work: impl Future<Output = Result<Answer, Fault>> + Send + 'static) {
    let replies = replies.clone();
    tokio::spawn(async move {
        let answer = guarded(work).await.and_then(std::convert::identity);
        let answer = answer.unwrap_or_else(|fault| Answer::Failed(Box::new(FaultDocument::from(&fault))));
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
                let (linked, access) = (self.linked(), Arc::clone(&self.access));
                answer(id, replies, async move {
                    let link = linked.await?;
                    unlock(&access, &link.engine.settings.profile, &typed).map(Answer::Access)
                });
            }
            Ask::Lock => {
                let access = self.lock();
                answer(id, replies, async move { Ok(Answer::Access(access)) });
            }
            Ask::Look(ask) => {
                let linked = self.linked();
                answer(id, replies, Box::pin(async move { look(&*linked.await?, ask).await }));
            }
        }
    }

    async fn finish(&mut self) {
        self.running.close();
        self.running.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A worker before a configuration that nothing answers for.
    fn worker(read_only: bool) -> (tempfile::TempDir, Worker) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        let text = r#"
pipeline = "p"
[source]
host = "127.0.0.1"
port = 1
database = "d"
user = "u"
password = "x"
[s3]
bucket = "changes"
region = "us-east-1"
endpoint_url = "http://127.0.0.1:1"
access_key_id = "k"
secret_access_key = "s"
[redshift]
host = "127.0.0.1"
port = 1
database = "d"
user = "u"
password = "x"
[profile.live]
protected = true
"#;
        std::fs::write(&path, text).unwrap();
        (folder, Worker::new(Some(path), read_only))
    }

    async fn asked(worker: &mut Worker, id: Id, ask: Ask) -> Reply {
        let (sender, mut replies) = tokio::sync::mpsc::channel(8);
        worker.ask(id, ask, &sender);
        replies.recv().await.unwrap()
    }

    fn access(reply: &Reply) -> Access {
        match reply {
            Reply::Answer { answer: Answer::Connected { access, .. } | Answer::Access(access), .. } => *access,
            other => panic!("{other:?}"),
        }
    }

    /// The code of the fault that an order ends with.
    async fn ordered(worker: &mut Worker, id: Id) -> String {
        let (sender, mut replies) = tokio::sync::mpsc::channel(8);
        let ask = Ask::Run { order: Order::Pause { why: "x".into() }, tables: vec![TableName::new("dbo", "t")] };
        worker.ask(id, ask, &sender);
        loop {
            if let Reply::Ended { tables, .. } = replies.recv().await.unwrap() {
                return tables[0].fault.as_ref().unwrap().code.clone();
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn read_only_refuses_whatever_the_screen_says() {
        let (_folder, mut worker) = worker(true);
        assert_eq!(access(&asked(&mut worker, 1, Ask::Connect { profile: "default".into() }).await), Access::ReadOnly);
        assert_eq!(ordered(&mut worker, 2).await, "CFG-010");
        let unlocked = asked(&mut worker, 3, Ask::Unlock { typed: "default".into() }).await;
        assert_eq!(access(&unlocked), Access::ReadOnly, "nothing unlocks it");
        assert_eq!(ordered(&mut worker, 4).await, "CFG-010");
    }

    /// It would look like one that went well.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_order_without_tables_that_was_refused_has_an_end() {
        let (_folder, mut worker) = worker(true);
        assert_eq!(access(&asked(&mut worker, 1, Ask::Connect { profile: "default".into() }).await), Access::ReadOnly);
        let ask = Ask::Run { order: Order::Enable { role: None }, tables: Vec::new() };
        let Reply::Ended { tables, .. } = asked(&mut worker, 2, ask).await else { panic!("it ends") };
        assert!(tables.len() == 1 && tables[0].is_failed(), "{tables:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_protected_profile_refuses_until_its_name_was_typed() {
        let (_folder, mut worker) = worker(false);
        assert_eq!(access(&asked(&mut worker, 1, Ask::Connect { profile: "live".into() }).await), Access::Locked);
        assert_eq!(ordered(&mut worker, 2).await, "CFG-010");
        let Reply::Answer { answer: Answer::Failed(fault), .. } = asked(&mut worker, 3, Ask::Unlock { typed: "liv".into() }).await else {
            panic!("another name")
        };
        assert_eq!(fault.code, "CFG-010");
        assert!(matches!(access(&asked(&mut worker, 4, Ask::Unlock { typed: "live".into() }).await), Access::Until(_)));
        assert_ne!(ordered(&mut worker, 5).await, "CFG-010", "it tries, and nobody answers");
        assert_eq!(access(&asked(&mut worker, 6, Ask::Lock).await), Access::Locked);
        assert_eq!(ordered(&mut worker, 7).await, "CFG-010");
    }

    /// Another profile counts as locked until it has said what it allows.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_one_profile_allows_another_does_not() {
        let (_folder, mut worker) = worker(false);
        assert_eq!(access(&asked(&mut worker, 1, Ask::Connect { profile: "default".into() }).await), Access::Write);
        let (sender, _replies) = tokio::sync::mpsc::channel(8);
        worker.ask(2, Ask::Connect { profile: "live".into() }, &sender);
        assert_eq!(ordered(&mut worker, 3).await, "CFG-010");
    }

    #[tokio::test]
    async fn a_panic_is_a_fault_and_not_a_wait_for_ever() {
        let fault = guarded::<()>(async { panic!("4711") }).await.unwrap_err();
        assert!(fault.is(&cfg::BROKE_OFF) && !fault.to_string().contains("4711"), "{fault}");
    }
}
