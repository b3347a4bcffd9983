//! `bundle`: what is in it, and what is not.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::Value;

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

fn document(members: &[(String, String)], name: &str) -> Value {
    serde_json::from_str(&members.iter().find(|(member, _)| member == name).unwrap().1).unwrap()
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
    let faults = document(&members, "faults.json");
    let codes: Vec<_> = faults.as_array().unwrap().iter().map(|met| met["fault"]["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"RS-001"), "{codes:?}");
    assert!(
        faults.as_array().unwrap().iter().any(|met| met["place"].as_str().unwrap().contains("of run")),
        "the failed run keeps its fault"
    );
    assert_eq!(document(&members, "batch_log.json")["fault"]["code"], "RS-001");
    assert_eq!(document(&members, "versions.json")["source"]["database"].as_str(), Some(pipeline.lab.options().source_database.as_str()));
    let config = document(&members, "config.json");
    assert_eq!(config["source"]["password"], "(set)");
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
