//! The statements about logins, users, roles and permissions.

use sqlparser::tokenizer::Token;

use super::super::catalog::same_name;
use super::super::parse::cursor::{Cursor, Result};
use super::{Entry, FIXED_ROLES, Login, Securable, State};
use crate::lab::sqlserver::session::Message;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Grant,
    Deny,
    Revoke,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SecurityStatement {
    CreateLogin {
        name: String,
        password: String,
    },
    DropLogin(String),
    /// Of sysadmin alone.
    ServerRole {
        role: String,
        member: String,
        add: bool,
    },
    CreateUser {
        name: String,
        login: String,
    },
    DropUser(String),
    CreateRole(String),
    DropRole(String),
    Member {
        role: String,
        member: String,
        add: bool,
    },
    Permissions {
        order: Order,
        /// Each with the columns that it is limited to; none: the whole object.
        permissions: Vec<(String, Vec<String>)>,
        on: Securable,
        principals: Vec<String>,
    },
}

/// Whether such a statement begins here.
#[must_use]
pub fn begins(c: &Cursor<'_>) -> bool {
    let about = |at: usize| ["LOGIN", "USER", "ROLE", "SERVER"].iter().any(|word| c.is_at(at, word));
    match c.word_at(c.at).as_deref() {
        Some("GRANT" | "DENY" | "REVOKE") => true,
        Some("CREATE" | "ALTER" | "DROP") => about(c.at + 1),
        _ => false,
    }
}

pub fn parse(c: &mut Cursor<'_>) -> Result<SecurityStatement> {
    let verb = c.word_at(c.at).unwrap_or_default();
    c.at += 1;
    match verb.as_str() {
        "CREATE" => create(c),
        "ALTER" => alter(c),
        "DROP" => {
            let of = c.word_at(c.at).unwrap_or_default();
            c.at += 1;
            let name = c.identifier()?;
            match of.as_str() {
                "LOGIN" => Ok(SecurityStatement::DropLogin(name)),
                "USER" => Ok(SecurityStatement::DropUser(name)),
                "ROLE" => Ok(SecurityStatement::DropRole(name)),
                _ => Err(c.unexpected()),
            }
        }
        verb => permissions(
            c,
            match verb {
                "GRANT" => Order::Grant,
                "DENY" => Order::Deny,
                _ => Order::Revoke,
            },
        ),
    }
}

fn create(c: &mut Cursor<'_>) -> Result<SecurityStatement> {
    if c.eat("LOGIN") {
        let name = c.identifier()?;
        c.expect("WITH")?;
        c.expect("PASSWORD")?;
        c.expect_token(&Token::Eq)?;
        let password = match c.token() {
            Token::SingleQuotedString(text) | Token::NationalStringLiteral(text) => text.clone(),
            _ => return Err(c.unexpected()),
        };
        c.at += 1;
        // CHECK_POLICY and the like: the lab has no policies.
        while c.eat_token(&Token::Comma) {
            c.identifier()?;
            c.expect_token(&Token::Eq)?;
            c.identifier()?;
        }
        return Ok(SecurityStatement::CreateLogin { name, password });
    }
    if c.eat("USER") {
        let name = c.identifier()?;
        let login = if c.eat("FOR") || c.eat("FROM") {
            c.expect("LOGIN")?;
            c.identifier()?
        } else {
            name.clone()
        };
        return Ok(SecurityStatement::CreateUser { name, login });
    }
    c.expect("ROLE")?;
    let name = c.identifier()?;
    if c.eat("AUTHORIZATION") {
        c.identifier()?;
    }
    Ok(SecurityStatement::CreateRole(name))
}

fn alter(c: &mut Cursor<'_>) -> Result<SecurityStatement> {
    let server = c.eat("SERVER");
    c.expect("ROLE")?;
    let role = c.identifier()?;
    let add = c.eat("ADD");
    if !add {
        c.expect("DROP")?;
    }
    c.expect("MEMBER")?;
    let member = c.identifier()?;
    Ok(if server { SecurityStatement::ServerRole { role, member, add } } else { SecurityStatement::Member { role, member, add } })
}

fn permissions(c: &mut Cursor<'_>, order: Order) -> Result<SecurityStatement> {
    if order == Order::Revoke && c.eat("GRANT") {
        c.expect("OPTION")?;
        c.expect("FOR")?;
    }
    let mut permissions = vec![(String::new(), Vec::new())];
    while !(c.is("ON") || c.is("TO") || c.is("FROM")) {
        if c.eat_token(&Token::Comma) {
            permissions.push((String::new(), Vec::new()));
            continue;
        }
        if let Some((name, columns)) = permissions.last_mut() {
            if c.token() == &Token::LParen {
                columns.extend(column_list(c)?);
                continue;
            }
            let word = c.identifier()?.to_uppercase();
            name.push_str(if name.is_empty() { "" } else { " " });
            name.push_str(&word);
        }
    }
    let on = if c.eat("ON") { securable(c)? } else { Securable::Database };
    // A list behind the object's name is one for every permission.
    if c.token() == &Token::LParen {
        let listed = column_list(c)?;
        for (_, columns) in &mut permissions {
            columns.extend(listed.iter().cloned());
        }
    }
    if permissions.iter().any(|(_, columns)| !columns.is_empty()) && !matches!(on, Securable::Object { .. }) {
        return Err(Message {
            class: 15,
            ..Message::error(
                1020,
                "Sub-entity lists (such as column or security expressions) cannot be specified for entity-level permissions.",
            )
        });
    }
    if !(c.eat("TO") || order == Order::Revoke && c.eat("FROM")) {
        return Err(c.unexpected());
    }
    let mut principals = vec![c.identifier()?];
    while c.eat_token(&Token::Comma) {
        principals.push(c.identifier()?);
    }
    if c.eat("WITH") {
        c.expect("GRANT")?;
        c.expect("OPTION")?;
    }
    c.eat("CASCADE");
    Ok(SecurityStatement::Permissions { order, permissions, on, principals })
}

/// `(a, b)`.
fn column_list(c: &mut Cursor<'_>) -> Result<Vec<String>> {
    c.expect_token(&Token::LParen)?;
    let mut columns = vec![c.identifier()?];
    while c.eat_token(&Token::Comma) {
        columns.push(c.identifier()?);
    }
    c.expect_token(&Token::RParen)?;
    Ok(columns)
}

fn securable(c: &mut Cursor<'_>) -> Result<Securable> {
    let class = if c.token_at(c.at + 1) == &Token::DoubleColon {
        let class = c.word_at(c.at).unwrap_or_default();
        c.at += 2;
        class
    } else {
        "OBJECT".to_owned()
    };
    let mut name = c.name()?;
    let last = name.pop().unwrap_or_default();
    match class.as_str() {
        "OBJECT" => Ok(Securable::Object { schema: name.pop().unwrap_or_else(|| "dbo".into()), name: last }),
        "SCHEMA" => Ok(Securable::Schema(last)),
        "DATABASE" => Ok(Securable::Database),
        _ => Err(c.unexpected()),
    }
}

impl SecurityStatement {
    pub(super) fn apply(&self, state: &mut State, database: i32) -> std::result::Result<(), Message> {
        let taken = |name: &str| Message::error(15_023, format!("User, group, or role '{name}' already exists in the current database."));
        let unknown = |name: &str| {
            Message::error(15_151, format!("Cannot find the principal '{name}', because it does not exist or you do not have permission."))
        };
        let State { logins, databases } = state;
        let principals = databases.entry(database).or_default();
        let has_user = |name: &str| principals.users.iter().any(|(user, _)| same_name(user, name));
        let has_role =
            |name: &str| FIXED_ROLES.iter().any(|role| same_name(role, name)) || principals.roles.iter().any(|role| same_name(role, name));
        match self {
            Self::CreateLogin { name, password } => {
                if logins.iter().any(|login| same_name(&login.name, name)) {
                    return Err(Message::error(15_025, format!("The server principal '{name}' already exists.")));
                }
                logins.push(Login { name: name.clone(), password: password.clone(), sysadmin: false });
            }
            Self::DropLogin(name) => logins.retain(|login| !same_name(&login.name, name)),
            Self::ServerRole { role, member, add } => {
                let login = logins.iter_mut().find(|login| same_name(&login.name, member)).ok_or_else(|| unknown(member))?;
                if !same_name(role, "sysadmin") {
                    return Err(unknown(role));
                }
                login.sysadmin = *add;
            }
            Self::CreateUser { name, login } => {
                if has_user(name) {
                    return Err(taken(name));
                }
                if !logins.iter().any(|known| same_name(&known.name, login)) {
                    return Err(Message::error(15_007, format!("'{login}' is not a valid login or you do not have permission.")));
                }
                principals.users.push((name.clone(), login.clone()));
            }
            Self::DropUser(name) => {
                principals.users.retain(|(user, _)| !same_name(user, name));
                principals.members.retain(|(_, member)| !same_name(member, name));
                principals.entries.retain(|entry| !same_name(&entry.to, name));
            }
            Self::CreateRole(name) => {
                if has_role(name) || has_user(name) {
                    return Err(taken(name));
                }
                principals.roles.push(name.clone());
            }
            Self::DropRole(name) => {
                principals.roles.retain(|role| !same_name(role, name));
                principals.members.retain(|(role, member)| !same_name(role, name) && !same_name(member, name));
                principals.entries.retain(|entry| !same_name(&entry.to, name));
            }
            Self::Member { role, member, add } => {
                if !has_role(role) {
                    return Err(unknown(role));
                }
                if !(has_user(member) || has_role(member)) {
                    return Err(unknown(member));
                }
                principals.members.retain(|(of, known)| !(same_name(of, role) && same_name(known, member)));
                if *add {
                    principals.members.push((role.clone(), member.clone()));
                }
            }
            Self::Permissions { order, permissions, on, principals: to } => {
                if let Some(missing) = to.iter().find(|name| !(has_user(name) || has_role(name))) {
                    return Err(unknown(missing));
                }
                let columns = |listed: &[String]| -> Vec<Option<String>> {
                    if listed.is_empty() { vec![None] } else { listed.iter().cloned().map(Some).collect() }
                };
                for (permission, column) in
                    permissions.iter().flat_map(|(permission, listed)| columns(listed).into_iter().map(move |c| (permission, c)))
                {
                    for to in to {
                        principals.entries.retain(|entry| {
                            let same_column = match (&entry.column, &column) {
                                (Some(a), Some(b)) => same_name(a, b),
                                (a, b) => a == b,
                            };
                            !(entry.permission == *permission
                                && same_column
                                && super::same_securable(&entry.on, on)
                                && same_name(&entry.to, to))
                        });
                        if *order != Order::Revoke {
                            let (permission, on, column, to) = (permission.clone(), on.clone(), column.clone(), to.clone());
                            principals.entries.push(Entry { deny: *order == Order::Deny, permission, on, column, to });
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
