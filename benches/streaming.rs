//! Extracting a large batch: peak memory, client CPU, and the ratio of both to a bare read of the
//! same change table by the same driver.
//!
//! `cargo bench --bench streaming [-- rows]` runs three rounds of each in turn against the lab,
//! every client in a process of its own, and prints each figure with the ratio of its round. The
//! ratio is what counts: machines differ.
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

#[path = "../tests/it/support/wide.rs"]
mod wide;

use std::process::Stdio;

use db_to_redshift::lab::direct::Direct;
use db_to_redshift::lab::{Lab, LabOptions};
use futures::TryStreamExt;
use tokio::process::Command;
use tokio_util::compat::TokioAsyncWriteCompatExt;

const PROGRAM: &str = env!("CARGO_BIN_EXE_db-to-redshift");

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if let [mode, port, database, user, password] = arguments.as_slice()
        && mode == "drain"
    {
        return Box::pin(drain(port.parse().unwrap(), database, user, password)).await;
    }
    compare(arguments.first().map_or(1_000_000, |rows| rows.parse().unwrap())).await;
}

async fn compare(rows: i64) {
    let lab = Lab::start(LabOptions::default()).await.unwrap();
    let options = lab.options();
    let mut source =
        Direct::login(&*lab.sqlserver.sessions, &options.source_user, &options.source_password, &options.source_database).unwrap();
    source.run_all(wide::SCHEMA).unwrap();
    lab.sqlserver.capture_now().unwrap();
    lab.sqlserver.cdc.capture_idle_tick(&options.source_database).unwrap();
    let config = lab.write_config().unwrap();
    let program = |command: &str, more: &[&str]| {
        let mut program = Command::new(PROGRAM);
        program.arg("--config").arg(&config).arg("--json").arg(command).args(more).stdout(Stdio::null());
        program
    };
    assert!(program("prepare", &[]).status().await.unwrap().success());
    println!("{rows} rows of 12 columns in one transaction; peak MB, CPU seconds, wall seconds of the client process");
    for round in 1..=3 {
        lab.sqlserver.cdc.fill_change_table(&options.source_database, wide::INSTANCE, wide::rows(rows)).unwrap();
        let (good, extract) = wide::measure(&mut program("extract", &[]).spawn().unwrap()).await;
        assert!(good);
        let port = lab.sqlserver.address().port().to_string();
        let mut drain = Command::new(std::env::current_exe().unwrap());
        drain.args(["drain", &port, &options.source_database, &options.source_user, &options.source_password]);
        let (good, bare) = wide::measure(&mut drain.spawn().unwrap()).await;
        assert!(good);
        for (name, cost) in [("extract", extract), ("bare read", bare)] {
            println!("round {round} {name:9}  {:7.1} MB  {:6.2} s CPU  {:6.2} s", cost.peak_mb, cost.cpu_seconds, cost.wall_seconds);
        }
        println!(
            "round {round} ratio      CPU {:.2}  wall {:.2}",
            extract.cpu_seconds / bare.cpu_seconds,
            extract.wall_seconds / bare.wall_seconds
        );
        // The next round fills the same table again.
        source.run("DELETE FROM cdc.dbo_wide_CT").map_or_else(|error| println!("the change table keeps its rows: {error}"), drop);
    }
}

/// Reads the whole change table and uses no value: the floor of this driver.
async fn drain(port: u16, database: &str, user: &str, password: &str) {
    let mut config = tiberius::Config::new();
    config.host("127.0.0.1");
    config.port(port);
    config.database(database);
    config.authentication(tiberius::AuthMethod::sql_server(user, password));
    config.trust_cert();
    config.packet_size(32_767);
    config.command_timeout(None);
    let stream = tokio::net::TcpStream::connect(config.get_addr()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut client = Box::pin(tiberius::Client::connect(config, stream.compat_write())).await.unwrap();
    let mut items =
        client.simple_query("SELECT * FROM cdc.dbo_wide_CT ORDER BY __$start_lsn, __$command_id, __$seqval, __$operation").await.unwrap();
    let mut rows = 0_u64;
    while let Some(item) = items.try_next().await.unwrap() {
        rows += u64::from(matches!(item, tiberius::QueryItem::Row(_)));
    }
    assert!(rows > 0);
}
