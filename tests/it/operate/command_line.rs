//! The commands as a person or a scheduler types them: documents, exit codes, refusals.

use serde_json::Value;

use crate::support::pipeline::Pipeline;

/// Exit code and the JSON document of one call.
async fn call(pipeline: &Pipeline, arguments: &[&str]) -> (i32, Value) {
    let output = pipeline.program(&[arguments, &["--json"]].concat()).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let document = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{arguments:?}: {error}\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
    });
    (output.status.code().unwrap(), document)
}

async fn text(pipeline: &Pipeline, arguments: &[&str]) -> (i32, String) {
    let output = pipeline.program(arguments).output().await.unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_pauses_skips_and_replaces_a_table() {
    let (mut pipeline, mut workload) = Pipeline::sample(5).await;
    let tables = pipeline.prepared().await;
    let table = "dbo.Country";
    pipeline.sql.run("INSERT INTO dbo.Country (Code, Name) VALUES ('ZZ', N'Nowhere')").unwrap();
    pipeline.work(&mut workload, 5);

    // Read-only refuses orders, and lets looks through.
    for order in [&["pause", "--reason", "x"][..], &["resume"], &["retry"], &["recover"], &["adopt", "--confirm"]] {
        let (code, said) = call(&pipeline, &[order, &["--read-only"]].concat()).await;
        assert_eq!((code, &said["fault"]["code"]), (2, &Value::from("CFG-010")), "{order:?}");
    }
    let (code, said) = call(&pipeline, &["lease", "--read-only"]).await;
    assert_eq!((code, &said["leases"]), (0, &Value::from(Vec::<Value>::new())));
    // State names the same stream: nothing to adopt.
    let (code, said) = call(&pipeline, &["adopt", "--read-only", "--table", table]).await;
    assert_eq!((code, &said["tables"][0]["result"]["was"]), (0, &Value::Null));

    let (code, said) = call(&pipeline, &["pause", "--table", table, "--reason", "look first"]).await;
    assert_eq!((code, &said["tables"][0]["result"]["paused"]["why"]), (0, &Value::from("look first")));
    let (code, said) = call(&pipeline, &["sync", "--table", table]).await;
    assert_eq!((code, &said["tables"][0]["outcome"]), (0, &Value::from("paused")));
    let (_, said) = text(&pipeline, &["status", "--table", table]).await;
    assert!(said.contains("dbo.Country is paused by ") && said.contains(": look first"), "{said}");
    let (_, said) = text(&pipeline, &["resume", "--table", table]).await;
    assert!(said.starts_with("dbo.Country  goes on; it was paused by "), "{said}");
    assert_eq!(text(&pipeline, &["retry", "--table", table]).await, (0, "dbo.Country  nothing failed\n".to_owned()));

    // A skip needs one table, and shows before it acts.
    assert_eq!(call(&pipeline, &["skip"]).await.0, 2);
    assert_eq!(text(&pipeline, &["skip", "--table", table]).await.0, 0, "nothing waits");
    call(&pipeline, &["extract", "--table", table]).await;
    let (code, said) = call(&pipeline, &["skip", "--table", table]).await;
    let fault = &said["tables"][0]["fault"];
    assert_eq!((code, &fault["code"]), (2, &Value::from("SYNC-040")));
    let batch = fault["evidence"].as_array().unwrap().iter().find(|fact| fact["name"] == "batch").unwrap();
    let batch = batch["value"].as_str().unwrap();
    let order = ["skip", "--table", table, "--batch", batch, "--confirm", table, "--reason", "test"];
    let (code, said) = call(&pipeline, &order).await;
    assert_eq!((code, &said["tables"][0]["result"]["why"]), (0, &Value::from("test")), "{said}");
    assert_eq!(call(&pipeline, &["status", "--table", table]).await.0, 4, "diverged");
    assert_eq!(call(&pipeline, &order).await.0, 4, "another batch comes next by now");

    let (_, said) = call(&pipeline, &["runs"]).await;
    let commands: Vec<&str> = said["runs"].as_array().unwrap().iter().map(|run| run["command"].as_str().unwrap()).collect();
    assert_eq!(commands[..2], ["skip", "skip"], "{commands:?}");
    assert!(commands.contains(&"pause") && commands.contains(&"resume"));

    for command in [&["prepare", "--new-epoch", "--table", table][..], &["sync"]] {
        assert_eq!(text(&pipeline, command).await.0, 0, "{command:?}");
    }
    assert_eq!(call(&pipeline, &["status", "--table", table]).await.0, 0);
    pipeline.assert_equal(&tables).await;
}

/// What a newcomer reads before typing an order.
#[tokio::test]
async fn help_says_what_an_order_does() {
    for (command, words) in [
        ("pause", &["after the batch that they are at", "--reason <TEXT>"][..]),
        ("skip", &["Production then differs from the source", "--batch <SEQ>", "--confirm <TABLE>"]),
        ("adopt", &["prepare --new-epoch", "--confirm", "--pipeline"]),
        ("lease", &["60 s", "--take-over", "--force <TABLE>", "--release"]),
        ("recover", &["without extracting"]),
        ("retry", &["nothing else"]),
    ] {
        let program = env!("CARGO_BIN_EXE_db-to-redshift");
        let output = tokio::process::Command::new(program).args([command, "--help"]).output().await.unwrap();
        let help = String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(help.contains(word), "{command}: {word} is not in {help}");
        }
    }
}

/// Who reads events line by line meets nothing else on standard output.
#[tokio::test(flavor = "multi_thread")]
async fn beside_events_what_is_for_a_person_goes_to_standard_error() {
    let pipeline = Pipeline::start([
        "CREATE TABLE dbo.Beans (id int NOT NULL PRIMARY KEY)",
        "EXEC sys.sp_cdc_enable_db",
        "EXEC sys.sp_cdc_enable_table N'dbo', N'Beans', NULL",
    ])
    .await;
    for command in [&["prepare", "--mode", "start"][..], &["load"]] {
        assert_eq!(text(&pipeline, command).await.0, 0, "{command:?}");
    }
    for (order, said) in [
        (&["recover"][..], "dbo.Beans  "),
        (&["recapture"], "captures every column"),
        (&["adopt"], "name the same stream"),
        (&["accept-schema"], "no change to accept"),
        (&["skip", "--table", "dbo.Beans"], "dbo.Beans  nothing waits"),
        (&["skip", "--table", "dbo.Beans", "--batch", "7", "--confirm", "dbo.Beans", "--reason", "x"], "dbo.Beans: SYNC-"),
    ] {
        let output = pipeline.program(&[order, &["--events"]].concat()).output().await.unwrap();
        let (out, talk) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(out.lines().all(|line| line.starts_with(r#"{"schema":"event/"#)), "{order:?}: {out}");
        assert!(talk.contains(said), "{order:?}: {talk}");
    }
}
