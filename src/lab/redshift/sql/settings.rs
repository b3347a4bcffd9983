//! SET, RESET and SHOW: the settings that Redshift knows.

use super::super::wire::message::SqlError;
use super::lexer::{Kind, Token, spaced};
use super::rewrite::quote;

/// Settings of Redshift that PostgreSQL lacks, with their defaults; kept there as `redshift.<name>`.
pub(in super::super) const OWN: &[(&str, &str)] = &[
    ("query_group", "default"),
    ("enable_case_sensitive_identifier", "off"),
    ("enable_result_cache_for_session", "on"),
    ("enable_large_strings_opt_in", "off"),
    ("wlm_query_slot_count", "1"),
    ("analyze_threshold_percent", "10"),
    ("describe_field_name_in_uppercase", "off"),
    ("error_on_nondeterministic_update", "off"),
    ("json_serialization_enable", "off"),
    ("auto_analyze", "on"),
    ("stored_proc_log_min_messages", "notice"),
    ("use_fips_ssl", "off"),
];

/// Settings that both know.
const SHARED: &[&str] = &[
    "search_path",
    "statement_timeout",
    "datestyle",
    "timezone",
    "extra_float_digits",
    "client_encoding",
    "application_name",
    "session_authorization",
    "transaction_isolation",
    "default_transaction_isolation",
];

/// What a SET or RESET changes in the proxy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Effect {
    CaseSensitive(bool),
}

fn unknown(name: &str) -> SqlError {
    SqlError::new("42704", format!("unrecognized configuration parameter \"{}\"", name.to_ascii_lowercase()))
}

fn stored(name: &str) -> Result<String, SqlError> {
    let lower = name.to_ascii_lowercase();
    if OWN.iter().any(|(own, _)| *own == lower) {
        Ok(format!("redshift.{lower}"))
    } else if SHARED.contains(&lower.as_str()) {
        Ok(lower)
    } else {
        Err(unknown(name))
    }
}

/// `SET [SESSION|LOCAL] name {TO|=} value`; dense tokens.
pub(super) fn set(tokens: &[Token]) -> Result<(String, Option<Effect>), SqlError> {
    let local = tokens.get(1).is_some_and(|token| token.is("local"));
    let at = 1 + usize::from(local || tokens.get(1).is_some_and(|token| token.is("session")));
    let Some(name) = tokens.get(at) else { return Err(SqlError::syntax("end of input")) };
    if name.is("transaction") || name.is("characteristics") {
        // Redshift takes any level and keeps its own.
        return Ok(("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ".to_owned(), None));
    }
    if name.is("time") && tokens.get(at + 1).is_some_and(|token| token.is("zone")) {
        return Ok((spaced(tokens), None));
    }
    if name.is("session") && tokens.get(at + 1).is_some_and(|token| token.is("authorization")) {
        return Ok((spaced(tokens), None));
    }
    let name_text = name.text.trim_matches('"');
    let target = stored(name_text)?;
    match tokens.get(at + 1) {
        Some(token) if token.is("to") || token.symbol("=") => {}
        Some(token) => return Err(SqlError::syntax(&token.text)),
        None => return Err(SqlError::syntax("end of input")),
    }
    let values = &tokens[at + 2..];
    let scope = if local { "SET LOCAL" } else { "SET" };
    if let [value] = values
        && value.is("default")
        && let Some((own, default)) = OWN.iter().find(|(own, _)| own.eq_ignore_ascii_case(name_text))
    {
        return Ok((format!("{scope} {target} TO {}", quote(default)), effect(own, default)));
    }
    let effect = match values {
        [value] => effect(&name_text.to_ascii_lowercase(), value.text.trim_matches('\'')),
        _ => None,
    };
    if name_text.eq_ignore_ascii_case("enable_case_sensitive_identifier") && effect.is_none() {
        return Err(SqlError::new("22023", "parameter \"enable_case_sensitive_identifier\" requires a Boolean value"));
    }
    // A bare word is not always a value for PostgreSQL's custom settings.
    let values = match values {
        [value] if target.starts_with("redshift.") && value.kind == Kind::Word => quote(&value.text),
        values => spaced(values),
    };
    Ok((format!("{scope} {target} TO {values}"), effect))
}

fn effect(name: &str, value: &str) -> Option<Effect> {
    if name != "enable_case_sensitive_identifier" {
        return None;
    }
    match value.to_ascii_lowercase().as_str() {
        "true" | "on" | "1" | "t" | "yes" => Some(Effect::CaseSensitive(true)),
        "false" | "off" | "0" | "f" | "no" => Some(Effect::CaseSensitive(false)),
        _ => None,
    }
}

pub(super) fn reset(tokens: &[Token]) -> Result<(String, Option<Effect>), SqlError> {
    let Some(name) = tokens.get(1) else { return Err(SqlError::syntax("end of input")) };
    if name.is("all") {
        return Ok(("RESET ALL".to_owned(), Some(Effect::CaseSensitive(false))));
    }
    let target = stored(&name.text)?;
    Ok((format!("RESET {target}"), effect(&name.text.to_ascii_lowercase(), "off")))
}

pub(super) fn show(tokens: &[Token]) -> Result<String, SqlError> {
    let Some(name) = tokens.get(1) else { return Err(SqlError::syntax("end of input")) };
    let lower = name.text.to_ascii_lowercase();
    match lower.as_str() {
        "table" => {
            let names: Vec<String> = tokens[2..].iter().filter(|token| token.is_name()).map(|token| token.text.clone()).collect();
            // to_regclass reads quotes as the statement does.
            Ok(format!("SELECT pg_catalog.lab_show_table({}) AS \"Show Table DDL statement\"", quote(&names.join("."))))
        }
        "server_version" => Ok("SELECT '8.0.2'::text AS server_version".to_owned()),
        "time" | "all" | "transaction" => Err(SqlError::not_served(format!("SHOW {}", lower.to_ascii_uppercase()))),
        _ => {
            let target = stored(&lower)?;
            Ok(if target.starts_with("redshift.") {
                format!("SELECT current_setting({}) AS {lower}", quote(&target))
            } else {
                format!("SHOW {target}")
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexer::{dense, lex};
    use super::*;

    fn set_text(sql: &str) -> Result<(String, Option<Effect>), String> {
        set(&dense(&lex(sql).unwrap())).map_err(|error| error.message)
    }

    #[test]
    fn known_settings_only() {
        assert_eq!(set_text("SET query_group TO 'sync'").unwrap().0, "SET redshift.query_group TO 'sync'");
        assert_eq!(set_text("set statement_timeout = 600000").unwrap().0, "SET statement_timeout TO 600000");
        assert_eq!(set_text("SET enable_case_sensitive_identifier TO true").unwrap().1, Some(Effect::CaseSensitive(true)));
        assert!(set_text("set standard_conforming_strings = on").unwrap_err().contains("unrecognized"));
        assert!(set_text("set lock_timeout = 1").is_err());
    }
}
