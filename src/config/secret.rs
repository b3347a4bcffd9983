//! Secrets: held in a type that never prints.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

use super::Surroundings;

/// A secret that was already fetched from its environment variable, file or command.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text itself: only for the driver that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(set)")
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": "(set)", "description": "A secret: only that it is set." })
    }
}

/// How a secret is named in the file.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum SecretPlace<'t> {
    /// `env:NAME`
    Variable(&'t str),
    /// `file:PATH`, from the folder of the configuration file.
    File(&'t str),
    /// `command:TEXT`, run by `sh -c` in the working directory; its output is the secret.
    Command(&'t str),
    /// The secret itself.
    Plain(&'t str),
}

impl<'t> SecretPlace<'t> {
    pub fn of(text: &'t str) -> Self {
        match text.split_once(':') {
            Some(("env", name)) => Self::Variable(name.trim()),
            Some(("file", path)) => Self::File(path.trim()),
            Some(("command", command)) => Self::Command(command.trim()),
            _ => Self::Plain(text),
        }
    }

    /// Fetches the secret. The error says why not; it never holds what was read.
    pub fn fetch(&self, around: &Surroundings<'_>, folder: &Path) -> Result<Secret, String> {
        let (text, place) = match self {
            Self::Variable(name) => {
                let value = (around.variable)(name);
                (value.ok_or_else(|| format!("names the environment variable {name}, which is not set"))?, format!("the variable {name}"))
            }
            Self::File(path) => {
                let path = folder.join(path);
                let text = std::fs::read_to_string(&path);
                let text = text.map_err(|error| format!("names the file {}, which cannot be read: {error}", path.display()))?;
                (text, format!("the file {}", path.display()))
            }
            Self::Command(command) => (run(command, &around.folder)?, "the command's output".to_owned()),
            Self::Plain(text) => return Ok(Secret::new(*text)),
        };
        // Editors and commands end their text with a line end that is not part of the secret.
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(format!("would be empty: {place} holds nothing")),
            text => Ok(Secret::new(text)),
        }
    }
}

/// Runs a command for its output. It may ask on the terminal: input and errors stay connected.
fn run(command: &str, folder: &Path) -> Result<String, String> {
    let output = Command::new("sh").args(["-c", command]).current_dir(folder).stdin(Stdio::inherit()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("names a command that cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("names a command that failed: {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| "names a command whose output is not text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "(secret)");
    }

    #[test]
    fn secrets_come_from_variables_files_and_commands() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), "from file \r\n").unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        let variable = |name: &str| (name == "SET").then(|| "from variable".to_owned());
        let around = Surroundings { variable: &variable, folder: folder.path().to_owned() };
        let fetch = |text: &str| SecretPlace::of(text).fetch(&around, folder.path()).map(|secret| secret.expose().to_owned());
        assert_eq!(fetch("env:SET").unwrap(), "from variable");
        assert_eq!(fetch("file:password").unwrap(), "from file ");
        assert_eq!(fetch("command:printf 'from %s\\n' command").unwrap(), "from command");
        assert_eq!(fetch("pass:word").unwrap(), "pass:word");
        for (text, word) in
            [("env:NOT_SET", "NOT_SET"), ("file:none", "none"), ("file:empty", "empty"), ("command:echo hunter2; exit 3", "3")]
        {
            let error = fetch(text).unwrap_err();
            assert!(error.contains(word) && !error.contains("hunter2"), "{error}");
        }
    }
}
