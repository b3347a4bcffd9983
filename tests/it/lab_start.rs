//! The lab as a whole: its three servers, its configuration, and clients of other makers on it.

use db_to_redshift::config::{self, Surroundings, Tls};
use db_to_redshift::lab::{Lab, LabOptions};

use crate::support::compare::{Compared, compare};
use crate::support::lab::{cells, redshift, run_sql, shell, source, target};

#[tokio::test(flavor = "multi_thread")]
async fn the_labs_configuration_is_complete_and_without_secrets() {
    let lab = Lab::start(LabOptions::default()).await.unwrap();
    let file = lab.write_config().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let options = lab.options();
    for secret in [&options.source_password, &options.redshift_password, &options.s3.secret_key] {
        assert!(!text.contains(secret));
    }
    let around = Surroundings { variable: &|_| None, folder: lab.folder().to_owned() };
    let settings = config::load_in(&around, Some(&file), None).unwrap();
    assert_eq!(settings.source.port, lab.sqlserver.address().port());
    assert_eq!(settings.source.password.expose(), options.source_password);
    assert_eq!(settings.redshift.port, lab.redshift.addr().port());
    assert_eq!(settings.s3.endpoint_url, Some(lab.s3.endpoint()));
    assert_eq!(settings.s3.credentials.unwrap().secret_access_key.expose(), options.s3.secret_key);
    for tls in [settings.source.tls, settings.redshift.tls] {
        let Tls::Verify { ca_file: Some(file) } = tls else { panic!("the lab's certificates are verified") };
        assert!(std::fs::read_to_string(file).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    }
    assert_eq!(settings.warnings.len(), 1, "only that the endpoint is not encrypted: {:?}", settings.warnings);

    let folder = lab.folder().to_owned();
    lab.stop().await.unwrap();
    assert!(!folder.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn redshift_loads_what_lies_in_s3() {
    let lab = Lab::start(LabOptions::default()).await.unwrap();
    lab.s3.overwrite("lab-changes", "in/1.csv", "1,\"a\"\n2,\"b\"\n".into());
    let client = redshift(&lab).await;
    client.batch_execute("CREATE TABLE loaded (id INTEGER, name VARCHAR(10))").await.unwrap();
    let options = &lab.options().s3;
    let copy = format!(
        "COPY loaded (id, name) FROM 's3://lab-changes/in/' ACCESS_KEY_ID '{}' SECRET_ACCESS_KEY '{}' REGION '{}' FORMAT AS CSV",
        options.access_key, options.secret_key, options.region
    );
    client.batch_execute(&copy).await.unwrap();
    let rows = client.simple_query("SELECT id, name FROM loaded ORDER BY id").await.unwrap();
    assert_eq!(cells(&rows), ["1|a", "2|b"]);
    assert!(lab.s3.requests().count("GetObject", "in/1.csv") >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_and_tsql_connect_as_the_lab_says() {
    let lab = Lab::start(LabOptions::default()).await.unwrap();
    let line = |program: &str| lab.clients().into_iter().find(|client| client.program == program).unwrap().line;
    let said = shell(&format!("{} -At -c 'SELECT 6 * 7'", line("psql"))).await;
    assert_eq!(said.trim(), "42");
    let said = shell(&format!("printf 'SELECT 6 * 7 AS answer\\ngo\\nexit\\n' | {} 2>&1", line("tsql"))).await;
    assert!(said.lines().any(|line| line.trim() == "42"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_comparison_reads_the_lab() {
    let lab = Lab::start(LabOptions::default()).await.unwrap();
    let batch = "CREATE TABLE dbo.[Order Lines] (id int NOT NULL PRIMARY KEY, price money NULL, note nvarchar(max) NULL);
         INSERT INTO dbo.[Order Lines] (id, price, note) VALUES (1, 1.5, N'caf\u{e9}'), (2, NULL, NULL);";
    Box::pin(run_sql(&lab, batch)).await;
    let client = redshift(&lab).await;
    client
        .batch_execute(
            "CREATE TABLE \"order lines\" (id INTEGER NOT NULL, price DECIMAL(20,4), note VARCHAR(65535));
             INSERT INTO \"order lines\" VALUES (1, 1.5, 'caf\u{e9}'), (2, NULL, NULL)",
        )
        .await
        .unwrap();
    let mapping = r#"[{"schema": "dbo", "table": "Order Lines", "production": "public.order lines"}]"#;
    let equal = "dbo.Order Lines -> public.order lines: 2 rows in the source, 2 in production, equal\n";
    assert_eq!(compare(&source(&lab), &target(&lab), mapping, &[]).await, Compared { exit: 0, report: equal.to_owned() });
    client.batch_execute("UPDATE \"order lines\" SET note = '' WHERE id = 2").await.unwrap();
    let seen = compare(&source(&lab), &target(&lab), mapping, &["--values"]).await;
    assert_eq!((seen.exit, seen.report.lines().nth(1)), (1, Some("  differs: ('2')")));
}
