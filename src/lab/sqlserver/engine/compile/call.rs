//! Function calls.

use super::super::extension::ScalarBody;
use super::super::function;
use super::super::value::{self, text_type, type_code};
use super::expr::unified;
use super::{Compiler, Result, Scope, System, Typed, converted, not_supported, push};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};
use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments};

/// The object that a (possibly qualified) name in `{}` means, in the current database.
const OBJECT_BY_NAME: &str = "(SELECT o.object_id FROM __lab_objects o JOIN __lab_schemas s ON s.schema_id = o.schema_id
    WHERE o.name = lab_part({}, 1) AND s.name = ifnull(lab_part({}, 2), 'dbo'))";

/// The arguments of a call; `None` stands for `*`.
pub(super) fn arguments(function: &Function) -> Result<Vec<Option<&Expr>>> {
    let FunctionArguments::List(list) = &function.args else { return Ok(vec![]) };
    list.args
        .iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Ok(Some(e)),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => Ok(None),
            other => Err(super::syntax(&other.to_string())),
        })
        .collect()
}

/// A call of a built-in function with translated arguments.
pub(super) fn builtin(name: &str, arguments: Vec<Typed>) -> Result<Typed> {
    let (index, builtin) = function::find(name).ok_or_else(|| unknown(name))?;
    if arguments.len() < builtin.least || arguments.len() > builtin.most {
        let message = format!("The {} function requires {} argument(s).", name.to_lowercase(), builtin.least);
        return Err(Message { class: 15, ..Message::error(174, message) });
    }
    let types: Vec<DataType> = arguments.iter().map(|a| a.data_type.clone()).collect();
    let signature = (builtin.signature)(&types);
    let collation = arguments.iter().find_map(|a| a.collation);
    let mut sql = format!("lab_call({index}, {}", type_code(&signature.result));
    for (argument, to) in arguments.into_iter().zip(&signature.arguments) {
        let argument = converted(argument, to)?;
        push(&mut sql, format_args!(", {}, {}", argument.sql, type_code(to)));
    }
    sql.push(')');
    Ok(Typed { collation, ..Typed::new(sql, signature.result) })
}

fn unknown(name: &str) -> Message {
    Message { class: 15, ..Message::error(195, format!("'{name}' is not a recognized built-in function name.")) }
}

impl Compiler<'_> {
    pub(super) fn function(&mut self, function: &Function, scope: &Scope<'_>) -> Result<Typed> {
        let parts: Vec<String> = function.name.0.iter().filter_map(|p| p.as_ident().map(|i| i.value.clone())).collect();
        let full = parts.join(".").to_lowercase();
        if let [name] = parts.as_slice() {
            let upper = name.to_ascii_uppercase();
            if let Some(aggregate) = self.aggregate(&upper, function, scope)? {
                return Ok(aggregate);
            }
            if let Some(value) = self.special(&upper, &arguments(function)?, scope)? {
                return Ok(value);
            }
            if let Some((_, found)) = function::find(&upper)
                && !upper.starts_with("LAB_")
            {
                let mut list = vec![];
                for (i, argument) in arguments(function)?.into_iter().enumerate() {
                    let argument = argument.ok_or_else(|| super::syntax("*"))?;
                    list.push(if i == 0 && found.date_part { date_part(argument, name)? } else { self.expr(argument, scope)? });
                }
                return builtin(&upper, list);
            }
        }
        if let Some(found) = self.context.extensions.iter().find_map(|e| e.scalar(&full)) {
            let given = arguments(function)?;
            if given.len() != found.arguments.len() {
                let short = given.len() < found.arguments.len();
                let (number, what) = if short { (313, "An insufficient number of") } else { (8144, "Too many") };
                return Err(Message::error(number, format!("{what} arguments were supplied for the procedure or function {full}.")));
            }
            let mut list = vec![];
            for (argument, to) in given.into_iter().zip(&found.arguments) {
                let value = self.expr(argument.ok_or_else(|| super::syntax("*"))?, scope)?;
                list.push(converted(value, to)?);
            }
            return Ok(Self::extension_call(&full, &found.body, &list, found.result));
        }
        if let Some(value) = self.method(function, scope)? {
            return Ok(value);
        }
        Err(if parts.len() > 1 {
            Message::error(
                4121,
                format!(
                    "Cannot find either column \"{}\" or the user-defined function or aggregate \"{}\", or the name is ambiguous.",
                    parts[0],
                    parts.join(".")
                ),
            )
        } else {
            unknown(&parts.join("."))
        })
    }

    fn extension_call(name: &str, body: &ScalarBody, list: &[Typed], result: DataType) -> Typed {
        match body {
            ScalarBody::Sql(build) => {
                let arguments: Vec<String> = list.iter().map(|a| a.sql.clone()).collect();
                Typed::new(build(&arguments), result)
            }
            ScalarBody::Pure(_) => {
                let mut sql = format!("lab_pure('{}', {}", name.replace('\'', "''"), type_code(&result));
                for argument in list {
                    push(&mut sql, format_args!(", {}, {}", argument.sql, type_code(&argument.data_type)));
                }
                sql.push(')');
                Typed::new(sql, result)
            }
        }
    }

    /// Functions that need more than their arguments' values; `None`: not one of them.
    fn special(&mut self, name: &str, list: &[Option<&Expr>], scope: &Scope<'_>) -> Result<Option<Typed>> {
        let at = |i: usize, this: &mut Self| -> Result<Typed> {
            let expr = list.get(i).copied().flatten();
            let expr = expr.ok_or_else(|| Message {
                class: 15,
                ..Message::error(174, format!("The {} function requires more arguments.", name.to_lowercase()))
            })?;
            this.expr(expr, scope)
        };
        let name_type = DataType::NVarChar(Some(128));
        Ok(Some(match name {
            "ISNULL" => {
                let first = at(0, self)?;
                let second = at(1, self)?;
                let data_type = if first.is_null() { second.data_type.clone() } else { first.data_type.clone() };
                let (a, b) = (converted(first, &data_type)?, converted(second, &data_type)?);
                Typed { collation: a.collation, nullable: b.nullable, ..Typed::new(format!("ifnull({}, {})", a.sql, b.sql), data_type) }
            }
            "COALESCE" => {
                let values = (0..list.len()).map(|i| at(i, self)).collect::<Result<Vec<_>>>()?;
                let (data_type, values) = unified(values)?;
                let collation = values.iter().find_map(|v| v.collation);
                let sql: Vec<&str> = values.iter().map(|v| v.sql.as_str()).collect();
                Typed { collation, ..Typed::new(format!("coalesce({}, NULL)", sql.join(", ")), data_type) }
            }
            "NULLIF" => {
                let (a, b) = (at(0, self)?, at(1, self)?);
                let test = super::predicate::compare(a.clone(), "=", b)?;
                Typed { collation: a.collation, ..Typed::new(format!("(CASE WHEN {test} THEN NULL ELSE {} END)", a.sql), a.data_type) }
            }
            "IIF" => {
                let condition = list.first().copied().flatten().ok_or_else(|| super::syntax("IIF"))?;
                let test = self.predicate(condition, scope)?;
                let (data_type, values) = unified(vec![at(1, self)?, at(2, self)?])?;
                Typed::new(format!("(CASE WHEN {test} THEN {} ELSE {} END)", values[0].sql, values[1].sql), data_type)
            }
            "GETDATE" => self.system(System::GetDate),
            "GETUTCDATE" => self.system(System::GetUtcDate),
            "SYSDATETIME" => self.system(System::SysDateTime),
            "SYSUTCDATETIME" => self.system(System::SysUtcDateTime),
            "SYSDATETIMEOFFSET" => self.system(System::SysDateTimeOffset),
            "SCOPE_IDENTITY" => self.system(System::ScopeIdentity),
            "XACT_STATE" => self.system(System::XactState),
            "USER_NAME" | "CURRENT_USER" => self.system(System::UserName),
            "SUSER_SNAME" | "SUSER_NAME" | "ORIGINAL_LOGIN" => self.system(System::LoginName),
            "APP_NAME" => self.system(System::AppName),
            "ERROR_NUMBER" => self.system(System::ErrorNumber),
            "ERROR_MESSAGE" => self.system(System::ErrorMessage),
            "ERROR_SEVERITY" => self.system(System::ErrorSeverity),
            "ERROR_STATE" => self.system(System::ErrorState),
            "ERROR_LINE" => self.system(System::ErrorLine),
            "ERROR_PROCEDURE" => Typed::literal(Datum::Null, name_type),
            "NEWID" => Typed::new("lab_newid()".into(), DataType::UniqueIdentifier),
            "DB_NAME" if list.is_empty() => self.system(System::DbName),
            "DB_ID" if list.is_empty() => self.system(System::DbId),
            "DB_NAME" => {
                let id = at(0, self)?.sql;
                let sql = format!("(SELECT name FROM ({}) WHERE database_id = {id})", self.databases());
                Typed::new(sql, name_type)
            }
            "DB_ID" => {
                let name = at(0, self)?.sql;
                let sql = format!("(SELECT database_id FROM ({}) WHERE name = {name} COLLATE LAB_CI)", self.databases());
                Typed::new(sql, DataType::SmallInt)
            }
            "OBJECT_ID" => Typed::new(OBJECT_BY_NAME.replace("{}", &at(0, self)?.sql), DataType::Int),
            "OBJECT_NAME" => Typed::new(format!("(SELECT name FROM __lab_objects WHERE object_id = {})", at(0, self)?.sql), name_type),
            "OBJECT_SCHEMA_NAME" => Typed::new(
                format!(
                    "(SELECT s.name FROM __lab_objects o JOIN __lab_schemas s ON s.schema_id = o.schema_id WHERE o.object_id = {})",
                    at(0, self)?.sql
                ),
                name_type,
            ),
            "SCHEMA_NAME" if list.is_empty() => Typed::literal(value::text("dbo"), name_type),
            "SCHEMA_NAME" => Typed::new(format!("(SELECT name FROM __lab_schemas WHERE schema_id = {})", at(0, self)?.sql), name_type),
            "SCHEMA_ID" if list.is_empty() => Typed::literal(Datum::Int(1), DataType::Int),
            "SCHEMA_ID" => Typed::new(format!("(SELECT schema_id FROM __lab_schemas WHERE name = {})", at(0, self)?.sql), DataType::Int),
            "COL_NAME" => Typed::new(
                format!("(SELECT name FROM __lab_columns WHERE object_id = {} AND column_id = {})", at(0, self)?.sql, at(1, self)?.sql),
                name_type,
            ),
            "COL_LENGTH" => Typed::new(
                format!(
                    "(SELECT max_length FROM __lab_columns WHERE object_id = {} AND name = {})",
                    OBJECT_BY_NAME.replace("{}", &at(0, self)?.sql),
                    at(1, self)?.sql
                ),
                DataType::SmallInt,
            ),
            "TYPE_NAME" => {
                let id = at(0, self)?.sql;
                let whens: Vec<String> = super::super::type_name::SYSTEM_TYPES
                    .iter()
                    .map(|t| format!("WHEN {} THEN '{}'", super::super::type_name::user_type_id(t.0, t.1), t.0))
                    .collect();
                Typed::new(format!("(CASE {id} {} END)", whens.join(" ")), name_type)
            }
            "IDENT_CURRENT" => Typed::new(
                format!(
                    "(SELECT lab_conv(ifnull(last_value, seed_value), {}, {}, 0) FROM __lab_columns WHERE is_identity = 1 AND object_id = {})",
                    type_code(&DataType::BigInt),
                    type_code(&DataType::Decimal { precision: 38, scale: 0 }),
                    OBJECT_BY_NAME.replace("{}", &at(0, self)?.sql)
                ),
                DataType::Decimal { precision: 38, scale: 0 },
            ),
            // NULL where the object is not there, else what the login may do.
            "HAS_PERMS_BY_NAME" => {
                let name = at(0, self)?;
                let object = OBJECT_BY_NAME.replace("{}", &name.sql);
                let sql = format!(
                    "(CASE WHEN {n} IS NULL OR {class} IS NULL OR {class} COLLATE LAB_CI NOT IN ('OBJECT', 'SCHEMA')
                            OR lab_part({n}, 2) COLLATE LAB_CI = 'sys' THEN 1
                           WHEN {class} COLLATE LAB_CI = 'SCHEMA'
                           THEN (SELECT 1 FROM __lab_schemas WHERE name = lab_part({n}, 1))
                           WHEN {object} IS NOT NULL THEN 1 END)",
                    n = name.sql,
                    class = at(1, self)?.sql
                );
                self.reusable = false;
                let (on, class, permission) = (at(0, self)?, at(1, self)?.sql, at(2, self)?.sql);
                // With a column: its name, then 'COLUMN'.
                if list.len() > 3 {
                    let column = at(3, self)?.sql;
                    let asked = format!("lab_allows_column({}, {permission}, {column})", on.sql);
                    return Ok(Some(Typed::new(format!("(CASE WHEN {sql} = 1 THEN {asked} END)"), DataType::Int)));
                }
                Typed::new(format!("(CASE WHEN {sql} = 1 THEN lab_allows({}, {class}, {permission}) END)", on.sql), DataType::Int)
            }
            "IS_SRVROLEMEMBER" | "IS_MEMBER" | "IS_ROLEMEMBER" => {
                self.reusable = false;
                let of_server = i32::from(name == "IS_SRVROLEMEMBER");
                Typed::new(format!("lab_member({}, {of_server})", at(0, self)?.sql), DataType::Int)
            }
            "SERVERPROPERTY" => {
                let property = at(0, self)?;
                self.server_property(&property)?
            }
            "DATABASEPROPERTYEX" => {
                let Some(Datum::Text(property)) = at(1, self)?.literal else {
                    return Err(not_supported("A property name that is not a constant"));
                };
                let shown = match String::from_utf16_lossy(&property).to_ascii_lowercase().as_str() {
                    "collation" => Some(super::super::collation::DEFAULT),
                    "status" => Some("ONLINE"),
                    "updateability" => Some("READ_WRITE"),
                    "recovery" => Some("FULL"),
                    _ => None,
                };
                Typed::literal(shown.map_or(Datum::Null, value::text), name_type)
            }
            _ => return Ok(None),
        }))
    }

    fn databases(&mut self) -> String {
        self.reusable = false;
        (self.context.server_relation)("sys.databases").map_or_else(|| "SELECT NULL AS name, NULL AS database_id WHERE 0".into(), |r| r.sql)
    }

    fn server_property(&mut self, property: &Typed) -> Result<Typed> {
        let Some(Datum::Text(name)) = &property.literal else { return Err(not_supported("A property name that is not a constant")) };
        let number = |n: i64| Typed::literal(Datum::Int(n), DataType::Int);
        let shown = |s: &str| Typed::literal(value::text(s), text_type(s));
        Ok(match String::from_utf16_lossy(name).to_ascii_lowercase().as_str() {
            "productversion" => shown(super::super::PRODUCT_VERSION),
            "productmajorversion" => shown("16"),
            "productminorversion" => shown("0"),
            "productlevel" => shown("RTM"),
            "edition" => shown("Developer Edition (64-bit)"),
            "engineedition" => number(3),
            "servername" | "machinename" => shown(self.context.server_name),
            "collation" => shown(super::super::collation::DEFAULT),
            "ishadrenabled" | "isclustered" | "issingleuser" | "isintegratedsecurityonly" | "isfulltextinstalled" => number(0),
            _ => Typed::literal(Datum::Null, DataType::NVarChar(Some(128))),
        })
    }
}

fn date_part(argument: &Expr, function: &str) -> Result<Typed> {
    let shown = argument.to_string();
    let part = function::date_part(shown.trim_matches(['[', ']'])).ok_or_else(|| Message {
        class: 15,
        ..Message::error(155, format!("'{shown}' is not a recognized {} option.", function.to_lowercase()))
    })?;
    Ok(Typed::literal(Datum::Int(part), DataType::Int))
}
