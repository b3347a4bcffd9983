//! What the program tells of itself: pages, schemas, completions, a configuration to start from.

use std::path::PathBuf;

use clap::Args;

#[derive(Args, Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub struct Console {
    /// Colours [default: as the configuration says, else by the terminal's background].
    #[arg(long, value_name = "NAME", value_parser = ["auto", "dark", "light", "high-contrast", "mono"])]
    pub theme: Option<String>,
    /// No character beyond ASCII.
    #[arg(long)]
    pub ascii: bool,
    /// Nothing moves by itself.
    #[arg(long)]
    pub no_motion: bool,
    /// Leave the mouse to the terminal, so that it selects text.
    #[arg(long)]
    pub no_mouse: bool,
    /// No screen: print the state of every table, and again when it has changed. For screen readers.
    #[arg(long)]
    pub plain: bool,
}

#[derive(Args, Debug, Clone)]
pub struct Explain {
    /// As in SYNC-002.
    #[arg(required_unless_present = "list")]
    pub code: Option<String>,
    /// List every code with its title.
    #[arg(long)]
    pub list: bool,
}

#[derive(Args, Debug, Clone)]
pub struct Schema {
    /// Name of the document, as in `status` or `status/2`; without it the documents are listed.
    pub name: Option<String>,
}

#[derive(Args, Debug, Clone)]
pub struct Completions {
    /// As in `db-to-redshift completions bash > /etc/bash_completion.d/db-to-redshift`.
    pub shell: clap_complete::Shell,
}

#[derive(Args, Debug, Clone)]
pub struct Man {
    /// Folder for one page a command; without it the main page goes to standard output.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

#[derive(Args, Debug, Clone)]
pub struct Init {
    /// Where to write [default: the file that --config or $D2R_CONFIG names, else ./db-to-redshift.toml].
    pub path: Option<PathBuf>,
}
