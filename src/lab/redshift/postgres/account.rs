//! Whom the server runs as: ourselves, or another user when we are root.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use super::{StartError, While};

/// The user that owns the server's files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    pub uid: u32,
    pub gid: u32,
    /// We are root and must step down.
    pub step_down: bool,
}

impl Account {
    /// A command that runs as this account.
    pub fn command(&self, program: &Path) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(program);
        if self.step_down {
            command.uid(self.uid).gid(self.gid);
        }
        // The caller's directory may be closed to that account.
        command.current_dir("/");
        command
    }

    /// Gives a file of ours to this account.
    pub fn own(&self, path: &Path) -> std::io::Result<()> {
        if self.step_down { chown(path, Some(self.uid), Some(self.gid)) } else { Ok(()) }
    }
}

pub(super) fn choose() -> Result<Account, StartError> {
    let probe = tempfile::NamedTempFile::new().during("creating a temporary file")?;
    let owner = probe.as_file().metadata().during("reading a temporary file")?;
    if owner.uid() != 0 {
        return Ok(Account { uid: owner.uid(), gid: owner.gid(), step_down: false });
    }
    let passwd = fs::read_to_string("/etc/passwd").during("reading /etc/passwd")?;
    ["postgres", "nobody"].into_iter().find_map(|name| find(&passwd, name)).ok_or(StartError::NoAccount)
}

fn find(passwd: &str, name: &str) -> Option<Account> {
    let mut fields = passwd.lines().map(|line| line.split(':')).find_map(|mut fields| (fields.next() == Some(name)).then_some(fields))?;
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    (uid != 0).then_some(Account { uid, gid, step_down: true })
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn accounts_are_read_from_passwd() {
        let passwd = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533::/:/usr/sbin/nologin\n";
        let nobody = find(passwd, "nobody").unwrap();
        assert_eq!((nobody.uid, nobody.gid), (65534, 65533));
        assert!(find(passwd, "root").is_none());
        assert!(find(passwd, "postgres").is_none());
    }
}
