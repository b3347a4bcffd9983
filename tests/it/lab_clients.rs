//! Ordinary clients work on the lab's SQL Server as they would on the real one: a server that
//! only our own client understands proves nothing.

use db_to_redshift::lab::{Lab, LabOptions};

use crate::support::compare::python;
use crate::support::lab::shell;

/// Create, insert, update, delete, select; the odd name and the odd values on purpose.
const STATEMENTS: [&str; 6] = [
    "CREATE TABLE dbo.[Tea House] (Id int IDENTITY PRIMARY KEY, Name nvarchar(40) NOT NULL, Price decimal(9,2) NULL)",
    "INSERT INTO dbo.[Tea House] (Name, Price) VALUES (N'Grüner Drache', 4.50), (N'O''Hara', NULL), (N'to be closed', 1)",
    "UPDATE dbo.[Tea House] SET Price = Price * 2 WHERE Name = N'grüner drache'",
    "DELETE FROM dbo.[Tea House] WHERE Price = 1",
    "INSERT INTO dbo.[Tea House] (Name, Price) SELECT Name, 0.25 FROM dbo.[Tea House] WHERE Price IS NULL",
    "SELECT Id, Name, Price FROM dbo.[Tea House] ORDER BY Id",
];

#[tokio::test(flavor = "multi_thread")]
async fn freetds_makes_and_changes_a_table() {
    let lab = Lab::start(LabOptions::default()).await.unwrap();
    let script = lab.folder().join("script.sql");
    std::fs::write(&script, STATEMENTS.join("\ngo\n") + "\ngo\nexit\n").unwrap();
    let line = lab.clients().into_iter().find(|client| client.program == "tsql").unwrap().line;
    let said = shell(&format!("LC_ALL=C.UTF-8 {line} < '{}' 2>&1", script.display())).await;
    for row in ["1\tGrüner Drache\t9.00", "2\tO'Hara\tNULL", "4\tO'Hara\t.25"] {
        // FreeTDS shows 0.25 with or without the leading zero, by version.
        let found = said.lines().any(|line| line.trim() == row || line.trim() == row.replace("\t.", "\t0."));
        assert!(found, "{row:?} is not in\n{said}");
    }
    assert!(!said.contains("to be closed"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn python_makes_and_changes_a_table() {
    let lab = Lab::start(LabOptions::default()).await.unwrap();
    let options = lab.options();
    let script = "\
import os, sys, pytds
connection = pytds.connect(server='127.0.0.1', port=int(sys.argv[1]), user=sys.argv[2], password=os.environ['LAB_PASSWORD'], database=sys.argv[3], autocommit=True)
cursor = connection.cursor()
for statement in sys.stdin.read().split('\\ngo\\n'):
    cursor.execute(statement)
print(cursor.fetchall())
cursor.execute('INSERT INTO dbo.[Tea House] (Name, Price) VALUES (%s, %s)', ('parameter \\u2615', 7))
cursor.execute('SELECT Name FROM dbo.[Tea House] WHERE Price = %s', (7,))
print(cursor.fetchall())
try:
    cursor.execute('SELECT 1 FROM dbo.nowhere')
except pytds.Error as error:
    print(error.args[0])
";
    let mut command = tokio::process::Command::from(python());
    command.args(["-c", script, &lab.sqlserver.address().port().to_string(), &options.source_user, &options.source_database]);
    command.env("LAB_PASSWORD", &options.source_password).env("PYTHONIOENCODING", "utf-8");
    let file = lab.folder().join("statements.sql");
    std::fs::write(&file, STATEMENTS.join("\ngo\n")).unwrap();
    let ran = command.stdin(std::fs::File::open(file).unwrap()).kill_on_drop(true).output().await.unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    // python-tds drops trailing zeros of a decimal.
    assert!(said.contains("(1, 'Grüner Drache', Decimal('9')), (2, \"O'Hara\", None), (4, \"O'Hara\", Decimal('0.25'))"), "{said}");
    assert!(said.contains("[('parameter ☕',)]"), "{said}");
    assert!(said.contains("Invalid object name 'dbo.nowhere'"), "{said}");
}

/// An unknown statement is an error that names it, never an empty success.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_statement_is_named() {
    let lab = Lab::start(LabOptions::default()).await.unwrap();
    let line = lab.clients().into_iter().find(|client| client.program == "tsql").unwrap().line;
    let said = shell(&format!("printf 'BACKUP DATABASE shop TO DISK = N''x''\\ngo\\nexit\\n' | {line} 2>&1")).await;
    assert!(said.contains("BACKUP") && said.contains("Msg"), "{said}");
}
