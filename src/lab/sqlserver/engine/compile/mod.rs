//! T-SQL queries and expressions to SQLite's SQL, with inferred types.
//!
//! Every expression becomes SQL over stored values plus the declared type that tells how to read
//! them. Where SQL Server converts implicitly, a `lab_conv` call stands in the SQL; where types
//! agree, the plain operator, so that SQLite can use its indexes.

mod call;
pub mod computed;
pub mod expr;
pub mod from;
mod keyset;
mod literal;
pub mod mask;
mod method;
mod mutation;
mod predicate;
mod query;
mod select;
mod window;

pub use literal::constant;

use super::catalog::{Catalogue, quote, same_name};
use super::extension::{Call, Extension};
use super::value::{rank, type_code};
use super::{codec, collation};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum, ResultColumn};
use rusqlite::types::Value;
use sqlparser::ast;
use std::collections::HashMap;
use std::sync::Arc;

pub type Result<T> = std::result::Result<T, Message>;

/// A value that is bound when a statement runs.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Param {
    /// A variable, in lower case with its `@`.
    Variable(String),
    System(System),
}

/// Facts of the session and the server.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum System {
    RowCount,
    Error,
    TranCount,
    Spid,
    Version,
    ServerName,
    Dbts,
    Identity,
    ScopeIdentity,
    XactState,
    UserName,
    LoginName,
    DbName,
    DbId,
    AppName,
    GetDate,
    GetUtcDate,
    SysDateTime,
    SysUtcDateTime,
    SysDateTimeOffset,
    ErrorNumber,
    ErrorMessage,
    ErrorSeverity,
    ErrorState,
    ErrorLine,
    LockTimeout,
    FetchStatus,
}

/// What the translation needs to know of the session.
pub struct Context<'a> {
    pub catalogue: &'a Catalogue,
    /// Types of the declared variables, by lower-case name.
    pub variables: &'a HashMap<String, DataType>,
    pub call: &'a Call<'a>,
    pub extensions: &'a [Arc<dyn Extension>],
    /// The present value of a parameter, for arguments that must be known at translation.
    pub bind: &'a dyn Fn(&Param) -> Result<Value>,
    /// Relations about the server and the session: `sys.databases`, `sys.dm_exec_connections`, …
    pub server_relation: &'a dyn Fn(&str) -> Option<super::extension::Relation>,
    pub server_name: &'a str,
}

/// A translated expression.
#[derive(Clone, Debug)]
pub struct Typed {
    pub sql: String,
    pub data_type: DataType,
    pub nullable: bool,
    /// The value, when it is a literal.
    pub literal: Option<Datum>,
    /// The SQLite collation of a column or COLLATE.
    pub collation: Option<&'static str>,
}

impl Typed {
    fn new(sql: String, data_type: DataType) -> Self {
        Self { sql, data_type, nullable: true, literal: None, collation: None }
    }

    fn literal(value: Datum, data_type: DataType) -> Self {
        let sql = codec::literal(&data_type, &value);
        Self { sql, nullable: value == Datum::Null, data_type, literal: Some(value), collation: None }
    }

    fn is_null(&self) -> bool {
        self.literal == Some(Datum::Null)
    }
}

/// A column that an expression can name.
#[derive(Clone, Debug)]
pub struct ScopeColumn {
    pub name: String,
    pub data_type: DataType,
    pub nullable: bool,
    pub collation: Option<&'static str>,
    pub sql: String,
    /// The expression of a computed column, which has no `sql`.
    pub computed: Option<String>,
    /// The login sees a mask in place of its values.
    pub masked: bool,
}

/// A table in FROM.
#[derive(Clone, Debug)]
pub struct ScopeTable {
    /// The alias, or the table's own name.
    pub name: String,
    /// The schema, when there is no alias.
    pub schema: Option<String>,
    pub columns: Vec<ScopeColumn>,
    /// Of a stored table: the row's hidden key, and the table's object id.
    pub row: Option<(String, i32)>,
    /// Columns that the login may not read, each with its error.
    pub closed: Vec<(String, Message)>,
}

impl ScopeTable {
    /// Its error, if a column may not be read.
    pub(super) fn require(&self, column: &str) -> Result<()> {
        match self.closed.iter().find(|(name, _)| same_name(name, column)) {
            Some((_, error)) => Err(error.clone()),
            None => Ok(()),
        }
    }
}

/// What an expression sees: the tables of FROM, then those of the enclosing query.
#[derive(Clone, Default, Debug)]
pub struct Scope<'a> {
    pub tables: Vec<ScopeTable>,
    pub parent: Option<&'a Scope<'a>>,
}

/// A column of a translated query; in the SQL it is named `c1`, `c2`, ….
#[derive(Clone, Debug)]
pub struct Output {
    pub name: String,
    pub data_type: DataType,
    pub nullable: bool,
    pub collation: Option<&'static str>,
}

impl Output {
    #[must_use]
    pub fn result(&self) -> ResultColumn {
        ResultColumn { name: self.name.clone(), data_type: self.data_type.clone(), nullable: self.nullable }
    }
}

/// A translated query.
#[derive(Clone, Debug)]
pub struct Compiled {
    pub sql: String,
    pub columns: Vec<Output>,
    /// `SELECT @a = …`: the variables, one for each column.
    pub assigns: Vec<String>,
}

/// A translated top-level statement, ready to be kept and run again.
#[derive(Clone, Debug)]
pub struct Plan {
    pub query: Compiled,
    /// `?1`, `?2`, ….
    pub params: Vec<Param>,
    /// False when the text depends on values or on facts outside the catalogue.
    pub reusable: bool,
}

/// One translation.
pub struct Compiler<'a> {
    context: &'a Context<'a>,
    params: Vec<Param>,
    /// Common table expressions in reach: name, SQL name, columns.
    ctes: Vec<(String, String, Vec<Output>)>,
    aliases: usize,
    reusable: bool,
    /// A masked column was read since the output began.
    masked: bool,
}

impl<'a> Compiler<'a> {
    #[must_use]
    pub fn new(context: &'a Context<'a>) -> Self {
        Self { context, params: vec![], ctes: vec![], aliases: 0, reusable: true, masked: false }
    }

    /// Wraps up what was translated.
    #[must_use]
    pub fn plan(self, query: Compiled) -> Plan {
        Plan { query, params: self.params, reusable: self.reusable }
    }

    /// The placeholder of a parameter.
    fn param(&mut self, param: Param) -> String {
        let at = self.params.iter().position(|p| *p == param).unwrap_or_else(|| {
            self.params.push(param);
            self.params.len() - 1
        });
        format!("?{}", at + 1)
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("a{}", self.aliases)
    }

    /// An expression alone, as a query of one row; for SET, PRINT, arguments.
    pub fn scalar(&mut self, expr: &ast::Expr) -> Result<Compiled> {
        self.scalars(std::slice::from_ref(expr))
    }

    /// Several expressions as one row.
    pub fn scalars(&mut self, list: &[ast::Expr]) -> Result<Compiled> {
        let scope = Scope::default();
        let mut columns = vec![];
        let mut sql = String::from("SELECT ");
        for (i, e) in list.iter().enumerate() {
            let value = self.expr(e, &scope)?;
            if i > 0 {
                sql.push_str(", ");
            }
            sql.push_str(&value.sql);
            columns.push(Output { name: String::new(), data_type: value.data_type, nullable: value.nullable, collation: value.collation });
        }
        Ok(Compiled { sql, columns, assigns: vec![] })
    }

    /// A condition alone, for IF and WHILE: a query of one INTEGER.
    pub fn condition(&mut self, expr: &ast::Expr) -> Result<Compiled> {
        let sql = format!("SELECT CASE WHEN {} THEN 1 ELSE 0 END", self.predicate(expr, &Scope::default())?);
        let output = Output { name: String::new(), data_type: DataType::Int, nullable: false, collation: None };
        Ok(Compiled { sql, columns: vec![output], assigns: vec![] })
    }
}

/// The expression as `to`, converting implicitly where the stored form differs.
fn converted(value: Typed, to: &DataType) -> Result<Typed> {
    if value.is_null() {
        return Ok(Typed::literal(Datum::Null, to.clone()));
    }
    if let Some(literal) = &value.literal {
        let folded = super::value::convert::convert(literal, &value.data_type, to, 0)?;
        return Ok(Typed::literal(folded, to.clone()));
    }
    let fixed = |t: &DataType| matches!(t, DataType::Char(_) | DataType::NChar(_) | DataType::Binary(_));
    let open = |t: &DataType| rank::length(t).is_none();
    let shorter = !open(to) && (open(&value.data_type) || rank::length(to) < rank::length(&value.data_type));
    let narrower = rank::is_integer(to) && rank::precedence(to) < rank::precedence(&value.data_type);
    let pads = fixed(to) && value.data_type != *to;
    if rank::same_storage(&value.data_type, to) && !shorter && !narrower && !pads {
        return Ok(Typed { data_type: to.clone(), ..value });
    }
    Ok(converted_with(&value, to, 0, "lab_conv"))
}

fn converted_with(value: &Typed, to: &DataType, style: i32, function: &str) -> Typed {
    let sql = format!("{function}({}, {}, {}, {style})", value.sql, type_code(&value.data_type), type_code(to));
    Typed { sql, data_type: to.clone(), nullable: true, literal: None, collation: value.collation }
}

/// The SQLite collation under which text is compared.
fn collate(a: &Typed, b: &Typed) -> &'static str {
    a.collation.or(b.collation).unwrap_or_else(|| collation::sqlite_name(collation::DEFAULT))
}

/// The form in which a value sorts and groups: text by its collation, an offset by its instant.
fn sortable(value: &Typed) -> String {
    if rank::is_text(&value.data_type) {
        format!("{} COLLATE {}", value.sql, value.collation.unwrap_or_else(|| collation::sqlite_name(collation::DEFAULT)))
    } else if matches!(value.data_type, DataType::DateTimeOffset(_)) {
        format!("substr({}, 1, 8)", value.sql)
    } else {
        value.sql.clone()
    }
}

fn output_name(index: usize) -> String {
    format!("c{}", index + 1)
}

fn not_supported(what: &str) -> Message {
    Message::error(40510, format!("{what} is not supported in this version of SQL Server."))
}

fn syntax(near: &str) -> Message {
    Message { class: 15, ..Message::error(102, format!("Incorrect syntax near '{near}'.")) }
}

fn column_sql(alias: &str, name: &str) -> String {
    format!("{alias}.{}", quote(name))
}

/// Appends formatted text.
fn push(sql: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = std::fmt::Write::write_fmt(sql, text);
}
