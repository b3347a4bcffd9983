//! `bundle`: what is in it, and what is not.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::documents::errors;
use crate::support::pipeline::Pipeline;

fn members(path: &Path) -> Vec<(String, String)> {
    let mut archive = tar::Archive::new(GzDecoder::new(std::fs::File::open(path).unwrap()));
    let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (name, text)
    };
    archive.entries().unwrap().map(read).collect()
}

/// The documents of an archive by the names of their files.
pub(super) fn documents(path: &Path) -> BTreeMap<String, Value> {
    let is_document = |(name, _): &(String, String)| Path::new(name).extension().is_some_and(|extension| extension == "json");
    let read = |(name, text): (String, String)| {
        assert!(text.starts_with("{\n  \"schema\": \""), "{name} does not begin with its schema: {text}");
        (name, serde_json::from_str(&text).unwrap())
    };
    members(path).into_iter().filter(is_document).map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_tells_what_is_wrong_and_no_secret() {
    let (pipeline, _) = Pipeline::sample(8).await;
    pipeline.prepared().await;
    // A job that fails: the target went away.
    let text = std::fs::read_to_string(&pipeline.config).unwrap();
    let broken = pipeline.config.with_file_name("broken.toml");
    let text = text.replace(&format!("port = {}", pipeline.lab.redshift.addr().port()), "port = 9");
    std::fs::write(&broken, format!("{text}\n[load]\nretries = 0\n")).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_db-to-redshift"));
        command.arg("--config").arg(&broken).args(arguments).output().unwrap()
    };
    assert_eq!(run(&["load"]).status.code(), Some(1));
    let path = pipeline.config.with_file_name("bundle.tar.gz");
    let output = run(&["bundle", "--out", &path.display().to_string()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let members = members(&path);
    let names: Vec<_> = members.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["README.txt", "versions.json", "config.json", "check.json", "status.json", "faults.json", "runs.json", "batch_log.json"]
    );
    let documents = documents(&path);
    let faults = documents["faults.json"]["faults"].as_array().unwrap();
    let codes: Vec<_> = faults.iter().map(|met| met["fault"]["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"RS-001"), "{codes:?}");
    assert!(faults.iter().any(|met| met["place"].as_str().unwrap().contains("of run")), "the failed run keeps its fault");
    // What did not answer has its fault instead.
    assert_eq!(documents["batch_log.json"]["fault"]["code"], "RS-001");
    let versions = &documents["versions.json"];
    assert_eq!(versions["source"]["database"].as_str(), Some(pipeline.lab.options().source_database.as_str()));
    assert_eq!(
        (&versions["source_fault"], &versions["target"], &versions["target_fault"]["code"]),
        (&json!(null), &json!(null), &json!("RS-001"))
    );
    assert_eq!(documents["config.json"]["source"]["password"], "(set)");
    assert_eq!(schemas(&documents, &["batch_log.json"]), ["fault/1"]);
    let found = errors(&documents.into_values().collect::<Vec<_>>());
    assert!(found.is_empty(), "{}", found.join("\n"));
    let options = pipeline.lab.options();
    for secret in [&options.source_password, &options.redshift_password, &options.s3.access_key, &options.s3.secret_key] {
        assert!(secret.len() > 3, "a secret that is looked for must be one");
        for (name, text) in &members {
            assert!(!text.contains(secret.as_str()), "{name} holds a secret");
        }
    }
    // Never over another file.
    assert_eq!(run(&["bundle", "--out", &path.display().to_string()]).status.code(), Some(2));
}

/// The names of the schemas of these files.
fn schemas<'d>(documents: &'d BTreeMap<String, Value>, names: &[&str]) -> Vec<&'d str> {
    names.iter().map(|name| documents[*name]["schema"].as_str().unwrap()).collect()
}

/// With everything in it and everything configured: each file is what its schema says, and the same
/// document as that of a command where there is one.
#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_a_bundle_is_a_document_with_a_schema() {
    let (mut pipeline, mut workload) = Pipeline::sample(9).await;
    pipeline.prepared().await;
    pipeline.work(&mut workload, 10);
    assert!(pipeline.program(&["sync"]).output().await.unwrap().status.success());
    let text = std::fs::read_to_string(&pipeline.config).unwrap();
    let more = "[[table]]\nname = \"dbo.Audit*\"\nmode = \"skip\"\n\n[[table]]\nname = \"dbo.Nothing\"\nchanges = \"net\"\n\
                columns = { note = \"null\" }\n\n[console]\nkeys = { extract = \"f5\" }\n";
    std::fs::write(&pipeline.config, format!("{text}\n{more}")).unwrap();
    let path = pipeline.config.with_file_name("bundle.tar.gz");
    let output = pipeline.program(&["bundle", "--out", &path.display().to_string()]).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let documents = documents(&path);
    let names = ["versions.json", "config.json", "check.json", "status.json", "faults.json", "runs.json", "batch_log.json"];
    assert_eq!(
        schemas(&documents, &names),
        ["versions/1", "settings/1", "check/1", "status/2", "faults/1", "runs/1", "log/1"],
        "a version that goes up is told in CHANGELOG.md"
    );
    assert_eq!(documents.len(), names.len(), "no file is unknown: {:?}", documents.keys());
    let filled = ["check.json/findings", "status.json/tables", "runs.json/runs", "batch_log.json/lines", "config.json/tables"];
    for place in filled {
        let (name, field) = place.split_once('/').unwrap();
        assert!(!documents[name][field].as_array().unwrap().is_empty(), "{place}");
    }
    let found = errors(&documents.values().cloned().collect::<Vec<_>>());
    assert!(found.is_empty(), "{}", found.join("\n"));

    // A file that says too little, too much or a secret is none of its schema.
    let edited = |name: &str, edit: fn(&mut Value)| {
        let mut document = documents[name].clone();
        edit(&mut document);
        document
    };
    let wrong = [
        edited("config.json", |config| config["source"]["password"] = json!("open")),
        edited("config.json", |config| config["redshift"]["tls"]["mode"] = json!("sometimes")),
        edited("versions.json", |versions| drop(versions.as_object_mut().unwrap().remove("store"))),
        edited("faults.json", |faults| faults["undocumented"] = json!(1)),
    ];
    for document in wrong {
        assert!(!errors(std::slice::from_ref(&document)).is_empty(), "{document:#} was taken");
    }
}
