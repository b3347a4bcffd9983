//! Batches and calls.

use db_to_redshift::lab::sqlserver::session::TransactionRequest;
use tiberius::numeric::Numeric;
use tiberius::{Command, IsolationLevel};

use super::*;

async fn number(client: &mut Tiberius, sql: &str) -> i32 {
    client.simple_query(sql).await.unwrap().into_row().await.unwrap().unwrap().get(0).unwrap()
}

/// The number of the error that a batch ends with.
async fn failure(client: &mut Tiberius, sql: &str) -> u32 {
    let error = match client.simple_query(sql).await {
        Ok(stream) => stream.into_results().await.unwrap_err(),
        Err(error) => error,
    };
    server_number(&error)
}

#[tokio::test]
async fn a_batch_gives_its_rows() {
    let (server, mut events) = plain_server().await;
    let mut client = plain_client(&server).await;
    let login = Event::Login { user: USER.into(), database: DATABASE.into(), application: "wire test".into() };
    assert_eq!(events.recv().await, Some(login));
    assert_eq!(number(&mut client, "number 42").await, 42);
    assert_eq!(events.recv().await, Some(Event::Statement("number 42".into())));
}

#[tokio::test]
async fn several_result_sets_follow_each_other() {
    let (server, _events) = plain_server().await;
    let sets = plain_client(&server).await.simple_query("two").await.unwrap().into_results().await.unwrap();
    assert_eq!(sets.len(), 2);
    assert_eq!(sets[0][0].get::<i32, _>("v"), Some(1));
    let texts: Vec<Option<&str>> = sets[1].iter().map(|row| row.get(0)).collect();
    assert_eq!(texts, [Some("x"), None]);
}

#[tokio::test]
async fn an_error_carries_its_number_and_the_connection_goes_on() {
    let (server, _events) = plain_server().await;
    let mut client = plain_client(&server).await;
    assert_eq!(failure(&mut client, "raise 208").await, 208);
    assert_eq!(failure(&mut client, "rows-then-error").await, 8134);
    let error = client.execute("raise 547", &[]).await.unwrap_err();
    assert_eq!(server_number(&error), 547);
    assert_eq!(number(&mut client, "number 1").await, 1);
    assert_eq!(client.execute("update 7", &[]).await.unwrap().total(), 7);
}

#[tokio::test]
async fn parameters_arrive_with_their_types() {
    let (server, _events) = plain_server().await;
    let mut client = plain_client(&server).await;
    let (name, none): (&str, Option<i32>) = ("zażółć", None);
    let rows = client.query("echo @P1, @P2, @P3, @P4", &[&7_i64, &name, &none, &true]).await.unwrap().into_first_result().await.unwrap();
    let shown: Vec<_> = rows.iter().map(|row| [0, 1, 2].map(|at| row.get::<&str, _>(at).unwrap().to_owned())).collect();
    assert_eq!(shown[0], ["@P1", "BigInt", "Int(7)"]);
    assert_eq!(shown[1][1..], ["NVarChar(Some(4000))".to_owned(), format!("{:?}", echo::text(name))]);
    assert_eq!(shown[2][1..], ["Int", "Null"]);
    assert_eq!(shown[3][1..], ["Bit", "Bit(true)"]);
}

#[tokio::test]
async fn a_statement_is_prepared_once_and_run_by_its_handle() {
    let (server, _events) = plain_server().await;
    let mut client = plain_client(&server).await;
    let mut prepare = Command::new("sp_prepexec");
    prepare.bind_out_param("@handle", None::<i32>);
    prepare.bind_param("@params", "@a int, @b nvarchar(10)");
    prepare.bind_param("@stmt", "echo @a, @b");
    prepare.bind_param("", 1_i32);
    prepare.bind_param("", "x");
    let prepared = prepare.exec(&mut client).await.unwrap().into_command_result().await.unwrap();
    let handle: i32 = prepared.try_return_value("@handle").unwrap().unwrap();
    let rows = prepared.to_query_result(0).unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row.get(0).unwrap()).collect();
    assert_eq!((names, prepared.return_code()), (vec!["@a", "@b"], 0));

    let mut execute = Command::new("sp_execute");
    execute.bind_param("", handle);
    execute.bind_param("", 9_i32);
    let executed = execute.exec(&mut client).await.unwrap().into_command_result().await.unwrap();
    let row = &executed.to_query_result(0).unwrap()[0];
    let [name, value, declared] = [0, 2, 3].map(|at| row.get::<&str, _>(at).unwrap().to_owned());
    assert_eq!([name.as_str(), &value, &declared], ["@a", "Int(9)", "@a int, @b nvarchar(10)"]);

    let unprepare = || {
        let mut command = Command::new("sp_unprepare");
        command.bind_param("@handle", handle);
        command
    };
    unprepare().exec(&mut client).await.unwrap().into_command_result().await.unwrap();
    let error = unprepare().exec(&mut client).await.unwrap().into_command_result().await.unwrap_err();
    assert_eq!(server_number(&error), 8179);
}

#[tokio::test]
async fn sp_prepare_gives_a_handle_and_runs_nothing() {
    let (server, mut events) = plain_server().await;
    let mut client = plain_client(&server).await;
    events.recv().await.unwrap();
    let mut prepare = Command::new("sys.sp_prepare");
    prepare.bind_out_param("@handle", None::<i32>);
    prepare.bind_param("@params", None::<&str>);
    prepare.bind_param("@stmt", "number 8");
    let prepared = prepare.exec(&mut client).await.unwrap().into_command_result().await.unwrap();
    let handle: i32 = prepared.try_return_value("@handle").unwrap().unwrap();
    let mut execute = Command::new("sp_execute");
    execute.bind_param("", handle);
    let executed = execute.exec(&mut client).await.unwrap().into_command_result().await.unwrap();
    assert_eq!(executed.to_query_result(0).unwrap()[0].get::<i32, _>(0), Some(8));
    assert_eq!(events.try_recv(), Ok(Event::Statement("number 8".into())));
    assert!(events.try_recv().is_err());
}

#[tokio::test]
async fn a_procedure_gives_rows_status_and_output() {
    let (server, _events) = plain_server().await;
    let mut client = plain_client(&server).await;
    let mut twice = Command::new("dbo.twice");
    twice.bind_param("@value", 21_i32);
    twice.bind_out_param("@result", None::<i32>);
    let result = twice.exec(&mut client).await.unwrap().into_command_result().await.unwrap();
    assert_eq!(result.try_return_value::<i32>("@result").unwrap(), Some(42));
    assert_eq!(result.return_code(), 3);
    assert_eq!(result.to_query_result(0).unwrap()[0].get::<i32, _>(0), Some(7));
    let unknown = Command::new("dbo.nothing").exec(&mut client).await.unwrap().into_command_result().await.unwrap_err();
    assert_eq!(server_number(&unknown), 2812);
}

#[tokio::test]
async fn output_parameters_of_a_statement_come_back() {
    let (server, _events) = plain_server().await;
    let mut client = plain_client(&server).await;
    let mut echo = Command::new("sp_executesql");
    echo.bind_param("@statement", "echo");
    echo.bind_param("@params", "@a int OUTPUT, @b decimal(10,2) OUTPUT");
    echo.bind_out_param("@a", 17_i32);
    echo.bind_out_param("", Numeric::new_with_scale(-1275, 2));
    let result = echo.exec(&mut client).await.unwrap().into_command_result().await.unwrap();
    assert_eq!(result.try_return_value::<i32>("@a").unwrap(), Some(17));
    assert_eq!(result.try_return_value::<Numeric>("@b").unwrap(), Some(Numeric::new_with_scale(-1275, 2)));
}

#[tokio::test]
async fn sp_executesql_wants_unicode() {
    let (server, _events) = plain_server().await;
    let mut client = plain_client(&server).await;
    let mut command = Command::new("sp_executesql");
    command.bind_param("@statement", 5_i32);
    let error = command.exec(&mut client).await.unwrap().into_command_result().await.unwrap_err();
    assert_eq!(server_number(&error), 214);
}

#[tokio::test]
async fn cursors_and_bulk_loads_are_refused_by_name() {
    let (server, _events) = plain_server().await;
    let mut client = plain_client(&server).await;
    let error = Command::new("sp_cursoropen").exec(&mut client).await.unwrap().into_command_result().await.unwrap_err();
    assert!(error.to_string().contains("sp_cursoropen"), "{error}");
    assert_eq!(number(&mut client, "number 2").await, 2);
}

#[tokio::test]
async fn transaction_requests_reach_the_session() {
    let (server, mut events) = plain_server().await;
    let mut client = plain_client(&server).await;
    events.recv().await.unwrap();
    client.begin_transaction_with_isolation(IsolationLevel::Snapshot).await.unwrap();
    client.save_transaction("here").await.unwrap();
    client.commit_transaction().await.unwrap();
    client.begin_transaction().await.unwrap();
    client.rollback_transaction().await.unwrap();
    let error = client.commit_transaction().await.unwrap_err();
    assert_eq!(server_number(&error), 3902);
    let seen: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).collect();
    let begin = |isolation| Event::Transaction(TransactionRequest::Begin { isolation });
    let rollback = Event::Transaction(TransactionRequest::Rollback { savepoint: None });
    let save = Event::Transaction(TransactionRequest::Save { name: "here".into() });
    let commit = Event::Transaction(TransactionRequest::Commit);
    assert_eq!(seen, [begin(5), save, commit.clone(), begin(0), rollback, commit]);
}

#[tokio::test]
async fn a_fatal_error_closes_the_connection() {
    let (server, mut events) = plain_server().await;
    let mut client = plain_client(&server).await;
    assert_eq!(failure(&mut client, "fatal").await, 3624);
    while events.recv().await.unwrap() != Event::Ended {}
    let error = client.simple_query("number 1").await.map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
}
