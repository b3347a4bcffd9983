//! Batches and calls.

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
