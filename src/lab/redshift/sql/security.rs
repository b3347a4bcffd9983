//! Row-level security as far as a loader meets it: a policy filters SELECT, UPDATE and DELETE, not
//! INSERT and COPY, for the owner of a table, too; where it is on, who has no policy sees no row.
//!
//! Left out: sys:secadmin (whoever owns a table decides), policies with an alias, more than one on a
//! table, DETACH, ALTER and DROP of a policy, EXPLAIN RLS and the views svv_rls_…. A plan names the
//! guarded scan only to whom a policy is attached: what Redshift says to others is not documented.

use super::super::wire::message::SqlError;
use super::lexer::{Token, dense, text};
use super::names::meaning;
use super::rewrite::quote;

/// What becomes of a statement on policies, or on roles, with its tag. `None`: it is another one. The
/// words are the tokens without space.
pub(super) fn statement(tokens: &[Token], words: &[Token]) -> Result<Option<(String, &'static str)>, SqlError> {
    let begins = |front: &[&str]| words.len() > front.len() && words.iter().zip(front).all(|(token, word)| token.is(word));
    let made = if begins(&["create", "rls", "policy"]) {
        (create(tokens, words)?, "CREATE RLS POLICY")
    } else if begins(&["attach", "rls", "policy"]) {
        (attach(words)?, "ATTACH RLS POLICY")
    } else if begins(&["create", "role"]) {
        (role(words)?, "CREATE ROLE")
    } else if begins(&["grant", "ignore", "rls"]) || begins(&["grant", "role"]) {
        (grant(words)?, "GRANT")
    } else {
        return Ok(None);
    };
    Ok(Some(made))
}

/// A name as a literal.
fn name(token: &Token) -> String {
    // It was folded before.
    quote(&meaning(token, true))
}

/// `CREATE RLS POLICY name [WITH (column type, …)] USING (expression)`: PostgreSQL finds the columns by
/// itself.
fn create(tokens: &[Token], words: &[Token]) -> Result<String, SqlError> {
    let Some(using) = tokens.iter().position(|token| token.is("using")) else { return Err(SqlError::syntax("end of input")) };
    let front = dense(&tokens[..using]);
    if front.len() > 4 && front.last().is_none_or(|token| !token.symbol(")")) {
        return Err(SqlError::not_served("CREATE RLS POLICY with an alias"));
    }
    Ok(format!("SELECT pg_catalog.lab_create_rls_policy({}, {})", name(&words[3]), quote(text(&tokens[using + 1..]).trim())))
}

/// `ATTACH RLS POLICY name ON [TABLE] table TO { user | ROLE role | PUBLIC }`.
fn attach(words: &[Token]) -> Result<String, SqlError> {
    let [_, _, _, policy, on, rest @ ..] = words else { return Err(SqlError::syntax("end of input")) };
    let rest = match rest {
        [table, rest @ ..] if table.is("table") => rest,
        rest => rest,
    };
    let Some(to) = rest.iter().position(|token| token.is("to")).filter(|_| on.is("on")) else {
        return Err(SqlError::syntax(&on.text));
    };
    let relation: String = rest[..to].iter().map(|token| token.text.as_str()).collect();
    let grantee = match &rest[to + 1..] {
        [role, grantee] if role.is("role") => grantee,
        [grantee] => grantee,
        _ => return Err(SqlError::not_served("ATTACH RLS POLICY to several")),
    };
    if rest[..to].iter().any(|token| token.symbol(",")) {
        return Err(SqlError::not_served("ATTACH RLS POLICY on several tables"));
    }
    Ok(format!("SELECT pg_catalog.lab_attach_rls_policy({}, {}, {})", name(policy), quote(&relation), quote(&grantee.text)))
}

fn role(words: &[Token]) -> Result<String, SqlError> {
    match words {
        [_, _, role] => Ok(format!("CREATE ROLE {}", role.text)),
        _ => Err(SqlError::not_served("options of CREATE ROLE")),
    }
}

/// `GRANT IGNORE RLS TO ROLE role` and `GRANT ROLE role TO user`.
fn grant(words: &[Token]) -> Result<String, SqlError> {
    match words {
        [_, ignore, _, to, role, grantee] if ignore.is("ignore") && to.is("to") && role.is("role") => {
            Ok(format!("SELECT pg_catalog.lab_grant_ignore_rls({})", name(grantee)))
        }
        [_, role, given, to, grantee] if role.is("role") && to.is("to") => Ok(format!("GRANT {} TO {}", given.text, grantee.text)),
        _ => Err(SqlError::not_served("this form of GRANT on roles")),
    }
}

/// A plan in which a scan that a policy guards is named as Redshift names it.
pub(super) fn explain(tokens: &[Token]) -> String {
    let query = tokens.iter().position(|token| token.is("explain")).map_or(0, |at| at + 1);
    format!("SELECT * FROM pg_catalog.lab_explain({})", quote(text(&tokens[query..]).trim()))
}

#[cfg(test)]
mod tests {
    use super::super::lexer::lex;
    use super::*;

    fn through(sql: &str) -> Result<Option<String>, String> {
        let tokens = lex(sql).unwrap();
        statement(&tokens, &dense(&tokens)).map(|made| made.map(|(sql, _)| sql)).map_err(|error| error.message)
    }

    #[test]
    fn policies_become_calls() {
        assert_eq!(
            through("CREATE RLS POLICY p WITH (a VARCHAR(10), b INT) USING (a >= 'it''s' AND b <> 1)").unwrap().unwrap(),
            "SELECT pg_catalog.lab_create_rls_policy('p', '(a >= ''it''''s'' AND b <> 1)')"
        );
        assert_eq!(
            through("ATTACH RLS POLICY p ON TABLE \"s\".\"t\" TO ROLE r").unwrap().unwrap(),
            "SELECT pg_catalog.lab_attach_rls_policy('p', '\"s\".\"t\"', 'r')"
        );
        assert_eq!(
            through("attach rls policy p on t to public").unwrap().unwrap(),
            "SELECT pg_catalog.lab_attach_rls_policy('p', 't', 'public')"
        );
        assert_eq!(through("GRANT IGNORE RLS TO ROLE r").unwrap().unwrap(), "SELECT pg_catalog.lab_grant_ignore_rls('r')");
        assert_eq!(through("GRANT ROLE r TO \"u v\"").unwrap().unwrap(), "GRANT r TO \"u v\"");
        assert_eq!(through("GRANT SELECT ON t TO u").unwrap(), None);
    }

    #[test]
    fn what_is_left_out_is_named() {
        for (sql, said) in [
            ("CREATE RLS POLICY p WITH (a INT) AS x USING (x.a = 1)", "alias"),
            ("ATTACH RLS POLICY p ON t, u TO PUBLIC", "several tables"),
            ("ATTACH RLS POLICY p ON t TO u, ROLE r", "several"),
            ("GRANT ROLE r TO ROLE s", "roles"),
        ] {
            assert!(through(sql).unwrap_err().contains(said), "{sql}");
        }
    }

    #[test]
    fn a_plan_is_asked_for_with_the_text_as_it_is() {
        assert_eq!(
            explain(&lex("/* x */ EXPLAIN SELECT 1 FROM t WHERE a >= 'b'").unwrap()),
            "SELECT * FROM pg_catalog.lab_explain('SELECT 1 FROM t WHERE a >= ''b''')"
        );
    }
}
