//! Facts of the session and the server.

use super::super::catalog;
use super::super::clock;
use super::super::codec::TICKS_A_DAY;
use super::super::compile::System;
use super::super::compile::expr::system_type;
use super::super::extension::Relation;
use super::super::value::text;
use super::super::{PRODUCT_VERSION, collation, views};
use super::EngineSession;
use crate::lab::sqlserver::types::{DataType, Datum};

impl EngineSession {
    pub(super) fn system_value(&self, system: System) -> (DataType, Datum) {
        let clock = &self.server.clock;
        let caught = self.caught.as_ref();
        let datetime2 = |ticks: u64| Datum::DateTime2 { days: u32::try_from(ticks / TICKS_A_DAY).unwrap_or(0), ticks: ticks % TICKS_A_DAY };
        let of_caught = |f: fn(&crate::lab::sqlserver::session::Message) -> Datum| caught.map_or(Datum::Null, f);
        let identity = || self.identity.map_or(Datum::Null, |i| Datum::Decimal { unscaled: i.into(), scale: 0 });
        let value = match system {
            System::RowCount => Datum::Int(i64::try_from(self.row_count).unwrap_or(i64::MAX)),
            System::Error => Datum::Int(self.error.into()),
            System::TranCount => Datum::Int(self.transaction.depth.into()),
            System::Spid => Datum::Int(self.spid.into()),
            System::Version => {
                text(&format!("Microsoft SQL Server 2022 (RTM) - {PRODUCT_VERSION} (X64) - stand-in of db-to-redshift's lab"))
            }
            System::ServerName => text(&self.server.name),
            System::Dbts => Datum::Bytes(self.database.last_rowversion().to_be_bytes().to_vec()),
            System::Identity | System::ScopeIdentity => identity(),
            System::XactState => Datum::Int(i64::from(self.transaction.depth > 0)),
            System::UserName => self.rights.user().map_or(Datum::Null, |user| text(&user)),
            System::LoginName => text(&self.user),
            System::DbName => text(&self.database.name),
            System::DbId => Datum::Int(self.database.id.into()),
            System::AppName => text(&self.application),
            System::GetDate => clock.local_datetime(),
            System::GetUtcDate => clock::to_datetime(clock.utc_ticks()),
            System::SysDateTime => datetime2(clock.local_ticks()),
            System::SysUtcDateTime => datetime2(clock.utc_ticks()),
            System::SysDateTimeOffset => {
                let utc = clock.utc_ticks();
                Datum::DateTimeOffset {
                    days: u32::try_from(utc / TICKS_A_DAY).unwrap_or(0),
                    ticks: utc % TICKS_A_DAY,
                    offset: clock.zone(),
                }
            }
            System::ErrorNumber => of_caught(|m| Datum::Int(m.number.into())),
            System::ErrorMessage => of_caught(|m| text(&m.text)),
            System::ErrorSeverity => of_caught(|m| Datum::Int(m.class.into())),
            System::ErrorState => of_caught(|m| Datum::Int(m.state.into())),
            System::ErrorLine => of_caught(|m| Datum::Int(m.line.into())),
            System::LockTimeout => Datum::Int(self.options.lock_timeout),
            System::FetchStatus => Datum::Int(0),
        };
        (system_type(system), value)
    }

    /// Relations that are not in a database file.
    pub(super) fn server_relation(&self, name: &str) -> Option<Relation> {
        let rows = match name {
            "sys.databases" => return Some(self.databases()),
            "sys.database_recovery_status" => return Some(self.recovery_status()),
            "sys.dm_exec_connections" => vec![vec![
                Datum::Int(self.spid.into()),
                text("TCP"),
                text(if self.tls { "TRUE" } else { "FALSE" }),
                text("SQL"),
                text("127.0.0.1"),
            ]],
            "sys.dm_exec_sessions" => vec![vec![
                Datum::Int(self.spid.into()),
                text(&self.user),
                text(&self.application),
                text("running"),
                Datum::Bit(true),
                Datum::Int(self.database.id.into()),
                Datum::Int(match self.options.isolation {
                    super::Isolation::ReadUncommitted => 1,
                    super::Isolation::ReadCommitted => 2,
                    super::Isolation::RepeatableRead => 3,
                    super::Isolation::Serializable => 4,
                    super::Isolation::Snapshot => 5,
                }),
            ]],
            _ => return None,
        };
        let columns = match name {
            "sys.dm_exec_connections" => {
                "session_id int, net_transport nvarchar(40), encrypt_option nvarchar(40), auth_scheme nvarchar(40), client_net_address varchar(48)"
            }
            _ => {
                "session_id smallint, login_name nvarchar(128), program_name nvarchar(128), status nvarchar(30), is_user_process bit, \
                 database_id smallint, transaction_isolation_level smallint"
            }
        };
        Some(Relation::of_rows(views::declared(columns), &rows))
    }

    fn databases(&self) -> Relation {
        let columns = views::declared(
            "name nvarchar(128), database_id int, create_date datetime, compatibility_level tinyint, collation_name nvarchar(128), \
             user_access_desc nvarchar(60), is_read_only bit, state tinyint, state_desc nvarchar(60), snapshot_isolation_state tinyint, \
             snapshot_isolation_state_desc nvarchar(60), is_read_committed_snapshot_on bit, recovery_model tinyint, \
             recovery_model_desc nvarchar(60), is_cdc_enabled bit, is_encrypted bit",
        );
        let mut rows = vec![];
        for database in self.server.databases() {
            let current = database.id == self.database.id;
            let other = if current { None } else { database.connect().ok() };
            let conn = other.as_ref().unwrap_or(&self.conn);
            let flag = |key: &str| catalog::meta::<bool>(conn, key).ok().flatten().unwrap_or(false);
            let snapshot = flag("snapshot_isolation_state");
            let created = catalog::meta::<i64>(conn, "create_date").ok().flatten().unwrap_or(0);
            rows.push(vec![
                text(&database.name),
                Datum::Int(database.id.into()),
                super::super::codec::decode(&DataType::DateTime, rusqlite::types::ValueRef::Integer(created)).unwrap_or(Datum::Null),
                Datum::Int(160),
                text(collation::DEFAULT),
                text("MULTI_USER"),
                Datum::Bit(false),
                Datum::Int(0),
                text("ONLINE"),
                Datum::Int(snapshot.into()),
                text(if snapshot { "ON" } else { "OFF" }),
                // Readers never wait for a writer here: they read what is committed.
                Datum::Bit(true),
                Datum::Int(1),
                text("FULL"),
                Datum::Bit(flag("is_cdc_enabled")),
                Datum::Bit(false),
            ]);
        }
        Relation::of_rows(columns, &rows)
    }

    fn recovery_status(&self) -> Relation {
        let columns = views::declared(
            "database_id int, database_guid uniqueidentifier, family_guid uniqueidentifier, recovery_fork_guid uniqueidentifier, \
             last_log_backup_lsn decimal",
        );
        let guid = |key: &str| {
            let stored: Option<Vec<u8>> = catalog::meta(&self.conn, key).ok().flatten();
            stored.and_then(|b| <[u8; 16]>::try_from(b).ok()).map_or(Datum::Null, Datum::Guid)
        };
        let row =
            vec![Datum::Int(self.database.id.into()), guid("database_guid"), guid("family_guid"), guid("recovery_fork_guid"), Datum::Null];
        Relation::of_rows(columns, &[row])
    }
}
