//! Every key of the file, with its default and its bounds. `config.example.toml` explains them;
//! a test keeps the two together.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{Problem, Report, Section, unknown};
use super::kinds::{boolean, bucket, choice, duration, number, path, prefix, schema, size, text, texts, url, word};
use super::secret::SecretPlace;
use super::{
    Changes, CleanUpPolicy, ConsoleSettings, ExtractSettings, LoadSettings, RedshiftSettings, S3Credentials, S3Settings, Secret, Settings,
    SourceSettings, StoreSettings, Surroundings, TableRule, Tls,
};
use crate::model::Unfit;

/// The profile that holds when none is asked for.
const DEFAULT_PROFILE: &str = "default";

const TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
/// A run is kept for a day at least: a retry must find what failed.
const KEEP_RUNS: RangeInclusive<Duration> = Duration::from_hours(24)..=Duration::from_hours(24 * 3650);
const KEEP: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24 * 3650);
const PARALLEL: RangeInclusive<u64> = 1..=64;

/// What reading needs besides the document.
struct Context<'a> {
    around: &'a Surroundings<'a>,
    /// Of the configuration file.
    folder: &'a Path,
    warnings: RefCell<Vec<String>>,
}

/// Reads a file's text. All its errors come back together, in the order of the lines.
pub fn read(around: &Surroundings<'_>, file: &Path, source: &str, profile: Option<&str>) -> Result<Settings, Vec<Problem>> {
    let report = Report::new(source);
    let (root, errors) = DeTable::parse_recoverable(source);
    for error in &errors {
        report.add(error.span().map_or(0, |span| report.line(&span)), error.message());
    }
    if !errors.is_empty() {
        return Err(report.into_problems());
    }
    let root = root.get_ref();
    let profiles = profiles(root, &report);
    let chosen = profile.unwrap_or(DEFAULT_PROFILE);
    let context = Context { around, folder: file.parent().unwrap_or(Path::new("")), warnings: RefCell::default() };
    let mut layers = vec![root];
    for (name, table) in &profiles {
        if *name == chosen {
            layers.insert(0, table);
        } else {
            // Looked at for its errors: it should not fail on the day it is needed.
            settings(&Section::top(&report, vec![table], true), &context, name);
        }
    }
    if layers.len() == 1 && chosen != DEFAULT_PROFILE {
        let names: Vec<&str> = profiles.iter().map(|(name, _)| *name).chain([DEFAULT_PROFILE]).collect();
        report.add(0, unknown(&format!("the profile `{chosen}`"), chosen, &names));
    }
    let settings = settings(&Section::top(&report, layers, false), &context, chosen);
    let problems = report.into_problems();
    match settings {
        Some(mut settings) if problems.is_empty() => {
            settings.warnings = context.warnings.into_inner();
            if settings.warnings.iter().any(|warning| warning.ends_with(PLAIN)) && open_to_others(file) {
                settings.warnings.push(format!("{} holds secrets and others may read it: chmod 600", file.display()));
            }
            Ok(settings)
        }
        _ => Err(problems),
    }
}

/// Every key that the file may have, as in `source.host` or `table.name`.
#[must_use]
pub fn known_keys() -> Vec<String> {
    let source = "[[table]]\n";
    let report = Report::new(source);
    let (root, _) = DeTable::parse_recoverable(source);
    let around = Surroundings { variable: &|_| None, folder: std::path::PathBuf::new() };
    let context = Context { around: &around, folder: Path::new(""), warnings: RefCell::default() };
    settings(&Section::top(&report, vec![root.get_ref()], true), &context, DEFAULT_PROFILE);
    report.into_asked()
}

/// The names of all profiles in a file's text, `default` first.
#[must_use]
pub fn profile_names(source: &str) -> Vec<String> {
    let report = Report::new(source);
    let (root, _) = DeTable::parse_recoverable(source);
    let found = profiles(root.get_ref(), &report);
    let mut names = vec![DEFAULT_PROFILE.to_owned()];
    names.extend(found.iter().map(|(name, _)| (*name).to_owned()).filter(|name| name != DEFAULT_PROFILE));
    names
}

/// The tables `[profile.X]` by name.
fn profiles<'t>(root: &'t DeTable<'_>, report: &Report<'_>) -> Vec<(&'t str, &'t DeTable<'t>)> {
    let Some((key, value)) = root.iter().find(|(key, _)| key.get_ref() == "profile") else { return Vec::new() };
    let wrong = |key: &Spanned<toml::de::DeString<'_>>| {
        report.add(report.line(&key.span()), "profiles are sections, as in [profile.prod] or [profile.prod.source]");
    };
    let DeValue::Table(table) = value.get_ref() else {
        wrong(key);
        return Vec::new();
    };
    let mut found = Vec::new();
    for (name, value) in table {
        match value.get_ref() {
            DeValue::Table(table) => found.push((name.get_ref().as_ref(), table)),
            _ => wrong(name),
        }
    }
    found
}

fn settings(top: &Section<'_>, context: &Context<'_>, profile: &str) -> Option<Settings> {
    top.allow("profile");
    let pipeline = top.must("pipeline", word(100));
    let protected = top.or("protected", false, boolean);
    let source = source(&top.section("source"), context);
    let s3 = s3(&top.section("s3"), context);
    let redshift = redshift(&top.section("redshift"), context);
    let extract = extract(&top.section("extract"));
    let load = load(&top.section("load"));
    let store = store(&top.section("store"));
    let tables = tables(&top.list("table"));
    let console = console(&top.section("console"));
    top.close();
    Some(Settings {
        pipeline: pipeline?,
        profile: profile.to_owned(),
        protected: protected?,
        source: source?,
        s3: s3?,
        redshift: redshift?,
        extract: extract?,
        load: load?,
        store: store?,
        tables: tables?,
        console: console?,
        warnings: Vec::new(),
    })
}

fn source(section: &Section<'_>, context: &Context<'_>) -> Option<SourceSettings> {
    const CLEANUP: &[(&str, CleanUpPolicy)] =
        &[("never", CleanUpPolicy::Never), ("after-extract", CleanUpPolicy::AfterExtract), ("after-load", CleanUpPolicy::AfterLoad)];
    let host = section.must("host", text);
    let port = section.or("port", 1433, number(1..=65_535));
    let database = section.must("database", text);
    let user = section.must("user", text);
    let password = password(section, context);
    let tls = tls(section, context);
    let cleanup = section.or("cleanup", CleanUpPolicy::Never, choice(CLEANUP));
    let timeout = section.or("timeout", Duration::from_mins(1), duration(TIMEOUT));
    section.close();
    Some(SourceSettings {
        host: host?,
        port: port?,
        database: database?,
        user: user?,
        password: password?,
        tls: tls?,
        cleanup: cleanup?,
        timeout: timeout?,
    })
}

fn s3(section: &Section<'_>, context: &Context<'_>) -> Option<S3Settings> {
    let bucket = section.must("bucket", bucket);
    let prefix = section.or("prefix", String::new(), prefix);
    let region = section.maybe("region", word(63));
    let endpoint_url = section.maybe("endpoint_url", url);
    let force_path_style = section.or("force_path_style", false, boolean);
    let timeout = section.or("timeout", Duration::from_secs(30), duration(TIMEOUT));
    let id = section.maybe("access_key_id", text).and_then(|place| context.fetch(section, "access_key_id", &place));
    let secret = context.secret(section, "secret_access_key");
    let session_token = context.secret(section, "session_token");
    section.close();
    let credentials = match (id, secret) {
        (Some(id), Some(secret_access_key)) => {
            Some(S3Credentials { access_key_id: id.expose().to_owned(), secret_access_key, session_token })
        }
        (Some(_), None) if !section.has("secret_access_key") && !section.is_partial() => {
            section.problem("access_key_id", "needs `s3.secret_access_key` beside it");
            None
        }
        (None, Some(_)) if !section.has("access_key_id") && !section.is_partial() => {
            section.problem("secret_access_key", "needs `s3.access_key_id` beside it");
            None
        }
        (None, None) if session_token.is_some() && !section.is_partial() => {
            section.problem("session_token", "needs `s3.access_key_id` and `s3.secret_access_key` beside it");
            None
        }
        _ => None,
    };
    if endpoint_url.as_ref().is_some_and(|url| url.starts_with("http://")) {
        context.warn(section, "s3.endpoint_url is not encrypted".to_owned());
    }
    Some(S3Settings {
        bucket: bucket?,
        prefix: prefix?,
        region,
        endpoint_url,
        force_path_style: force_path_style?,
        credentials,
        timeout: timeout?,
    })
}

fn redshift(section: &Section<'_>, context: &Context<'_>) -> Option<RedshiftSettings> {
    let host = section.must("host", text);
    let port = section.or("port", 5439, number(1..=65_535));
    let database = section.must("database", text);
    let user = section.must("user", text);
    let password = password(section, context);
    let tls = tls(section, context);
    let copy_role = section.maybe("copy_role", copy_role);
    let target_schema = section.or("target_schema", "public".to_owned(), schema);
    let staging_schema = section.or("staging_schema", "d2r_staging".to_owned(), schema);
    let control_schema = section.or("control_schema", "d2r_control".to_owned(), schema);
    let timeout = section.or("timeout", Duration::from_hours(1), duration(TIMEOUT));
    let lock_timeout = section.or("lock_timeout", Duration::from_mins(1), duration(TIMEOUT));
    section.close();
    Some(RedshiftSettings {
        host: host?,
        port: port?,
        database: database?,
        user: user?,
        password: password?,
        tls: tls?,
        copy_role,
        target_schema: target_schema?,
        staging_schema: staging_schema?,
        control_schema: control_schema?,
        timeout: timeout?,
        lock_timeout: lock_timeout?,
    })
}

fn extract(section: &Section<'_>) -> Option<ExtractSettings> {
    let parallel = section.or("parallel", 4, number(PARALLEL));
    let retries = section.or("retries", 5, number(0..=100));
    let max_transactions = section.or("max_transactions", 10_000, number(1..=1_000_000));
    let part_bytes = section.or("part_size", 64_000_000, size(1_000_000..=1_000_000_000));
    let page_rows = section.or("page_rows", 5000, number(100..=100_000));
    let compression_level = section.or("compression_level", 3, number(1..=19));
    section.close();
    Some(ExtractSettings {
        parallel: parallel?,
        retries: retries?,
        max_transactions: max_transactions?,
        part_bytes: part_bytes?,
        page_rows: page_rows?,
        compression_level: compression_level?,
    })
}

fn load(section: &Section<'_>) -> Option<LoadSettings> {
    let parallel = section.or("parallel", 4, number(PARALLEL));
    let retries = section.or("retries", 5, number(0..=100));
    let coalesce_batches = section.or("coalesce_batches", 20, number(1..=1000));
    let coalesce_rows = section.or("coalesce_rows", 5_000_000, number(1..=1_000_000_000));
    section.close();
    Some(LoadSettings { parallel: parallel?, retries: retries?, coalesce_batches: coalesce_batches?, coalesce_rows: coalesce_rows? })
}

fn store(section: &Section<'_>) -> Option<StoreSettings> {
    let keep = section.or("keep", Duration::from_hours(7 * 24), duration(KEEP));
    let keep_runs = section.or("keep_runs", Duration::from_hours(30 * 24), duration(KEEP_RUNS));
    section.close();
    Some(StoreSettings { keep: keep?, keep_runs: keep_runs? })
}

fn tables(sections: &[Section<'_>]) -> Option<Vec<TableRule>> {
    const MODE: &[(&str, bool)] = &[("sync", false), ("skip", true)];
    const CHANGES: &[(&str, Changes)] = &[("all", Changes::All), ("net", Changes::Net)];
    const POLICIES: &[(&str, Unfit)] =
        &[("fail", Unfit::Fail), ("truncate", Unfit::Truncate), ("null", Unfit::Null), ("super", Unfit::Super)];
    let mut rules = Vec::new();
    for section in sections {
        let name = section.must("name", text);
        let skip = section.or("mode", false, choice(MODE));
        let changes = section.or("changes", Changes::All, choice(CHANGES));
        let columns = section.names("columns", "column", choice(POLICIES));
        let sees_all_rows = section.or("sees_all_rows", false, boolean);
        section.close();
        let rule = name.zip(skip).zip(changes).zip(columns).zip(sees_all_rows);
        rules.push(rule.map(|((((name, skip), changes), columns), sees_all_rows)| TableRule {
            name,
            skip,
            changes,
            columns,
            sees_all_rows,
        }));
    }
    rules.into_iter().collect()
}

fn password(section: &Section<'_>, context: &Context<'_>) -> Option<Secret> {
    let place = section.must("password", text)?;
    context.fetch_secret(section, "password", &place)
}

fn tls(section: &Section<'_>, context: &Context<'_>) -> Option<Tls> {
    const VERIFY: Tls = Tls::Verify { ca_file: None };
    const MODES: &[(&str, &Tls)] = &[("verify", &VERIFY), ("trust-any", &Tls::TrustAny), ("off", &Tls::Off)];
    let mode = section.or("tls", &VERIFY, choice(MODES));
    let ca_file = section.maybe("ca_file", path).map(|file| context.folder.join(file));
    let mode = mode?;
    match mode {
        Tls::Verify { .. } => return Some(Tls::Verify { ca_file }),
        Tls::TrustAny => context.warn(section, format!("{} is \"trust-any\": anybody may pose as the server", section.full("tls"))),
        Tls::Off => context.warn(section, format!("{} is \"off\": passwords and rows travel in the open", section.full("tls"))),
    }
    if ca_file.is_some() {
        section.problem("ca_file", "has no meaning unless tls = \"verify\"");
    }
    Some(mode.clone())
}

fn console(section: &Section<'_>) -> Option<ConsoleSettings> {
    const THEMES: &[(&str, &str)] =
        &[("auto", "auto"), ("dark", "dark"), ("light", "light"), ("high-contrast", "high-contrast"), ("mono", "mono")];
    let theme = section.or("theme", "auto", choice(THEMES));
    let mouse = section.or("mouse", true, boolean);
    let ascii = section.or("ascii", false, boolean);
    let motion = section.or("motion", true, boolean);
    let keys = section.names("keys", "action", texts);
    section.close();
    Some(ConsoleSettings { theme: theme?, mouse: mouse?, ascii: ascii?, motion: motion?, keys: keys? })
}

fn copy_role(value: &DeValue<'_>) -> Result<String, String> {
    let role = text(value)?;
    let fits = role == "default" || role.split(',').all(|part| part.starts_with("arn:") && !part.contains(['\'', ' ', '\\']));
    if fits { Ok(role) } else { Err("must be \"default\" or ARNs of roles (arn:…), separated by commas without blanks".to_owned()) }
}

/// How the warning about a plain secret ends.
const PLAIN: &str = "stands in the file in plain text: write env:NAME, file:PATH or command:… instead";

impl Context<'_> {
    fn warn(&self, section: &Section<'_>, text: String) {
        if !section.is_partial() {
            self.warnings.borrow_mut().push(text);
        }
    }

    /// A secret that may be left out.
    fn secret(&self, section: &Section<'_>, key: &'static str) -> Option<Secret> {
        let place = section.maybe(key, text)?;
        self.fetch_secret(section, key, &place)
    }

    fn fetch_secret(&self, section: &Section<'_>, key: &'static str, place: &str) -> Option<Secret> {
        if matches!(SecretPlace::of(place), SecretPlace::Plain(_)) {
            self.warn(section, format!("{} {PLAIN}", section.full(key)));
        }
        self.fetch(section, key, place)
    }

    /// Nothing is fetched for a profile that is not in use.
    fn fetch(&self, section: &Section<'_>, key: &'static str, place: &str) -> Option<Secret> {
        if section.is_partial() {
            return None;
        }
        match SecretPlace::of(place).fetch(self.around, self.folder) {
            Ok(secret) => Some(secret),
            Err(why) => {
                section.problem(key, &why);
                None
            }
        }
    }
}

#[cfg(unix)]
fn open_to_others(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|facts| facts.permissions().mode() & 0o044 != 0)
}

#[cfg(not(unix))]
fn open_to_others(_: &Path) -> bool {
    false
}
