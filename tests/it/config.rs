//! The configuration file, as an operator meets it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use db_to_redshift::config::{Changes, CleanUpPolicy, Settings, Surroundings, Tls, known_keys, load_in};
use db_to_redshift::model::fault::cfg::{INVALID, UNREADABLE};
use db_to_redshift::model::{Fault, Unfit};

const EXAMPLE: &str = include_str!("../../config.example.toml");

const MINIMAL: &str = r#"
pipeline = "shop"
[source]
host = "h"
database = "d"
user = "u"
password = "env:PASSWORD"
[s3]
bucket = "bucket"
[redshift]
host = "h"
database = "d"
user = "u"
password = "env:PASSWORD"
"#;

fn load(text: &str, profile: Option<&str>) -> Result<Settings, Fault> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db-to-redshift.toml");
    std::fs::write(&file, text).unwrap();
    let variable = |name: &str| (name == "PASSWORD" || name.starts_with("D2R_")).then(|| format!("value of {name}"));
    load_in(&Surroundings { variable: &variable, folder: folder.path().to_owned() }, Some(&file), profile)
}

/// The problems with their places, without the fact that names the file.
fn problems(text: &str, profile: Option<&str>) -> Vec<(String, String)> {
    let fault = load(text, profile).unwrap_err();
    assert!(fault.is(&INVALID), "{fault}");
    assert_eq!(fault.facts()[0].0, "file");
    fault.facts()[1..].to_vec()
}

fn problem(line: usize, text: &str) -> (String, String) {
    (if line == 0 { "file".to_owned() } else { format!("line {line}") }, text.to_owned())
}

#[test]
fn a_short_file_suffices_and_the_defaults_hold() {
    let settings = load(MINIMAL, None).unwrap();
    assert_eq!((settings.profile.as_str(), settings.protected), ("default", false));
    assert_eq!(settings.source.password.expose(), "value of PASSWORD");
    assert_eq!((settings.source.port, settings.redshift.port), (1433, 5439));
    assert_eq!(settings.source.tls, Tls::Verify { ca_file: None });
    assert_eq!(settings.source.cleanup, CleanUpPolicy::Never);
    assert_eq!(settings.redshift.target_schema, "public");
    assert_eq!(settings.extract.part_bytes, 64_000_000);
    assert_eq!(settings.store.keep, Duration::from_hours(168));
    assert_eq!(settings.store.keep_runs, Duration::from_hours(720));
    assert!(settings.tables.is_empty() && settings.warnings.is_empty() && settings.s3.credentials.is_none());
}

/// The lines of the example that are keys, commented out or not, by section.
fn example_keys() -> BTreeMap<String, usize> {
    let (mut section, mut keys) = (String::new(), BTreeMap::new());
    for line in EXAMPLE.lines() {
        if let Some(name) = line.strip_prefix('#').unwrap_or(line).strip_prefix('[') {
            section = format!("{}.", name.trim_matches(['[', ']']));
        } else if let Some((key, _)) = line.strip_prefix('#').unwrap_or(line).split_once(" = ")
            && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            *keys.entry(format!("{}{key}", section.trim_start_matches("profile.prod."))).or_default() += 1;
        }
    }
    keys
}

/// The example with every key that may be left out put in.
fn whole_example() -> String {
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest.to_owned(),
        _ => line.to_owned(),
    };
    EXAMPLE.lines().map(|line| uncomment(line) + "\n").collect()
}

#[test]
fn the_example_explains_every_key_and_no_other() {
    let known = known_keys();
    assert!(known.len() > 40, "{known:?}");
    let explained = example_keys();
    for key in &known {
        assert!(explained.contains_key(key), "config.example.toml does not mention {key}");
    }
    for key in explained.keys() {
        assert!(known.contains(key) || key == "profile.prod.protected", "{key} is in config.example.toml alone");
    }
}

#[test]
fn the_example_is_valid_with_and_without_its_commented_keys() {
    let plain = load(EXAMPLE, None).unwrap();
    let whole = load(&whole_example(), None).unwrap();
    assert_eq!(plain.warnings, [""; 0]);
    assert!(plain.tables.is_empty(), "what `init` writes leaves no table out");
    assert!(plain.console.keys.is_empty(), "and no key");
    assert!(whole.tables[1].skip && !whole.tables[0].skip);
    let policies = [("notes".to_owned(), Unfit::Truncate), ("scan".to_owned(), Unfit::Null)];
    assert_eq!(whole.tables[2].columns, policies);
    assert!(whole.s3.credentials.is_some() && whole.redshift.copy_role.is_some());
    // What the example shows as a default is the default.
    assert_eq!(format!("{:?}", whole.extract), format!("{:?}", plain.extract));
    assert_eq!(format!("{:?}", whole.load), format!("{:?}", plain.load));
    assert_eq!(format!("{:?}", whole.store), format!("{:?}", plain.store));
    let (a, b) = (&whole, &plain);
    assert_eq!((a.protected, a.source.port, a.source.cleanup), (b.protected, b.source.port, b.source.cleanup));
    assert_eq!((a.source.timeout, a.redshift.timeout), (b.source.timeout, b.redshift.timeout));
    assert_eq!((a.redshift.port, a.redshift.lock_timeout), (b.redshift.port, b.redshift.lock_timeout));
    assert_eq!(a.redshift.target_schema, b.redshift.target_schema);
    assert_eq!(a.redshift.staging_schema, b.redshift.staging_schema);
    assert_eq!(a.redshift.control_schema, b.redshift.control_schema);
    assert_eq!((&a.s3.prefix, a.s3.force_path_style), (&b.s3.prefix, b.s3.force_path_style));
}

#[test]
fn a_profile_lies_over_the_file() {
    let settings = load(&whole_example(), Some("prod")).unwrap();
    assert_eq!(settings.profile, "prod");
    assert!(settings.protected);
    assert_eq!(settings.source.host, "sql-prod.example.com");
    assert_eq!(settings.source.password.expose(), "value of D2R_PROD_SOURCE_PASSWORD");
    assert_eq!(settings.source.user, "cdc_reader");

    let text = format!(
        "{MINIMAL}[[table]]\nname = \"a.*\"\n[[profile.x.table]]\nname = \"b.c\"\nchanges = \"net\"\n[profile.default]\nprotected = true\n"
    );
    let settings = load(&text, Some("x")).unwrap();
    assert_eq!((settings.tables.len(), settings.tables[0].name.as_str(), settings.tables[0].changes), (1, "b.c", Changes::Net));
    assert!(!settings.protected);
    assert!(load(&text, None).unwrap().protected, "[profile.default] holds without --profile");
    assert_eq!(problems(&whole_example(), Some("prd")), [problem(0, "the profile `prd` is not known: did you mean `prod`?")]);
}

#[test]
fn all_errors_come_at_once_with_their_lines() {
    let text = r#"pipeline = "my shop"
protected = "yes"
speed = 3
[source]
hots = "h"
port = "1433"
database = ""
user = "u"
password = "env:NOT_SET"
tls = "none"
timeout = "5 minutes"
[s3]
bucket = "s3://b"
prefix = "/cdc/"
secret_access_key = "file:nowhere"
[extrct]
parallel = 2
[load]
parallel = 0
retries = 1.5
[[table]]
mode = "off"
[profile.other.store]
keep = 7
"#;
    let found = problems(text, None);
    let nowhere = found.iter().find(|(_, text)| text.contains("nowhere")).unwrap().clone();
    assert_eq!(nowhere.0, "line 15");
    let found: Vec<_> = found.into_iter().filter(|problem| *problem != nowhere).collect();
    let expected = [
        problem(0, "`redshift.database` is missing"),
        problem(0, "`redshift.host` is missing"),
        problem(0, "`redshift.password` is missing"),
        problem(0, "`redshift.user` is missing"),
        problem(1, "`pipeline` must consist of letters, digits, _ and -, at most 100"),
        problem(2, "`protected` must be true or false, not a string"),
        problem(
            3,
            "`speed` is not known: there are profile, pipeline, protected, source, s3, redshift, extract, load, store, table, console",
        ),
        problem(4, "`source.host` is missing"),
        problem(5, "`source.hots` is not known: did you mean `host`?"),
        problem(6, "`source.port` must be a whole number, not a string"),
        problem(7, "`source.database` must not be empty"),
        problem(9, "`source.password` names the environment variable NOT_SET, which is not set"),
        problem(10, "`source.tls` must be one of \"verify\", \"trust-any\", \"off\""),
        problem(11, "`source.timeout` must be a duration, as in \"30s\", \"15m\", \"2h\" or \"7d\""),
        problem(13, "`s3.bucket` must be a bucket name: 3 to 63 lower-case letters, digits, dots and hyphens, without s3://"),
        problem(14, "`s3.prefix` must be folders of plain characters, as in \"cdc/shop\", without slashes at the ends"),
        problem(16, "`extrct` is not known: did you mean `extract`?"),
        problem(19, "`load.parallel` must lie between 1 and 64"),
        problem(20, "`load.retries` must be a whole number, not a float"),
        problem(21, "`table.name` is missing"),
        problem(22, "`table.mode` must be one of \"sync\", \"skip\""),
        problem(24, "`store.keep` must be a text in quotes, not an integer"),
    ];
    assert_eq!(found, expected, "{found:#?}");
}

#[test]
fn broken_toml_is_told_by_line() {
    let found = problems("pipeline = \"shop\"\n[source\nhost = \"h\"\n", None);
    assert_eq!(found[0].0, "line 2", "{found:?}");
    let found = problems("pipeline = \"a\"\npipeline = \"b\"\n", None);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "line 2", "{found:?}");
    assert!(problems("source = 3\n", None).contains(&problem(1, "`source` must be a section, [source], not an integer")));
}

#[test]
fn what_is_unwise_is_a_warning() {
    let text = MINIMAL.replace("[s3]", "tls = \"trust-any\"\n[s3]\nendpoint_url = \"http://127.0.0.1:9000\"").replacen(
        "env:PASSWORD",
        "hunter2",
        1,
    ) + "tls = \"off\"\n";
    let warnings = load(&text, None).unwrap().warnings;
    for (warning, word) in warnings.iter().zip(["`source.password`", "`source.tls`", "endpoint_url", "`redshift.tls`"]) {
        assert!(warning.contains(word), "{warning}");
    }
    assert!(warnings.iter().all(|warning| !warning.contains("hunter2")), "{warnings:?}");
    assert!(warnings.len() >= 4, "{warnings:?}");
}

#[test]
fn keys_that_need_each_other_are_asked_for() {
    let with = |s3: &str| MINIMAL.replace("[redshift]", &format!("{s3}\n[redshift]"));
    let both = load(&with("access_key_id = \"AKIA\"\nsecret_access_key = \"env:PASSWORD\""), None).unwrap();
    assert_eq!(both.s3.credentials.unwrap().access_key_id, "AKIA");
    assert!(both.warnings.is_empty(), "a key id is no secret: {:?}", both.warnings);
    assert_eq!(
        problems(&with("access_key_id = \"AKIA\""), None),
        [problem(10, "`s3.access_key_id` needs `s3.secret_access_key` beside it")]
    );
    assert_eq!(
        problems(&with("secret_access_key = \"env:PASSWORD\""), None),
        [problem(10, "`s3.secret_access_key` needs `s3.access_key_id` beside it")]
    );
    let found = problems(&MINIMAL.replace("[s3]", "tls = \"off\"\nca_file = \"x\"\n[s3]"), None);
    assert_eq!(found, [problem(9, "`source.ca_file` has no meaning unless tls = \"verify\"")]);
}

#[test]
fn policies_stand_by_column_in_either_form() {
    let rule = |columns: &str| format!("{MINIMAL}[[table]]\nname = \"dbo.T\"\n{columns}\n");
    let inline = load(&rule("columns = { Notes = \"truncate\", \"Long text\" = \"super\", Plain = \"fail\" }"), None).unwrap();
    let section = load(&rule("[table.columns]\nNotes = \"truncate\"\n\"Long text\" = \"super\"\nPlain = \"fail\""), None).unwrap();
    assert_eq!(inline.tables, section.tables);
    let found = |name: &str| inline.tables[0].columns.iter().find(|(column, _)| column == name).map(|(_, policy)| *policy);
    assert_eq!((found("Notes"), found("Long text")), (Some(Unfit::Truncate), Some(Unfit::Super)));
    assert_eq!(
        problems(&rule("columns = \"truncate\""), None),
        [problem(17, "`table.columns` must be a table, columns = { column = … }, not a string")]
    );
    assert_eq!(
        problems(&rule("[table.columns]\nA = \"cut\"\nB = \"null\"\nC = 3"), None),
        [
            problem(18, "`table.columns` of the column `A` must be one of \"fail\", \"truncate\", \"null\", \"super\""),
            problem(20, "`table.columns` of the column `C` must be a text in quotes, not an integer"),
        ]
    );
    assert_eq!(problems(&rule("colums = { A = \"null\" }"), None), [problem(17, "`table.colums` is not known: did you mean `columns`?")]);
}

#[test]
fn a_file_that_is_no_text_is_a_fault_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.toml"), [0xff, 0xfe]).unwrap();
    let around = Surroundings { variable: &|_| None, folder: folder.path().to_owned() };
    let fault = load_in(&around, Some(Path::new("x.toml")), None).unwrap_err();
    assert!(fault.is(&UNREADABLE));
    let list = format!("ls -l '{}' # shows who may read it", folder.path().join("x.toml").display());
    assert_eq!(fault.actions().next(), Some(list.as_str()));
}
