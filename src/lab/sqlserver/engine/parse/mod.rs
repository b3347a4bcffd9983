//! A batch of T-SQL as statements.
//!
//! The procedural statements and DDL are parsed here from tokens; queries and DML are cut out by
//! T-SQL's reserved words and handed to sqlparser.

mod batch;
mod computed;
pub(super) mod cursor;
mod ddl;
mod dml;
mod execute;
mod set;

pub use batch::parse;

use super::catalog::Index;
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::DataType;
use sqlparser::ast::{Expr, Query};

/// An expression as the catalogue keeps it: of a default, of a computed column.
pub fn expression(text: &str) -> Result<Expr, Message> {
    cursor::Cursor::new(text)?.expr()
}

/// A statement with the line it begins on.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Unique in the process: the key of kept translations.
    pub id: u64,
    pub line: u32,
    pub body: Body,
}

/// `schema.name` as written, in parts.
pub type NameParts = Vec<String>;

#[derive(Clone, Debug)]
pub enum Body {
    Declare(Vec<(String, DataType, Option<Expr>)>),
    /// `SET @x = …`.
    Assign(String, Expr),
    SetOption(SetOption),
    Select(Box<Query>),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
    If {
        condition: Expr,
        then: Box<Statement>,
        otherwise: Option<Box<Statement>>,
    },
    While {
        condition: Expr,
        body: Box<Statement>,
    },
    Block(Vec<Statement>),
    Try {
        body: Vec<Statement>,
        catch: Vec<Statement>,
    },
    Break,
    Continue,
    Return,
    Print(Expr),
    Raiserror(Vec<Expr>),
    /// Number, text, state; empty inside CATCH.
    Throw(Vec<Expr>),
    Use(String),
    BeginTransaction(Option<String>),
    Commit,
    Rollback(Option<String>),
    Save(String),
    Execute(Execute),
    /// `EXEC (…)`.
    ExecuteText(Expr),
    CreateSchema(String),
    CreateTable(CreateTable),
    CreateIndex {
        table: NameParts,
        index: Index<String>,
    },
    DropIndex {
        table: NameParts,
        name: String,
        if_exists: bool,
    },
    DropTable {
        names: Vec<NameParts>,
        if_exists: bool,
    },
    AlterTable(AlterTable),
    Truncate(NameParts),
    /// Logins, users, roles, permissions.
    Security(Box<super::security::SecurityStatement>),
    /// `ALTER DATABASE d SET ALLOW_SNAPSHOT_ISOLATION ON`.
    AllowSnapshot {
        database: String,
        on: bool,
    },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SetOption {
    NoCount(bool),
    XactAbort(bool),
    IdentityInsert(NameParts, bool),
    LockTimeout(i64),
    Isolation(Isolation),
    /// Accepted; the lab behaves as the value asks for anyway, or it cannot be seen.
    Ignored,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Isolation {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
    Snapshot,
}

#[derive(Clone, Debug)]
pub struct Insert {
    pub table: NameParts,
    pub columns: Vec<String>,
    pub source: Source,
}

#[derive(Clone, Debug)]
pub enum Source {
    /// Rows of VALUES; `None` stands for DEFAULT.
    Values(Vec<Vec<Option<Expr>>>),
    Query(Box<Query>),
    Defaults,
}

/// UPDATE: as a query over FROM that yields the new values of each row.
#[derive(Clone, Debug)]
pub struct Update {
    /// The table, or the alias of one in FROM.
    pub target: NameParts,
    pub set: Vec<(String, Expr)>,
    pub rows: Rows,
}

#[derive(Clone, Debug)]
pub struct Delete {
    pub target: NameParts,
    pub rows: Rows,
}

/// Which rows an UPDATE or DELETE means.
#[derive(Clone, Debug)]
pub struct Rows {
    pub top: Option<Expr>,
    pub from: Vec<sqlparser::ast::TableWithJoins>,
    pub condition: Option<Expr>,
}

#[derive(Clone, Debug)]
pub struct Execute {
    /// `EXEC @rc = …`.
    pub status: Option<String>,
    pub name: NameParts,
    pub arguments: Vec<ExecuteArgument>,
}

#[derive(Clone, Debug)]
pub struct ExecuteArgument {
    /// With `@`; empty when positional.
    pub name: String,
    pub value: ArgumentValue,
    pub output: bool,
}

#[expect(clippy::large_enum_variant, reason = "a syntax tree, built once")]
#[derive(Clone, Debug)]
pub enum ArgumentValue {
    /// A constant or a variable.
    Expr(Expr),
    /// A bare word is a string.
    Word(String),
    Default,
}

#[derive(Clone, Debug)]
pub struct CreateTable {
    pub name: NameParts,
    pub columns: Vec<super::catalog::Column>,
    pub keys: Vec<Index<String>>,
}

#[derive(Clone, Debug)]
pub struct AlterTable {
    pub name: NameParts,
    pub change: AlterChange,
    /// The statement as sent, for `cdc.ddl_history`.
    pub text: String,
}

#[derive(Clone, Debug)]
pub enum AlterChange {
    Add {
        columns: Vec<super::catalog::Column>,
        keys: Vec<Index<String>>,
    },
    Drop {
        columns: Vec<String>,
    },
    DropConstraint(String),
    /// Nullable when NULL or nothing was written.
    Alter {
        column: String,
        data_type: DataType,
        nullable: bool,
    },
    /// `ALTER COLUMN c ADD MASKED WITH (FUNCTION = '…')`, or `DROP MASKED`.
    Mask {
        column: String,
        function: Option<String>,
    },
}
