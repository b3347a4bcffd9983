//! Who may do what: logins of the server, users, roles and permissions of its databases.
//!
//! Logins that the server is opened with are members of sysadmin. Everybody else has what GRANT
//! and roles give, and DENY takes before that. Permissions are kept on databases, schemas, objects
//! and columns of objects; what a login may not read it still sees in the catalogue views.

mod statement;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

use super::catalog::same_name;
use super::function::name::name_parts;
use crate::lab::sqlserver::session::Message;

pub use statement::{SecurityStatement, begins, parse};

/// Roles that every database has.
const FIXED_ROLES: &[&str] = &["db_owner", "db_datareader", "db_datawriter", "db_ddladmin", "public"];

/// What a permission is on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Securable {
    Database,
    Schema(String),
    Object { schema: String, name: String },
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Login {
    name: String,
    password: String,
    sysadmin: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    deny: bool,
    permission: String,
    on: Securable,
    /// Of this column of the object alone.
    column: Option<String>,
    to: String,
}

/// The principals and permissions of one database.
#[derive(Clone, Debug, Default)]
struct Principals {
    /// User and login.
    users: Vec<(String, String)>,
    roles: Vec<String>,
    /// Role and member.
    members: Vec<(String, String)>,
    entries: Vec<Entry>,
}

#[derive(Debug, Default)]
struct State {
    logins: Vec<Login>,
    /// By database id.
    databases: BTreeMap<i32, Principals>,
}

/// Shared by all sessions of a server.
#[derive(Debug, Default)]
pub struct Security(RwLock<State>);

impl Security {
    /// With logins that may do everything.
    pub fn of_administrators(logins: impl IntoIterator<Item = (String, String)>) -> Self {
        let logins = logins.into_iter().map(|(name, password)| Login { name, password, sysadmin: true }).collect();
        Self(RwLock::new(State { logins, databases: BTreeMap::new() }))
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the password is the login's; login names compare without case.
    pub fn accepts(&self, login: &str, password: &str) -> bool {
        self.read().logins.iter().any(|l| same_name(&l.name, login) && l.password == password)
    }
}

/// What one login may do in one database.
#[derive(Clone, Debug)]
pub struct Rights {
    security: Arc<Security>,
    database: i32,
    database_name: String,
    login: String,
}

impl Rights {
    pub fn new(security: &Arc<Security>, database: i32, database_name: &str, login: &str) -> Self {
        Self { security: Arc::clone(security), database, database_name: database_name.to_owned(), login: login.to_owned() }
    }

    #[must_use]
    pub fn is_sysadmin(&self) -> bool {
        self.security.read().logins.iter().any(|login| login.sysadmin && same_name(&login.name, &self.login))
    }

    /// sysadmin, or a member of `db_owner`.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.is_sysadmin() || self.roles().iter().any(|role| same_name(role, "db_owner"))
    }

    /// The user of the login in this database: `dbo` for an administrator.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        if self.is_sysadmin() {
            return Some("dbo".to_owned());
        }
        let state = self.security.read();
        let users = &state.databases.get(&self.database)?.users;
        users.iter().find(|(_, login)| same_name(login, &self.login)).map(|(user, _)| user.clone())
    }

    /// The user and every role that it is in, through other roles as well.
    fn roles(&self) -> Vec<String> {
        let Some(user) = self.user() else { return Vec::new() };
        let mut all = vec!["public".to_owned(), user];
        let state = self.security.read();
        let Some(principals) = state.databases.get(&self.database) else { return all };
        let mut at = 0;
        while at < all.len() {
            for (role, member) in &principals.members {
                if same_name(member, &all[at]) && !all.iter().any(|known| same_name(known, role)) {
                    all.push(role.clone());
                }
            }
            at += 1;
        }
        all
    }

    /// `IS_ROLEMEMBER`: `None` for a role that is not there.
    #[must_use]
    pub fn is_member(&self, role: &str) -> Option<bool> {
        let there = FIXED_ROLES.iter().any(|fixed| same_name(fixed, role)) || {
            let state = self.security.read();
            state.databases.get(&self.database).is_some_and(|principals| principals.roles.iter().any(|own| same_name(own, role)))
        };
        there.then(|| self.is_owner() || self.roles().iter().any(|own| same_name(own, role)))
    }

    /// Whether the permission is had: a DENY anywhere counts before any GRANT.
    #[must_use]
    pub fn allows(&self, permission: &str, on: &Securable) -> bool {
        if self.is_owner() {
            return true;
        }
        let roles = self.roles();
        let state = self.security.read();
        let none = Principals::default();
        let principals = state.databases.get(&self.database).unwrap_or(&none);
        let covers = |entry: &Entry| {
            let above = match (&entry.on, on) {
                (Securable::Database, _) => true,
                (Securable::Schema(of), Securable::Schema(schema) | Securable::Object { schema, .. }) => same_name(of, schema),
                (of, on) => same_securable(of, on),
            };
            above
                && entry.column.is_none()
                && (entry.permission.eq_ignore_ascii_case(permission) || entry.permission == "CONTROL")
                && roles.iter().any(|role| same_name(role, &entry.to))
        };
        if principals.entries.iter().any(|entry| entry.deny && covers(entry)) {
            return false;
        }
        let by_role = match permission {
            "SELECT" => "db_datareader",
            "INSERT" | "UPDATE" | "DELETE" => "db_datawriter",
            _ => "",
        };
        roles.iter().any(|role| same_name(role, by_role)) || principals.entries.iter().any(|entry| !entry.deny && covers(entry))
    }

    /// Whether the permission is had on one column: what is said of the column counts before what
    /// is said of its table, so a GRANT on it is worth more than a DENY on the table, as documented
    /// for GRANT on objects; of two words on the column DENY counts.
    #[must_use]
    pub fn allows_column(&self, permission: &str, schema: &str, name: &str, column: &str) -> bool {
        let on = Securable::Object { schema: schema.to_owned(), name: name.to_owned() };
        if self.is_owner() {
            return true;
        }
        let roles = self.roles();
        let said: Vec<bool> = {
            let state = self.security.read();
            let entries = state.databases.get(&self.database).map(|principals| principals.entries.as_slice()).unwrap_or_default();
            let own = |entry: &&Entry| {
                entry.column.as_deref().is_some_and(|named| same_name(named, column))
                    && same_securable(&entry.on, &on)
                    && entry.permission.eq_ignore_ascii_case(permission)
                    && roles.iter().any(|role| same_name(role, &entry.to))
            };
            entries.iter().filter(own).map(|entry| entry.deny).collect()
        };
        if said.is_empty() { self.allows(permission, &on) } else { !said.contains(&true) }
    }

    /// What a query may not read of an object: each closed column with the 230 that names it. 229
    /// when nothing of the object is open.
    pub fn closed_columns<'c>(
        &self,
        schema: &str,
        name: &str,
        columns: impl IntoIterator<Item = &'c str>,
    ) -> Result<Vec<(String, Message)>, Message> {
        let mut open = false;
        let mut closed = Vec::new();
        for column in columns {
            if self.allows_column("SELECT", schema, name, column) {
                open = true;
                continue;
            }
            let text = format!(
                "The SELECT permission was denied on the column '{column}' of the object '{name}', database '{}', schema '{schema}'.",
                self.database_name
            );
            closed.push((column.to_owned(), Message { class: 14, ..Message::error(230, text) }));
        }
        if open { Ok(closed) } else { self.require("SELECT", schema, name).map(|()| closed) }
    }

    /// 229 without the permission on an object.
    pub fn require(&self, permission: &str, schema: &str, name: &str) -> Result<(), Message> {
        let on = Securable::Object { schema: schema.to_owned(), name: name.to_owned() };
        if self.allows(permission, &on) {
            return Ok(());
        }
        let text =
            format!("The {permission} permission was denied on the object '{name}', database '{}', schema '{schema}'.", self.database_name);
        Err(Message { class: 14, state: 5, ..Message::error(229, text) })
    }

    /// 262 without the permission on the database.
    pub fn require_in_database(&self, permission: &str) -> Result<(), Message> {
        if self.allows(permission, &Securable::Database) {
            return Ok(());
        }
        let text = format!("{permission} permission denied in database '{}'.", self.database_name);
        Err(Message { class: 14, ..Message::error(262, text) })
    }

    /// A gate of CDC: the role, if there is one, and SELECT on every captured column of the source
    /// table.
    #[must_use]
    pub fn passes_gate<'c>(&self, role: Option<&str>, schema: &str, table: &str, columns: impl IntoIterator<Item = &'c str>) -> bool {
        let member = role.is_none_or(|role| self.is_member(role) == Some(true));
        member && columns.into_iter().all(|column| self.allows_column("SELECT", schema, table, column))
    }

    /// A role that CDC makes when it is missing.
    pub fn make_role(&self, role: &str) {
        if self.is_member(role).is_none() {
            let mut state = self.security.0.write().unwrap_or_else(PoisonError::into_inner);
            state.databases.entry(self.database).or_default().roles.push(role.to_owned());
        }
    }

    /// The functions of a session's connection that ask for rights.
    pub fn register(&self, conn: &Connection) -> rusqlite::Result<()> {
        let rights = self.clone();
        conn.create_scalar_function("lab_gate", 4, FunctionFlags::SQLITE_UTF8, move |ctx| {
            let role: Option<String> = ctx.get(0)?;
            let text = |at: usize| ctx.get::<Option<String>>(at).map(Option::unwrap_or_default);
            // Columns come with a unit separator between.
            let (schema, table, columns) = (text(1)?, text(2)?, text(3)?);
            Ok(rights.passes_gate(role.as_deref(), &schema, &table, columns.split('\u{1f}')))
        })?;
        let rights = self.clone();
        conn.create_scalar_function("lab_allows_column", 3, FunctionFlags::SQLITE_UTF8, move |ctx| {
            let text = |at: usize| ctx.get::<Option<String>>(at).map(Option::unwrap_or_default);
            let (name, permission, column) = (text(0)?, text(1)?.to_uppercase(), text(2)?);
            let mut parts = name_parts(&name);
            let table = parts.pop().unwrap_or_default();
            let schema = parts.pop().unwrap_or_else(|| "dbo".to_owned());
            Ok(schema.eq_ignore_ascii_case("sys") || rights.allows_column(&permission, &schema, &table, &column))
        })?;
        let rights = self.clone();
        conn.create_scalar_function("lab_allows", 3, FunctionFlags::SQLITE_UTF8, move |ctx| {
            let text = |at: usize| ctx.get::<Option<String>>(at).map(Option::unwrap_or_default);
            let (name, class, permission) = (text(0)?, text(1)?, text(2)?.to_uppercase());
            let mut parts = name_parts(&name);
            let last = parts.pop().unwrap_or_default();
            let schema = parts.pop().unwrap_or_else(|| "dbo".to_owned());
            let on = match class.to_uppercase().as_str() {
                "SCHEMA" => Securable::Schema(last),
                "OBJECT" if schema.eq_ignore_ascii_case("sys") => return Ok(true),
                "OBJECT" => Securable::Object { schema, name: last },
                _ => Securable::Database,
            };
            Ok(rights.allows(&permission, &on))
        })?;
        let rights = self.clone();
        conn.create_scalar_function("lab_member", 2, FunctionFlags::SQLITE_UTF8, move |ctx| {
            let (role, of_server): (Option<String>, bool) = (ctx.get(0)?, ctx.get(1)?);
            let role = role.unwrap_or_default();
            Ok(if of_server { Some(rights.is_sysadmin()) } else { rights.is_member(&role) })
        })
    }

    /// Runs a statement; only an owner of the database may, and for logins only an administrator.
    pub fn run(&self, statement: &SecurityStatement) -> Result<(), Message> {
        let of_server = matches!(
            statement,
            SecurityStatement::CreateLogin { .. } | SecurityStatement::DropLogin(_) | SecurityStatement::ServerRole { .. }
        );
        if !(if of_server { self.is_sysadmin() } else { self.is_owner() }) {
            return Err(Message { class: 14, ..Message::error(15_247, "User does not have permission to perform this action.") });
        }
        let mut state = self.security.0.write().unwrap_or_else(PoisonError::into_inner);
        statement.apply(&mut state, self.database)
    }
}

fn same_securable(a: &Securable, b: &Securable) -> bool {
    match (a, b) {
        (Securable::Database, Securable::Database) => true,
        (Securable::Schema(a), Securable::Schema(b)) => same_name(a, b),
        (Securable::Object { schema, name }, Securable::Object { schema: other_schema, name: other }) => {
            same_name(schema, other_schema) && same_name(name, other)
        }
        _ => false,
    }
}
