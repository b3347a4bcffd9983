//! The three machines of a configuration, joined to an engine.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::engine::event::{EventReceiver, Events};
use crate::engine::{Engine, Run};
use crate::model::Fault;
use crate::source::sqlserver::SqlServer;
use crate::store::s3::S3Store;
use crate::target::redshift::{CopyAccess, CopyAccessSource, CopyLogin, Redshift};

/// How a COPY reaches the bucket: by the configured role, else by the program's own keys of the
/// moment.
struct Access {
    role: Option<String>,
    store: S3Store,
}

impl CopyAccessSource for Access {
    fn access(&self) -> BoxFuture<'_, Result<CopyAccess, Fault>> {
        Box::pin(async move {
            let login = if let Some(role) = &self.role {
                CopyLogin::Role(role.clone())
            } else {
                let keys = self.store.credentials().await?;
                let access_key_id = keys.access_key_id.expose().to_owned();
                CopyLogin::Keys { access_key_id, secret_access_key: keys.secret_access_key, session_token: keys.session_token }
            };
            Ok(CopyAccess { login, region: Some(self.store.region().to_owned()) })
        })
    }
}

/// The engine over the real machines.
pub type LiveEngine = Engine<SqlServer, S3Store, Redshift>;

/// Builds the machines. Nothing is connected before a command needs it.
pub async fn engine(settings: Settings, run: Run, cancel: CancellationToken) -> Result<(Arc<LiveEngine>, EventReceiver), Fault> {
    let store = S3Store::connect(&settings.s3, &settings.pipeline).await?;
    let (events, receiver) = Events::new();
    let told = events.clone();
    let store = store.heard_by(Arc::new(move |object, why| told.store_retry(object, why)));
    let access = Access { role: settings.redshift.copy_role.clone(), store: store.clone() };
    let source = SqlServer::new(settings.source.clone()).page_rows(settings.extract.page_rows);
    let target = Redshift::new(settings.redshift.clone(), access);
    let engine = Engine {
        source: Arc::new(source),
        store: Arc::new(store),
        target: Arc::new(target),
        settings: Arc::new(settings),
        run,
        events,
        cancel,
    };
    Ok((Arc::new(engine), receiver))
}
