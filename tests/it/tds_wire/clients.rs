//! Clients from elsewhere: FreeTDS (`tsql`) and python-tds. They read MS-TDS in their own way, so
//! what all of them understand is not a misunderstanding shared with tiberius.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::*;

/// Runs a program with a text on its standard input; gives what it wrote to both outputs.
async fn run(mut command: Command, install: &str, input: &str) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program} does not start ({error}): {install}"));
    // A client that fails at once closes its input: what it says about that is in its output.
    let mut stdin = child.stdin.take().unwrap();
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

async fn tsql(server: &Server, version: &str, settings: &str, batches: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("freetds.conf");
    let port = server.port();
    let text = format!("[lab]\nhost = 127.0.0.1\nport = {port}\ntds version = {version}\nclient charset = UTF-8\n{settings}\n");
    std::fs::write(&conf, text).unwrap();
    let mut command = Command::new("tsql");
    command.env("FREETDSCONF", &conf).env_remove("TDSVER").args(["-S", "lab", "-U", USER, "-P", PASSWORD, "-D", DATABASE, "-o", "q"]);
    let input = batches.join("\ngo\n") + "\ngo\n";
    run(command, "install the package freetds-bin", &(input + "exit\n")).await
}

/// Runs a script with `connect(**options)` at hand.
async fn python(server: &Server, script: &str) -> String {
    let program = std::env::var("D2R_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let head = format!(
        "import pytds\n\
         def connect(**options):\n    \
             return pytds.connect(dsn='127.0.0.1', port={}, database='{DATABASE}', user='{USER}', password='{PASSWORD}', **options)\n",
        server.port()
    );
    let mut command = Command::new(program);
    command.arg("-").env("PYTHONIOENCODING", "utf-8");
    let install = "install Python 3 with the package python-tds, and name it in D2R_TEST_PYTHON";
    let said = run(command, install, &(head + script)).await;
    assert!(!said.contains("No module named"), "{install}: {said}");
    said
}

#[tokio::test]
async fn freetds_reads_results_and_errors() {
    let (server, _events) = plain_server().await;
    for version in ["7.2", "7.3", "7.4"] {
        let said = tsql(&server, version, "", &["two", "raise 208", "number 42"]).await;
        let lines: Vec<&str> = said.lines().map(str::trim).collect();
        assert!(lines.contains(&"42") && lines.contains(&"x") && lines.contains(&"NULL"), "{version}: {said}");
        assert!(said.contains("Msg 208 (severity 16, state 1) from LAB"), "{version}: {said}");
    }
}

#[tokio::test]
async fn freetds_reads_every_type() {
    let (server, _events) = plain_server().await;
    let said = tsql(&server, "7.4", "", &["types", "number 42"]).await;
    for value in ["9999999999999999999999999999.9999999999", "-922337203685477.5808", "zażółć 🙂", "€é–x", "0102"] {
        assert!(said.contains(value), "{value} is missing: {}", said.chars().take(3000).collect::<String>());
    }
    assert!(said.trim_end().ends_with("42"), "{}", said.chars().rev().take(300).collect::<String>());
}

#[tokio::test]
async fn an_old_freetds_reads_the_newer_times_as_text() {
    let (server, _events) = plain_server().await;
    let said = tsql(&server, "7.2", "", &["types", "number 42"]).await;
    for value in ["\t9999-12-31\t", "\t23:59:59.9999999\t", "\t2021-07-30 00:00:00.01\t", "\t2021-07-29 18:30:00.0000001 -05:30\t"] {
        assert!(said.contains(value), "{value} is missing: {}", said.chars().take(3000).collect::<String>());
    }
    assert!(said.trim_end().ends_with("42"), "{}", said.chars().rev().take(300).collect::<String>());
}

#[tokio::test]
async fn freetds_is_told_that_an_old_version_is_not_served() {
    let (server, _events) = plain_server().await;
    for version in ["7.0", "7.1"] {
        let said = tsql(&server, version, "", &["number 42"]).await;
        assert!(said.contains("The lab serves TDS 7.2 to 7.4"), "{version}: {said}");
    }
}

#[tokio::test]
async fn freetds_verifies_the_certificate() {
    let (server, pem) = tls_server(true).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem).unwrap();
    let settings = format!("encryption = require\nca file = {}\ncheck certificate hostname = no", file.path().display());
    let said = tsql(&server, "7.4", &settings, &["number 42"]).await;
    assert!(said.lines().any(|line| line.trim() == "42"), "{said}");
    let other = tls::self_signed().unwrap().certificate_pem;
    std::fs::write(file.path(), other).unwrap();
    let said = tsql(&server, "7.4", &settings, &["number 42"]).await;
    assert!(!said.lines().any(|line| line.trim() == "42"), "{said}");
}

#[tokio::test]
async fn python_reads_every_type() {
    let (server, _events) = plain_server().await;
    let script = r"
with connect(autocommit=True, as_dict=True) as connection:
    cursor = connection.cursor()
    cursor.execute('types')
    rows = cursor.fetchall()
    print(len(rows), rows[2]['decimal38'], rows[1]['nvarcharmax'] == 'zażółć\0🙂', rows[0]['money'], rows[1]['guid'])
    print(rows[1]['datetime2_7'], rows[2]['date'], rows[1]['offset0'], len(rows[2]['varbinarymax']), rows[2]['char'])
    print(rows[3]['bit'], rows[3]['int'], set(rows[4].values()))
    cursor.nextset()
    print(len(cursor.fetchall()))
";
    let said = python(&server, script).await;
    let expected = [
        "5 9999999999999999999999999999.9999999999 True -922337203685477.5808 01020304-0506-0708-090a-0b0c0d0e0f10",
        "2021-07-30 00:00:00 9999-12-31 2021-07-30 02:00:01+02:00 200000 €é–x",
        "None 7 {None}",
        "3",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{said}");
}

#[tokio::test]
async fn python_runs_procedures_parameters_and_transactions() {
    let (server, mut events) = plain_server().await;
    let script = r"
import decimal, datetime, uuid
with connect() as connection:
    cursor = connection.cursor()
    cursor.execute('echo %s %s %s %s %s', ('zażółć', 5, decimal.Decimal('-12.75'), datetime.datetime(2026, 1, 2, 3, 4, 5, 6000), pytds.Binary(b'\x01\x02')))
    for row in cursor.fetchall():
        print(row[1], row[2])
    connection.commit()
    result = cursor.callproc('dbo.twice', (21, pytds.output(param_type='int', value=None)))
    print(cursor.fetchall(), cursor.get_proc_return_status())
    try:
        cursor.execute('raise 547')
    except pytds.Error as error:
        print(error.number)
    connection.rollback()
";
    let said = python(&server, script).await;
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("NVarChar(") && lines[0].ends_with(&format!("{:?}", echo::text("zażółć"))), "{said}");
    assert_eq!(lines[1], "Int Int(5)", "{said}");
    assert_eq!(lines[2], "Decimal { precision: 4, scale: 2 } Decimal { unscaled: -1275, scale: 2 }", "{said}");
    assert!(lines[3].ends_with("DateTime2 { days: 739617, ticks: 110450060000 }"), "{said}");
    assert!(lines[4].ends_with("Bytes([1, 2])"), "{said}");
    assert_eq!(lines[5..], ["[(7,)] 3", "547"], "{said}");
    let mut transactions = Vec::new();
    drop(server);
    while let Some(event) = events.recv().await {
        if let Event::Transaction(request) = event {
            transactions.push(format!("{request:?}"));
        }
    }
    assert!(transactions.iter().any(|request| request.starts_with("Begin")), "{transactions:?}");
    assert!(transactions.iter().any(|request| request.starts_with("Rollback")), "{transactions:?}");
}
