//! Canary secrets: one in the place of every secret. They must appear nowhere but there: not in
//! output, logs, objects, rows, faults or the process list, whatever goes wrong.
//!
//! One place is unavoidable: a COPY without a role carries the S3 keys in its text, which the
//! server sees. The program never logs that text, and Redshift hides the keys in its own history.

mod console;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use base64ish::{hex, standard};
use db_to_redshift::lab::LabOptions;
use db_to_redshift::lab::redshift::Action;
use db_to_redshift::lab::s3::{Effect, Rule, TemporaryKeys};
use db_to_redshift::lab::sqlserver::wire::faults::Cut;
use tokio::process::Command;
use tokio_postgres::SimpleQueryMessage;

use crate::support::pipeline::Pipeline;

/// The configuration's key of each secret, and its canary.
const CANARIES: &[(&str, &str)] = &[
    ("source.password", "Canary-Source-7f3Qz"),
    ("redshift.password", "Canary-Target-9kLm2"),
    ("s3.access_key_id", "CANARYKEYID4XW8P"),
    ("s3.secret_access_key", "Canary-S3-Secret-5tRvB"),
    ("s3.session_token", "Canary-S3-Token-1yHnE"),
];
const WRONG: &str = "Canary-Wrong-6pGsD";
/// Leaked on purpose, to see that the detector works.
const PURPOSE: &str = "Canary-Purpose-2cJuA";

/// The usual encodings, by hand: a leak may be in disguise.
mod base64ish {
    pub fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    /// Base64 without padding, of the text at each of the three alignments, without its ragged ends.
    pub fn standard(text: &str) -> Vec<String> {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let aligned = |skip: usize| {
            let bytes = &text.as_bytes()[skip..];
            bytes
                .chunks_exact(3)
                .flat_map(|three| {
                    let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
                    [18, 12, 6, 0].map(|shift| DIGITS[(bits >> shift & 63) as usize] as char)
                })
                .collect()
        };
        (0..3).map(aligned).collect()
    }
}

/// Each secret in its usual disguises.
fn forms() -> &'static [(&'static str, Vec<String>)] {
    static FORMS: OnceLock<Vec<(&str, Vec<String>)>> = OnceLock::new();
    FORMS.get_or_init(|| {
        let all = CANARIES.iter().copied().chain([("the wrong password", WRONG), ("on purpose", PURPOSE)]);
        let forms = |canary: &str| {
            let mut forms = vec![canary.to_owned(), canary.to_lowercase(), hex(canary.as_bytes())];
            forms.extend(standard(canary));
            forms
        };
        all.map(|(name, canary)| (name, forms(canary))).collect()
    })
}

/// Which secrets stand in these bytes.
fn leaks(bytes: &[u8]) -> BTreeSet<&'static str> {
    // Without zeros UTF-16 reads like ASCII.
    let text = String::from_utf8_lossy(bytes).replace('\0', "");
    forms().iter().filter(|(_, forms)| forms.iter().any(|form| text.contains(form.as_str()))).map(|(name, _)| *name).collect()
}

/// Looks at the command lines of all processes until it is told to stop.
struct Watch {
    stop: mpsc::Sender<()>,
    thread: thread::JoinHandle<(BTreeSet<&'static str>, BTreeSet<u32>)>,
}

impl Watch {
    fn start() -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let (mut found, mut pids) = (BTreeSet::new(), BTreeSet::new());
            while stopped.recv_timeout(Duration::from_millis(15)) == Err(RecvTimeoutError::Timeout) {
                for process in fs::read_dir("/proc").unwrap().flatten() {
                    let Ok(pid) = process.file_name().to_string_lossy().parse::<u32>() else { continue };
                    if let Ok(line) = fs::read(process.path().join("cmdline")) {
                        found.extend(leaks(&line));
                        pids.insert(pid);
                    }
                }
            }
            (found, pids)
        });
        Self { stop, thread }
    }

    fn stop(self) -> (BTreeSet<&'static str>, BTreeSet<u32>) {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap()
    }
}

/// A leak: where, and of what.
type Found = BTreeSet<(String, &'static str)>;

struct Cage {
    pipeline: Pipeline,
    found: Found,
    runs: usize,
}

impl Cage {
    async fn start() -> Self {
        let of = |name: &str| CANARIES.iter().find(|(key, _)| *key == name).unwrap().1.to_owned();
        let options =
            LabOptions { source_password: of("source.password"), redshift_password: of("redshift.password"), ..LabOptions::default() };
        let batches = [
            "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON",
            "EXEC sys.sp_cdc_enable_db",
            "CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, note nvarchar(max) NULL)",
            "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N't', @role_name = NULL, @supports_net_changes = 0",
            "INSERT INTO dbo.t VALUES (1, N'a')",
        ];
        let pipeline = Pipeline::start_with(options, batches).await;
        let keys = TemporaryKeys {
            access_key: of("s3.access_key_id"),
            secret_key: of("s3.secret_access_key"),
            session_token: of("s3.session_token"),
        };
        pipeline.lab.s3.admit_temporary_keys(keys, Duration::from_hours(24));
        Self { pipeline, found: Found::new(), runs: 0 }
    }

    /// A configuration with every secret given in this way; `wrong`: this key holds another one.
    fn config(&self, way: &str, wrong: Option<&str>) -> PathBuf {
        let (mut text, mut profile) = (String::new(), String::new());
        let own = fs::read_to_string(&self.pipeline.config).unwrap();
        let mut section = String::new();
        for line in own.lines() {
            if line.starts_with('[') {
                line.trim_matches(['[', ']']).clone_into(&mut section);
                writeln!(text, "{line}").unwrap();
                // In the way `profile` they stand in the sections of a profile, which come last.
                let into = if way == "profile" { &mut profile } else { &mut text };
                if way == "profile" && section != "store" {
                    writeln!(into, "[profile.caged.{section}]").unwrap();
                }
                for (name, canary) in CANARIES.iter().filter(|(name, _)| name.starts_with(&format!("{section}."))) {
                    // The AWS configuration has them in the ways that begin with `aws`.
                    if way.starts_with("aws") && section == "s3" {
                        continue;
                    }
                    let secret = if wrong == Some(*name) { WRONG } else { canary };
                    let key = &name[section.len() + 1..];
                    writeln!(into, "{key} = \"{}\"", self.place(way, name, secret)).unwrap();
                }
                continue;
            }
            let key = line.split(' ').next().unwrap();
            if !CANARIES.iter().any(|(name, _)| *name == format!("{section}.{key}")) {
                writeln!(text, "{line}").unwrap();
            }
        }
        let path = self.pipeline.lab.folder().join(format!("{way}-{}.toml", wrong.unwrap_or("right")));
        fs::write(&path, text + &profile).unwrap();
        path
    }

    fn place(&self, way: &str, name: &str, secret: &str) -> String {
        let file = self.pipeline.lab.folder().join(format!("{name}-{}", if secret == WRONG { "wrong" } else { "right" }));
        fs::write(&file, secret).unwrap();
        match way {
            "plain" | "profile" | "aws-env" | "aws-file" => secret.to_owned(),
            "env" => format!("env:{}", variable(name, secret)),
            "file" => format!("file:{}", file.display()),
            _ => format!("command:cat {}", file.display()),
        }
    }

    async fn run(&mut self, config: &std::path::Path, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_db-to-redshift"));
        command.arg("--config").arg(config).args(arguments).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
        for (name, canary) in CANARIES {
            command.env(variable(name, canary), canary).env(variable(name, WRONG), WRONG);
        }
        let of = |name: &str| CANARIES.iter().find(|(key, _)| *key == name).unwrap().1;
        let [id, secret, token] = ["s3.access_key_id", "s3.secret_access_key", "s3.session_token"].map(of);
        match config.file_stem().unwrap().to_string_lossy().trim_end_matches("-right") {
            "profile" => drop(command.args(["--profile", "caged"])),
            "aws-env" => {
                command.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret).env("AWS_SESSION_TOKEN", token);
            }
            "aws-file" => {
                let file = self.pipeline.lab.folder().join("credentials");
                let text = format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\naws_session_token = {token}\n");
                fs::write(&file, text).unwrap();
                command.env("AWS_SHARED_CREDENTIALS_FILE", file).env("AWS_EC2_METADATA_DISABLED", "true");
            }
            _ => {}
        }
        let output = command.stdin(std::process::Stdio::null()).kill_on_drop(true).output().await.unwrap();
        self.runs += 1;
        for (stream, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            for name in leaks(bytes) {
                if std::env::var_os("D2R_SHOW_LEAKS").is_some() {
                    let text = String::from_utf8_lossy(bytes);
                    text.lines()
                        .filter(|line| !leaks(line.as_bytes()).is_empty())
                        .take(3)
                        .for_each(|line| eprintln!("{arguments:?}: {line}"));
                }
                self.found.insert((format!("{stream} of {}", arguments.join(" ")), name));
            }
        }
        output
    }

    /// Every object of the bucket, part files unpacked, and every row of the program's own tables.
    async fn look_at_what_is_kept(&mut self) -> (usize, usize) {
        let bucket = self.pipeline.lab.options().bucket.clone().unwrap();
        let keys = self.pipeline.lab.s3.keys(&bucket, "");
        for key in &keys {
            let body = self.pipeline.lab.s3.object(&bucket, key).unwrap();
            let body = zstd::decode_all(&body[..]).unwrap_or_else(|_| body.to_vec());
            let whole = [key.as_bytes(), &body].concat();
            self.found.extend(leaks(&whole).into_iter().map(|name| ("object".to_owned(), name)));
        }
        let client = crate::support::lab::redshift(&self.pipeline.lab).await;
        let tables =
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN ('d2r_control', 'd2r_staging', 'public')";
        let mut rows = 0;
        for table in crate::support::lab::cells(&client.simple_query(tables).await.unwrap()) {
            let (schema, name) = table.split_once('|').unwrap();
            for message in client.simple_query(&format!("SELECT * FROM \"{schema}\".\"{name}\"")).await.unwrap() {
                let SimpleQueryMessage::Row(row) = message else { continue };
                rows += 1;
                for at in 0..row.len() {
                    let found = leaks(row.get(at).unwrap_or_default().as_bytes());
                    self.found.extend(found.into_iter().map(|leak| (format!("row of {schema}.{name}"), leak)));
                }
            }
        }
        (keys.len(), rows)
    }

    fn change(&mut self, n: i32) {
        self.pipeline.sql.run(&format!("INSERT INTO dbo.t VALUES ({n}, N'b')")).unwrap();
        self.pipeline.capture();
    }
}

fn variable(name: &str, secret: &str) -> String {
    format!("CAGE_{}_{}", name.replace('.', "_").to_uppercase(), if secret == WRONG { "WRONG" } else { "RIGHT" })
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_appear_nowhere_whatever_goes_wrong() {
    let mut cage = Cage::start().await;
    let watch = Watch::start();
    let mut n = 10;
    let commands: [&[&str]; 6] =
        [&["prepare", "--json"], &["sync", "--events"], &["check"], &["status", "--json"], &["tables"], &["runs", "--json"]];
    for (at, way) in ["plain", "env", "file", "command", "profile", "aws-env", "aws-file"].into_iter().enumerate() {
        let config = cage.config(way, None);
        // The first way with every command, the others with those that use every secret.
        for arguments in &commands[..if at == 0 { 6 } else { 2 }] {
            n += 1;
            cage.change(n);
            let output = cage.run(&config, arguments).await;
            assert!(output.status.success(), "{way} {arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
            if arguments[0] == "sync" {
                assert!(!output.stderr.is_empty(), "the trace was on");
            }
        }
    }
    // Every other command that shows something of the three systems, and the bundle for a colleague.
    let config = cage.config("plain", None);
    n += 1;
    cage.change(n);
    assert!(cage.run(&config, &["extract"]).await.status.success());
    for arguments in [
        &["load-sql", "--json"][..],
        &["load-sql"],
        &["dry-run", "--json"],
        &["files", "--table", "dbo.t", "--json"],
        &["columns", "--json"],
        &["log", "--json"],
        &["staging", "--table", "dbo.t", "--json"],
        &["load-errors", "--json"],
        &["trace", "--table", "dbo.t", "--key", "1", "--json"],
        &["verify", "--settle", "0", "--json"],
        &["recover", "--json"],
        &["retry", "--json"],
        &["lease", "--json"],
        &["keys", "--json"],
    ] {
        let output = cage.run(&config, arguments).await;
        assert!(output.status.code().is_some_and(|code| code != 2), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
    // An operator's orders: most only say what they would do.
    for arguments in [
        &["pause", "--table", "dbo.t", "--reason", "a test"][..],
        &["lease", "--release"],
        &["resume", "--table", "dbo.t"],
        &["adopt", "--json"],
        &["accept-schema", "--json"],
        &["recapture", "--json"],
        &["widen", "--table", "dbo.t", "--column", "note", "--json"],
        &["skip", "--table", "dbo.t", "--json"],
        &["preview", "--table", "dbo.t", "--batch", "1", "--json"],
        &["maintain", "analyze"],
        &["maintain", "vacuum"],
        &["maintain", "truncate-staging", "--table", "dbo.t"],
        &["maintain", "truncate-production", "--table", "dbo.t"],
        &["enable", "--table", "dbo.t", "--json"],
        &["load-errors", "--show-values"],
        &["buckets", "--json"],
        &["lsn", "0000002a000001b80003", "--json"],
    ] {
        let output = cage.run(&config, arguments).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code().is_some() && !said.contains("Usage:"), "{arguments:?} is no command: {said}");
    }
    let bundle = cage.pipeline.lab.folder().join("bundle.tar.gz");
    let output = cage.run(&config, &["bundle", "--out", &bundle.display().to_string()]).await;
    assert!(output.status.success(), "{output:?}");
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(fs::File::open(&bundle).unwrap()), &mut unpacked).unwrap();
    assert!(unpacked.len() > 1_000);
    cage.found.extend(leaks(&unpacked).into_iter().map(|name| ("bundle".to_owned(), name)));
    // Each secret wrong, in the way that might show it.
    for (name, _) in CANARIES {
        let config = cage.config("plain", Some(name));
        for arguments in [&["check", "--json"][..], &["sync"]] {
            let output = cage.run(&config, arguments).await;
            assert!(!output.status.success(), "{name} {arguments:?}");
        }
    }
    let config = cage.config("plain", None);
    // Trouble amid the work, the COPY with its keys above all.
    for trouble in 0..8 {
        n += 1;
        cage.change(n);
        let lab = &cage.pipeline.lab;
        match trouble {
            0 => drop(lab.s3.faults().add(Rule::new(Effect::AccessDenied).operation("GetObject").key("/data/").times(99))),
            1 => drop(lab.s3.faults().add(Rule::new(Effect::AccessDenied).operation("PutObject").key("/records/").times(99))),
            2 => drop(lab.s3.faults().add(Rule::new(Effect::InternalError).operation("PutObject").key("/data/").times(99))),
            3 => drop(lab.redshift.faults().on("COPY", 1, Action::CutBefore)),
            4 => drop(lab.redshift.faults().on("COPY", 1, Action::CutAfter)),
            5 => drop(lab.redshift.faults().on("COPY", 1, Action::Conflict)),
            6 => drop(lab.sqlserver.faults().order(Cut::AtRequest(3))),
            // A part file that is not what its record says.
            _ => drop(lab.s3.faults().add(Rule::new(Effect::InternalError).operation("GetObject").key("/loads/").times(99))),
        }
        cage.run(&config, &["sync"]).await;
        cage.pipeline.lab.s3.faults().clear();
        cage.pipeline.lab.redshift.faults().clear();
        cage.pipeline.lab.sqlserver.faults().clear();
    }
    // A file that COPY cannot read.
    n += 1;
    cage.change(n);
    assert!(cage.run(&config, &["extract"]).await.status.success());
    let bucket = cage.pipeline.lab.options().bucket.clone().unwrap();
    for key in cage.pipeline.lab.s3.keys(&bucket, "").into_iter().filter(|key| key.contains("/data/")) {
        let whole = cage.pipeline.lab.s3.object(&bucket, &key).unwrap();
        cage.pipeline.lab.s3.overwrite(&bucket, &key, vec![b'x'; whole.len()].into());
    }
    assert!(!cage.run(&config, &["load", "--json"]).await.status.success());

    // Configurations that cannot be read, with a secret beside the mistake.
    let good = fs::read_to_string(&config).unwrap();
    let password = CANARIES[0].1;
    for (at, (from, to)) in [
        (format!("password = \"{password}\""), format!("password = \"{password}")),
        (format!("password = \"{password}\""), format!("password = {password}")),
        (format!("password = \"{password}\""), format!("password = [\"{password}\"]")),
        (format!("password = \"{password}\""), format!("pasword = \"{password}\"")),
        (format!("password = \"{password}\""), format!("password = \"{password}\" \"{password}\"")),
        (format!("password = \"{password}\""), format!("password = \"{password}\"\npassword = \"{password}\"")),
        (format!("password = \"{password}\""), format!("password = \"command:printf {PURPOSE} | grep never\"")),
        (format!("password = \"{password}\""), format!("tls = \"{password}\"")),
        (format!("password = \"{password}\""), format!("password = \"{password}\\q\"")),
    ]
    .into_iter()
    .enumerate()
    {
        let path = cage.pipeline.lab.folder().join(format!("broken-{at}.toml"));
        assert!(good.contains(&from));
        fs::write(&path, good.replacen(&from, &to, 1)).unwrap();
        // A value of `tls` is no secret.
        let before = cage.found.clone();
        let output = cage.run(&path, &["check"]).await;
        assert_eq!(output.status.code(), Some(2), "{to}: {output:?}");
        if to.starts_with("tls") {
            cage.found = before;
        }
    }
    let (objects, rows) = cage.look_at_what_is_kept().await;
    let settings = db_to_redshift::config::load(Some(&config), None).unwrap();
    cage.found.extend(leaks(format!("{settings:?}").as_bytes()).into_iter().map(|name| ("debug text of the settings".to_owned(), name)));
    let (listed, pids) = watch.stop();
    // A secret inside a `command:` is in the process list by its author's own doing.
    let listed: Vec<_> = listed.into_iter().filter(|name| *name != "on purpose").collect();
    assert!(listed.is_empty(), "in the process list: {listed:?}");
    assert!(cage.found.is_empty(), "{:#?}", cage.found);
    assert!(objects > 5 && rows > 5 && pids.len() > 20, "{objects} {rows} {}", pids.len());
    eprintln!("{} runs, {objects} objects, {rows} rows, {} processes: no secret", cage.runs, pids.len());
}

/// The detector finds what is leaked on purpose: on the command line, in output, in objects and in
/// rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_leaked_on_purpose_is_found() {
    let mut cage = Cage::start().await;
    let watch = Watch::start();
    let config = cage.config("plain", None);
    cage.run(&config, &["tables", "--table", PURPOSE]).await;
    // The prefix of all objects is a part of state.
    let leaky = fs::read_to_string(&config).unwrap().replace("prefix = \"cdc\"", &format!("prefix = \"{PURPOSE}\""));
    fs::write(&config, leaky).unwrap();
    for command in ["prepare", "sync"] {
        let output = cage.run(&config, &[command]).await;
        assert!(output.status.success(), "{output:?}");
    }
    cage.look_at_what_is_kept().await;
    let (listed, _) = watch.stop();
    assert!(listed.contains("on purpose"), "{listed:?}");
    let places: BTreeSet<&str> = cage.found.iter().filter(|(_, name)| *name == "on purpose").map(|(place, _)| place.as_str()).collect();
    assert!(places.contains("object") && places.contains("row of d2r_control.public__t__state"), "{places:?}");
    assert!(places.contains("stderr of sync"), "{places:?}");
    let utf16: Vec<u8> = CANARIES[0].1.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for disguised in [hex(CANARIES[0].1.as_bytes()).into_bytes(), standard(CANARIES[0].1)[1].clone().into_bytes(), utf16] {
        assert_eq!(leaks(&disguised).into_iter().collect::<Vec<_>>(), ["source.password"]);
    }
}
