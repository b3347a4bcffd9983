//! Which configuration file counts.

use std::path::{Path, PathBuf};

use super::Surroundings;
use crate::model::Fault;
use crate::model::fault::cfg::NOT_FOUND;

pub const FILE: &str = "db-to-redshift.toml";
const VARIABLE: &str = "D2R_CONFIG";

/// `--config`, then `$D2R_CONFIG`, then `./db-to-redshift.toml`, then
/// `$XDG_CONFIG_HOME/db-to-redshift/db-to-redshift.toml` (or under `~/.config`). A file that was
/// named but is not there is a fault: another one is never taken in its stead.
pub fn find(around: &Surroundings<'_>, explicit: Option<&Path>) -> Result<PathBuf, Fault> {
    if let Some((by, path)) = named(around, explicit) {
        let path = around.folder.join(path);
        return if path.exists() {
            Ok(path)
        } else {
            Err(Fault::new(&NOT_FOUND, format!("the file that {by} names is not there")).evidence("file", path.display()))
        };
    }
    let user = set(around, "XDG_CONFIG_HOME").or_else(|| set(around, "HOME").map(|home| home.join(".config")));
    let places = [Some(around.folder.join(FILE)), user.map(|folder| folder.join("db-to-redshift").join(FILE))];
    let places: Vec<PathBuf> = places.into_iter().flatten().collect();
    places.iter().find(|path| path.exists()).cloned().ok_or_else(|| {
        let fault = Fault::new(&NOT_FOUND, "no configuration file was found");
        places.iter().fold(fault, |fault, path| fault.evidence("looked", path.display()))
    })
}

/// The file that the caller named, there or not, and by what.
pub fn named(around: &Surroundings<'_>, explicit: Option<&Path>) -> Option<(&'static str, PathBuf)> {
    match explicit {
        Some(path) => Some(("--config", path.to_owned())),
        None => set(around, VARIABLE).map(|path| ("$D2R_CONFIG", path)),
    }
}

fn set(around: &Surroundings<'_>, name: &str) -> Option<PathBuf> {
    (around.variable)(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_wins_and_a_named_one_must_be_there() {
        let home = tempfile::tempdir().unwrap();
        let work = tempfile::tempdir().unwrap();
        let at_home = home.path().join(".config/db-to-redshift").join(FILE);
        let at_work = work.path().join(FILE);
        let named = work.path().join("named.toml");
        let find_with = |config: Option<&str>, explicit: Option<&str>| {
            let home = home.path().display().to_string();
            let variable = |name: &str| match name {
                "HOME" => Some(home.clone()),
                VARIABLE => config.map(str::to_owned),
                _ => None,
            };
            find(&Surroundings { variable: &variable, folder: work.path().to_owned() }, explicit.map(Path::new))
        };
        let fault = find_with(None, None).unwrap_err();
        assert!(fault.is(&NOT_FOUND));
        assert_eq!(fault.facts().len(), 2, "{fault}");

        std::fs::create_dir_all(at_home.parent().unwrap()).unwrap();
        std::fs::write(&at_home, "").unwrap();
        assert_eq!(find_with(None, None).unwrap(), at_home);
        std::fs::write(&at_work, "").unwrap();
        assert_eq!(find_with(Some(""), None).unwrap(), at_work);
        assert!(find_with(Some("named.toml"), None).unwrap_err().what().contains("$D2R_CONFIG"));
        std::fs::write(&named, "").unwrap();
        assert_eq!(find_with(Some("named.toml"), None).unwrap(), named);
        assert!(find_with(Some("named.toml"), Some("none.toml")).unwrap_err().what().contains("--config"));
    }
}
