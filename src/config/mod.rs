//! Configuration: the file's model, where it is found, secrets, and validation.
//!
//! | file | what it does |
//! |---|---|
//! | `discover` | which file counts |
//! | `document` | TOML with lines: sections, profiles, unknown keys |
//! | `kinds` | texts, numbers, durations, sizes, choices |
//! | `model` | every key, its default and its bounds |
//! | `new_file` | a file that is made for somebody: whole or not at all |
//! | `secret` | secrets that never print, and where they come from |
//! | `settings` | what the rest of the program reads |

mod discover;
mod document;
mod kinds;
mod model;
pub mod new_file;
pub mod secret;
pub mod settings;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::Fault;
use crate::model::fault::cfg::{INVALID, UNREADABLE};

pub use model::known_keys;
pub use secret::Secret;
pub use settings::{
    Changes, CleanUpPolicy, ConsoleSettings, ExtractSettings, LoadSettings, RedshiftSettings, S3Credentials, S3Settings, Settings,
    SourceSettings, StoreSettings, TableRule, Tls, last_match, matches,
};

/// Time between two rounds, as in `30s` or `5m`: one second to a day.
///
/// # Errors
/// In words, for the command line.
pub fn interval(text: &str) -> Result<Duration, String> {
    kinds::bounded(text, &(Duration::from_secs(1)..=Duration::from_hours(24)))
}

/// What of the process configuration depends on: replaced by tests.
pub struct Surroundings<'a> {
    /// An environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The working directory.
    pub folder: PathBuf,
}

/// Finds the file, applies the profile, fetches the secrets and checks everything.
///
/// `explicit` is `--config`, `profile` is `--profile`.
///
/// # Errors
/// `NOT_FOUND`, `UNREADABLE`, or `INVALID` with every error as evidence.
pub fn load(explicit: Option<&Path>, profile: Option<&str>) -> Result<Settings, Fault> {
    let folder =
        std::env::current_dir().map_err(|error| Fault::new(&UNREADABLE, "the working directory cannot be found").caused_by(error))?;
    load_in(&Surroundings { variable: &|name| std::env::var(name).ok(), folder }, explicit, profile)
}

/// Where [`load`] would look for a file that is yet to be written: what `--config` or `$D2R_CONFIG`
/// names, else the working directory.
#[must_use]
pub fn to_write(explicit: Option<&Path>) -> PathBuf {
    let around = Surroundings { variable: &|name| std::env::var(name).ok(), folder: PathBuf::new() };
    discover::named(&around, explicit).map_or_else(|| discover::FILE.into(), |(_, path)| path)
}

/// The names of all profiles of the file that [`load`] would read, `default` among them.
///
/// # Errors
/// `NOT_FOUND` or `UNREADABLE`. A file that is no TOML has the profile `default` only: [`load`]
/// tells what is wrong with it.
pub fn profiles(explicit: Option<&Path>) -> Result<Vec<String>, Fault> {
    let folder =
        std::env::current_dir().map_err(|error| Fault::new(&UNREADABLE, "the working directory cannot be found").caused_by(error))?;
    let file = discover::find(&Surroundings { variable: &|name| std::env::var(name).ok(), folder }, explicit)?;
    let text = text_of(&file)?;
    Ok(model::profile_names(&text))
}

fn text_of(file: &Path) -> Result<String, Fault> {
    std::fs::read_to_string(file).map_err(|error| {
        Fault::new(&UNREADABLE, "the configuration cannot be read").evidence("file", file.display()).about_file(file).caused_by(error)
    })
}

/// [`load`] with surroundings of the caller's choice.
pub fn load_in(around: &Surroundings<'_>, explicit: Option<&Path>, profile: Option<&str>) -> Result<Settings, Fault> {
    let file = discover::find(around, explicit)?;
    let text = text_of(&file)?;
    model::read(around, &file, &text, profile).map_err(|problems| {
        let many = if problems.len() == 1 { "one error".to_owned() } else { format!("{} errors", problems.len()) };
        let fault = Fault::new(&INVALID, format!("{} has {many}", file.display())).evidence("file", file.display());
        problems.into_iter().fold(fault, |fault, problem| fault.evidence(problem.place(), problem.text))
    })
}
