//! The three machines of a configuration, joined to an engine.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::engine::event::{EventReceiver, Events};
use crate::engine::{Engine, Run};
use crate::model::Fault;
use crate::source::sqlserver::SqlServer;
use crate::store::s3::S3Store;
use crate::target::redshift::{CopyAccess, CopyLogin, Redshift};

/// The engine over the real machines.
pub type LiveEngine = Engine<SqlServer, S3Store, Redshift>;

/// Builds the machines. Nothing is connected before a command needs it.
pub async fn engine(settings: Settings, run: Run, cancel: CancellationToken) -> Result<(Arc<LiveEngine>, EventReceiver), Fault> {
    let store = S3Store::connect(&settings.s3, &settings.pipeline).await?;
    let login = if let Some(role) = &settings.redshift.copy_role {
        CopyLogin::Role(role.clone())
    } else {
        let keys = store.credentials().await?;
        let access_key_id = keys.access_key_id.expose().to_owned();
        CopyLogin::Keys { access_key_id, secret_access_key: keys.secret_access_key, session_token: keys.session_token }
    };
    let access = CopyAccess { login, region: Some(store.region().to_owned()) };
    let source = SqlServer::new(settings.source.clone()).page_rows(settings.extract.page_rows);
    let target = Redshift::new(settings.redshift.clone(), access);
    let (events, receiver) = Events::new();
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
