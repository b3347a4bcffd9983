//! A file that this program makes for somebody: whole or not at all, and never over another one.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Who may read a new file, as `open` takes it: the user's umask takes from it.
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Readers {
    Everyone = 0o666,
    Owner = 0o600,
}

/// Writes a file beside its place and then gives it its name. Whoever finds it finds all of it, and a
/// full disk leaves no half of one in the way of the next try.
///
/// # Errors
/// `AlreadyExists` where something has that name; what the folder or the disk says otherwise.
pub fn write_new(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(readers as u32)).tempfile_in(folder)?;
    file.write_all(bytes)?;
    // Some file systems tell a full disk only here.
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(())
}
