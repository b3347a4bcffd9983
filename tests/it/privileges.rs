//! What a login lacks, by name, and whether the statement that is proposed helps.

use db_to_redshift::config::{Secret, Tls};
use db_to_redshift::lab::sqlserver::types::{DataType, Datum};
use db_to_redshift::lab::sqlserver::wire::Options;
use db_to_redshift::model::fault::{rs, src};
use db_to_redshift::model::{CaptureIdentity, Fault, SqlType, TableName, TableShape};
use db_to_redshift::source::sqlserver::SqlServer;
use db_to_redshift::source::{CaptureInstance, Source, TableFacts};
use db_to_redshift::target::redshift::Redshift;
use db_to_redshift::target::{NewColumns, Target};

use crate::support::column::column;
use crate::support::lab_sql_server::Lab;
use crate::support::scripted_sql_server::{Scripted, result_set, settings as source_settings};
use crate::support::target::{identity, role, settings, shape, table, target_lab};

fn text(datum: &Datum) -> String {
    match datum {
        Datum::Text(units) => String::from_utf16_lossy(units),
        other => panic!("{other:?} is no text"),
    }
}

fn facts(name: &str, columns: &[&str]) -> TableFacts {
    let column = |(at, name): (usize, &&str)| column(name, i32::try_from(at).unwrap() + 1, SqlType::Int, (at == 0).then_some(1));
    let create_date = jiff::civil::date(2026, 1, 2).at(3, 4, 5, 0);
    let instance = CaptureInstance {
        identity: CaptureIdentity { instance: format!("dbo_{name}"), object_id: 7, create_date },
        start_lsn: None,
        supports_net_changes: false,
        role: None,
        shape: TableShape::new(columns.iter().enumerate().map(column).collect()),
        missing: Vec::new(),
        uncaptured: Vec::new(),
        beyond: Vec::new(),
        computed: Vec::new(),
        ddl_lsn: None,
    };
    TableFacts {
        name: TableName::new("dbo", name),
        object_id: 1,
        tracked: true,
        altered: None,
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        instances: vec![instance],
        withheld: Vec::new(),
    }
}

/// A server on which the user `re]ader` may read what `open` says of an object and a column.
fn answering(open: impl Fn(&str, Option<&str>) -> Option<i32> + Clone + Send + Sync + 'static) -> Scripted {
    let script = Scripted::default();
    let columns = [("n", DataType::Int), ("user_name", DataType::NVarChar(Some(128))), ("permitted", DataType::Int)];
    let answer = move |width: usize, open: &dyn Fn(&str, Option<&str>) -> Option<i32>, texts: Vec<String>| -> Vec<Vec<Datum>> {
        let row = |(n, question): (usize, &[String])| {
            let permitted = open(&question[0], question.get(1).map(String::as_str)).map_or(Datum::Null, |n| Datum::Int(n.into()));
            vec![Datum::Int(i64::try_from(n).unwrap()), Datum::Text("re]ader".encode_utf16().collect()), permitted]
        };
        texts.chunks(width).enumerate().map(row).collect()
    };
    for (part, width) in [("HAS_PERMS_BY_NAME(", 1), ("N'COLUMN'", 2)] {
        let (columns, open) = (columns.clone(), open.clone());
        // The longest part that fits answers, so the second takes the questions about columns.
        let part = if width == 2 { format!("HAS_PERMS_BY_NAME(@P1, N'OBJECT', N'SELECT', @P2, {part}") } else { part.to_owned() };
        script.on(&part, move |parameters, sink| {
            let texts = parameters.iter().map(|parameter| text(&parameter.value)).collect();
            result_set(&columns, &answer(width, &open, texts), sink)
        });
    }
    script
}

fn grants(faults: &[Fault]) -> Vec<&str> {
    assert!(faults.iter().all(|fault| fault.is(&src::PERMISSION) || fault.is(&rs::PERMISSION)), "{faults:?}");
    faults.iter().filter_map(|fault| fault.actions().next()).collect()
}

#[tokio::test]
async fn each_object_that_sql_server_denies_has_its_grant() {
    let script = answering(|object, column| match (object, column) {
        // NULL: not even visible.
        ("[cdc].[lsn_time_mapping]", _) => None,
        ("[cdc].[dbo_Quiet_CT]" | "[dbo].[Half]" | "[dbo].[Columns]", None) | ("[dbo].[Closed]", _) | ("[dbo].[Half]", Some("b")) => {
            Some(0)
        }
        _ => Some(1),
    });
    let server = script.serve(Options::default()).await;
    let source = SqlServer::new(source_settings(&server, Tls::Off));
    let mut tables = [facts("Closed", &["id"]), facts("Quiet", &["id"]), facts("Half", &["a"]), facts("Columns", &["a", "b"])];
    // A computed column is not carried, but it is captured.
    tables[2].instances[0].computed.push("b".into());
    let lacking = source.lacking(&tables).await.unwrap();
    assert_eq!(grants(&lacking.shared), ["GRANT SELECT ON OBJECT::[cdc].[lsn_time_mapping] TO [re]]ader];"]);
    assert_eq!(grants(&lacking.tables[0]), ["GRANT SELECT ON OBJECT::[dbo].[Closed] TO [re]]ader];"]);
    assert_eq!(grants(&lacking.tables[1]), ["GRANT SELECT ON OBJECT::[cdc].[dbo_Quiet_CT] TO [re]]ader];"]);
    assert_eq!(grants(&lacking.tables[2]), ["GRANT SELECT ON OBJECT::[dbo].[Half] ([b]) TO [re]]ader];"]);
    assert!(lacking.tables[3].is_empty(), "SELECT on every captured column is enough: {:?}", lacking.tables[3]);
}

#[tokio::test]
async fn many_tables_take_a_fixed_number_of_questions() {
    let script = answering(|_, _| Some(1));
    let server = script.serve(Options::default()).await;
    let source = SqlServer::new(source_settings(&server, Tls::Off));
    let tables: Vec<_> = (0..90).map(|n| facts(&format!("T{n}"), &["id"])).collect();
    assert!(source.lacking(&tables).await.unwrap().tables.iter().all(Vec::is_empty));
    let asked = script.statements().iter().filter(|sql| sql.contains("HAS_PERMS_BY_NAME")).count();
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn the_owner_of_the_labs_database_lacks_nothing() {
    let lab = Lab::start().await;
    lab.run("CREATE SCHEMA [odd]]schema]").await;
    lab.run("CREATE TABLE [odd]]schema].[a.b] (id int NOT NULL PRIMARY KEY)").await;
    let table = TableName::new("odd]schema", "a.b");
    lab.source.enable_database().await.unwrap();
    lab.source.enable_table(&table, None).await.unwrap();
    let facts = lab.source.describe(&[table]).await.unwrap().remove(0).unwrap();
    let lacking = lab.source.lacking(&[facts]).await.unwrap();
    assert!(lacking.shared.is_empty() && lacking.tables[0].is_empty(), "{lacking:?}");
}

#[tokio::test]
async fn what_redshift_proposes_helps() {
    let lab = target_lab().await;
    let owner = lab.sql().await;
    owner.rows(r#"CREATE USER "read er" PASSWORD 'Abcdef12'"#).await;
    let mut other = settings(&lab.lab);
    other.user = "read er".into();
    other.password = Secret::new("Abcdef12");
    let target = Redshift::new(other.clone(), role());
    let tables = [table()];

    let lacking = target.lacking(&tables).await.unwrap();
    let grant = r#"GRANT CREATE ON DATABASE "dev" TO "read er";"#;
    assert_eq!(grants(&lacking.shared), [grant; 3], "one for each schema that is missing");
    owner.rows(grant).await;
    let lacking = target.lacking(&tables).await.unwrap();
    assert!(lacking.shared.is_empty(), "{lacking:?}");

    // The owner prepares; the other user may not even look into the schemas.
    lab.target.prepare(&table(), &shape(), &identity(), NewColumns::Refuse).await.unwrap();
    let own = lab.target.lacking(&tables).await.unwrap();
    assert!(own.shared.is_empty() && own.tables[0].is_empty(), "{own:?}");
    let lacking = target.lacking(&tables).await.unwrap();
    let schemas = ["shop", "staging", "d2r"].map(|schema| format!("GRANT USAGE, CREATE ON SCHEMA \"{schema}\" TO \"read er\";"));
    assert_eq!(grants(&lacking.shared), schemas);
    owner.rows(r#"GRANT USAGE ON SCHEMA "shop" TO "read er""#).await;
    let lacking = target.lacking(&tables).await.unwrap();
    assert_eq!(grants(&lacking.shared), schemas[1..], "nothing is made in the target schema any more");
    for grant in grants(&lacking.shared) {
        owner.rows(grant).await;
    }

    let lacking = target.lacking(&tables).await.unwrap();
    assert_eq!(grants(&lacking.shared), [r#"GRANT SELECT, INSERT ON TABLE "d2r"."batch_log" TO "read er";"#]);
    let expected = [
        r#"GRANT SELECT, INSERT, DELETE ON TABLE "shop"."orders" TO "read er";"#,
        r#"ALTER TABLE "staging"."dbo__orders" OWNER TO "read er";"#,
        r#"GRANT SELECT, UPDATE ON TABLE "d2r"."shop__orders__state" TO "read er";"#,
    ];
    assert_eq!(grants(&lacking.tables[0]), expected);
    owner.rows(r#"GRANT SELECT, INSERT ON TABLE "d2r"."batch_log" TO "read er""#).await;
    owner.rows(r#"GRANT SELECT, INSERT ON TABLE "shop"."orders" TO "read er""#).await;
    owner.rows(expected[2]).await;
    let lacking = target.lacking(&tables).await.unwrap();
    assert!(lacking.shared.is_empty());
    assert_eq!(grants(&lacking.tables[0]), [r#"GRANT DELETE ON TABLE "shop"."orders" TO "read er";"#, expected[1]]);
}
