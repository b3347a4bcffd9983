//! The lab's SQL Server with a database of a test's own, and a plain client to write into it.

use std::sync::Arc;
use std::time::Duration;

use db_to_redshift::config::{CleanUpPolicy, Secret, SourceSettings, Tls};
use db_to_redshift::lab::direct::Direct;
use db_to_redshift::lab::sqlserver::cdc::Cdc;
use db_to_redshift::lab::sqlserver::engine::catalog::{self, Policy};
use db_to_redshift::lab::sqlserver::engine::server::{Server, User};
use db_to_redshift::lab::sqlserver::engine::session::EngineSessions;
use db_to_redshift::lab::sqlserver::session::Sessions;
use db_to_redshift::lab::sqlserver::types::Datum;
use db_to_redshift::lab::sqlserver::wire::{self, Options};
use db_to_redshift::source::sqlserver::SqlServer;
use tempfile::TempDir;
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

const USER: &str = "keeper";
const PASSWORD: &str = "Roast-7-beans";

/// Switches the security policy `rules.a]b` of a table on or off. While it is on, only the rows for
/// which the condition holds are seen, by anybody.
pub fn set_policy(server: &Server, database: &str, table: (&str, &str), condition: &str, enabled: bool) {
    let connection = server.database(database).unwrap().connect().unwrap();
    catalog::set_policy(&connection, &Policy { name: ("rules", "a]b"), table, condition, enabled }).unwrap();
}

/// One server, one database, capture run by hand.
pub struct Lab {
    pub source: SqlServer,
    pub database: String,
    pub cdc: Arc<Cdc>,
    server: Arc<Server>,
    sessions: Arc<EngineSessions>,
    pub settings: SourceSettings,
    pub wire: wire::Server,
    _folder: TempDir,
}

impl Lab {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = "Roastery".to_owned();
        let users = vec![User { name: USER.into(), password: PASSWORD.into() }];
        let server = Arc::new(Server::open(folder.path(), &[&database], users).unwrap());
        let cdc = Cdc::attach(&server).unwrap();
        let sessions = Arc::new(EngineSessions::new(Arc::clone(&server), false));
        let wire = wire::serve(Arc::clone(&sessions) as Arc<dyn Sessions>, Options::default()).await.unwrap();
        let settings = SourceSettings {
            host: "127.0.0.1".into(),
            port: wire.port(),
            database: database.clone(),
            user: USER.into(),
            password: Secret::new(PASSWORD),
            tls: Tls::Off,
            cleanup: CleanUpPolicy::Never,
            timeout: Duration::from_mins(1),
        };
        Self { source: SqlServer::new(settings.clone()), database, cdc, server, sessions, settings, wire, _folder: folder }
    }

    pub fn source_with_pages(&self, rows: u32) -> SqlServer {
        SqlServer::new(self.settings.clone()).page_rows(rows)
    }

    /// Runs a batch as somebody else's program would.
    pub async fn run(&self, sql: &str) {
        let mut client = self.client().await;
        let ran = async { client.simple_query(sql).await?.into_results().await }.await;
        ran.unwrap_or_else(|error| panic!("{}: {error}", &sql[..sql.len().min(200)]));
    }

    /// Somebody else's program.
    pub async fn client(&self) -> Client<Compat<TcpStream>> {
        let mut config = Config::new();
        config.host("127.0.0.1");
        config.port(self.settings.port);
        config.database(&self.database);
        config.authentication(AuthMethod::sql_server(USER, PASSWORD));
        config.encryption(EncryptionLevel::NotSupported);
        let tcp = TcpStream::connect(("127.0.0.1", self.settings.port)).await.unwrap();
        Box::pin(Client::connect(config, tcp.compat_write())).await.unwrap()
    }

    /// Round trips that clients have made, as the server saw them.
    pub fn requests(&self) -> u64 {
        self.wire.faults().requests()
    }

    /// Runs a batch inside the server, past the wire and its faults, and captures it.
    pub fn write(&self, sql: &str) {
        let mut direct = Direct::login(&*self.sessions, USER, PASSWORD, &self.database).unwrap();
        direct.run(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let _ = self.cdc.capture_now(&self.database);
    }

    /// The real client under a login of its own, `reader`, with what the manual asks for (SELECT
    /// on the source schema and on schema cdc, VIEW DATABASE STATE), and no more.
    pub fn reader(&self) -> SqlServer {
        for sql in [
            "CREATE LOGIN reader WITH PASSWORD = 'Roast-7-beans'",
            "CREATE USER reader FOR LOGIN reader",
            "GRANT SELECT ON SCHEMA::dbo TO reader",
            "GRANT SELECT ON SCHEMA::cdc TO reader",
            "GRANT VIEW DATABASE STATE TO reader",
        ] {
            self.write(sql);
        }
        SqlServer::new(SourceSettings { user: "reader".into(), ..self.settings.clone() })
    }

    /// The real client under the login `master_user`, which owns the database but is no sysadmin.
    pub fn owner(&self) -> SqlServer {
        for sql in [
            "CREATE LOGIN master_user WITH PASSWORD = 'Roast-7-beans'",
            "CREATE USER master_user FOR LOGIN master_user",
            "ALTER ROLE db_owner ADD MEMBER master_user",
        ] {
            self.write(sql);
        }
        SqlServer::new(SourceSettings { user: "master_user".into(), ..self.settings.clone() })
    }

    /// As [`Lab::reader`] in a database without schema cdc.
    pub fn reader_without_cdc(&self) -> SqlServer {
        self.write("CREATE LOGIN reader WITH PASSWORD = 'Roast-7-beans'");
        self.write("CREATE USER reader FOR LOGIN reader");
        SqlServer::new(SourceSettings { user: "reader".into(), ..self.settings.clone() })
    }

    /// As [`set_policy`].
    pub fn set_policy(&self, table: (&str, &str), condition: &str, enabled: bool) {
        set_policy(&self.server, &self.database, table, condition, enabled);
    }

    /// The first column of a query, which is text.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        let mut direct = Direct::login(&*self.sessions, USER, PASSWORD, &self.database).unwrap();
        let answer = direct.run(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let rows = answer.sets.iter().flat_map(|set| &set.rows);
        rows.map(|row| if let Datum::Text(text) = &row[0] { String::from_utf16(text).unwrap() } else { panic!("{sql}: {:?}", row[0]) })
            .collect()
    }

    /// Moves everything that is committed into the change tables.
    pub fn capture(&self) {
        self.cdc.capture_now(&self.database).unwrap();
    }
}
