//! A small lab with something in it, and the console before it.

use std::path::PathBuf;
use std::time::Duration;

use db_to_redshift::lab::{LabOptions, sample};
use db_to_redshift::model::TableName;
use tempfile::TempDir;
use termlens::{Key, Screen, Terminal, TerminalBuilder};

use crate::support::pipeline::Pipeline;

/// Far beyond what anything here takes: a wait ends with the text that it waits for.
const PATIENCE: Duration = Duration::from_mins(1);

/// Three tables with a few rows each; CDC on. The tea trader's.
const SHOP: &[&str] = &[
    "CREATE TABLE dbo.Buyer (Id int NOT NULL PRIMARY KEY, Name nvarchar(40) NOT NULL, Phone varchar(40) NULL)",
    "CREATE TABLE dbo.Sale (Id int NOT NULL PRIMARY KEY, Buyer int NOT NULL, Grams int NOT NULL)",
    "CREATE TABLE dbo.Tea (Id int NOT NULL PRIMARY KEY, Name nvarchar(40) NOT NULL)",
    "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON",
    "INSERT INTO dbo.Buyer VALUES (1, N'Ada', '030 11'), (2, N'Bo', '030 12')",
    "INSERT INTO dbo.Sale VALUES (1, 1, 250), (2, 2, 100), (3, 1, 50)",
    "INSERT INTO dbo.Tea VALUES (1, N'Assam'), (2, N'Sencha')",
];

const CAPTURED: &[&str] = &[
    "EXEC sys.sp_cdc_enable_db",
    "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'Buyer', @role_name = NULL, @supports_net_changes = 0",
    "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'Sale', @role_name = NULL, @supports_net_changes = 0",
    "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'Tea', @role_name = NULL, @supports_net_changes = 0",
];

/// A buyer whose telephone number is longer than `narrow` leaves room for.
pub const TOO_LONG: &str = "UPDATE dbo.Buyer SET Phone = '030 555 0100 ext 2045' WHERE Id = 1";

pub fn table(name: &str) -> TableName {
    TableName::new("dbo", name)
}

/// The lab, and a home for the program.
pub struct Place {
    pub pipeline: Pipeline,
    pub home: TempDir,
}

impl Place {
    /// Captured, not prepared.
    pub async fn captured() -> Self {
        Self::made(&[SHOP, CAPTURED].concat()).await
    }

    /// Without CDC.
    pub async fn untouched() -> Self {
        Self::made(SHOP).await
    }

    async fn made(batches: &[&str]) -> Self {
        let options = LabOptions { source_database: sample::DATABASE.to_owned(), ..LabOptions::default() };
        let pipeline = if batches.contains(&CAPTURED[0]) {
            Pipeline::start_with(options, batches.iter().copied()).await
        } else {
            Pipeline::uncaptured(options, batches.iter().copied()).await
        };
        Self { pipeline, home: tempfile::tempdir().unwrap() }
    }

    /// Every table with its first snapshot loaded.
    pub async fn loaded() -> Self {
        let place = Self::captured().await;
        place.pipeline.prepare(&[table("Buyer"), table("Sale"), table("Tea")]).await;
        place
    }

    /// The same, and then dbo.Buyer failed on a value that production has no room for.
    pub async fn failed() -> Self {
        let mut place = Box::pin(Self::loaded()).await;
        place.narrow("public.buyer").await;
        place.fail().await;
        place
    }

    /// The same, but it is COPY into staging that has no room.
    pub async fn refused() -> Self {
        let mut place = Box::pin(Self::loaded()).await;
        place.narrow("d2r_staging.dbo__buyer").await;
        place.fail().await;
        place
    }

    async fn fail(&mut self) {
        self.change(TOO_LONG);
        let ran = self.program(&["sync", "--table", "dbo.Buyer"]).await;
        assert!(ran.to_string().contains("\"fault\":{"), "{ran}");
    }

    /// Somebody makes a column narrower than what may come.
    async fn narrow(&self, table: &str) {
        self.redshift(&format!("ALTER TABLE {table} ALTER COLUMN phone TYPE VARCHAR(8)")).await;
    }

    /// A captured change.
    pub fn change(&mut self, sql: &str) {
        self.pipeline.sql.run(sql).unwrap();
        self.pipeline.capture();
    }

    /// Every object of the lab's S3.
    pub fn keys(&self) -> Vec<String> {
        self.pipeline.lab.s3.keys(self.pipeline.lab.options().bucket.as_deref().unwrap(), "")
    }

    /// Cells of a query in Redshift.
    pub async fn redshift(&self, sql: &str) -> Vec<String> {
        let client = crate::support::lab::redshift(&self.pipeline.lab).await;
        crate::support::lab::cells(&client.simple_query(sql).await.unwrap())
    }

    pub async fn equal(&mut self, names: &[&str]) {
        let tables: Vec<TableName> = names.iter().map(|name| table(name)).collect();
        crate::support::audit::equal(&mut self.pipeline, &tables).await.unwrap();
    }

    /// Adds to the configuration.
    pub fn configure(&self, text: &str) {
        let before = std::fs::read_to_string(&self.pipeline.config).unwrap();
        std::fs::write(&self.pipeline.config, format!("{before}\n{text}\n")).unwrap();
    }

    /// A terminal in which nothing runs yet, 120 columns wide.
    pub fn terminal(&self) -> TerminalBuilder {
        Terminal::builder()
            .size(120, 32)
            .timeout(PATIENCE)
            .env_clear()
            .env("TERM", "xterm-256color")
            .env("HOME", self.home.path())
            .env("XDG_STATE_HOME", self.state())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(self.home.path())
    }

    pub fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    /// The console as `--config …` and these arguments open it.
    pub fn open(&self, arguments: &[&str]) -> Console {
        self.open_in(self.terminal(), arguments)
    }

    /// The same on this terminal. What is typed before the first paint may be lost: the terminal
    /// is asked for its colours first.
    pub fn open_in(&self, terminal: TerminalBuilder, arguments: &[&str]) -> Console {
        let mut console = self.begin(terminal, arguments);
        console.see("q quit");
        console
    }

    /// Does not wait for the first paint.
    pub fn begin(&self, terminal: TerminalBuilder, arguments: &[&str]) -> Console {
        let terminal = terminal.arg("--config").arg(&self.pipeline.config).args(arguments);
        Console(terminal.spawn(env!("CARGO_BIN_EXE_db-to-redshift")).unwrap_or_else(|error| panic!("{error}")))
    }

    /// The program as a second process.
    pub async fn program(&self, arguments: &[&str]) -> serde_json::Value {
        let arguments = [&["--json"], arguments].concat();
        let ran = self.pipeline.program(&arguments).output().await.unwrap();
        serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&ran.stdout)))
    }
}

/// The console on its terminal. Every wait has a text that it waits for.
pub struct Console(pub Terminal);

impl Console {
    /// Waits for a text.
    pub fn see(&mut self, text: &str) -> Screen {
        self.until(text, |screen| screen.contains(text))
    }

    /// Waits for all of them at once.
    pub fn see_all(&mut self, texts: &[&str]) -> Screen {
        self.until(&format!("{texts:?}"), |screen| texts.iter().all(|text| screen.contains(text)))
    }

    /// Waits until a text is gone.
    pub fn gone(&mut self, text: &str) -> Screen {
        self.until(&format!("the end of {text:?}"), |screen| !screen.contains(text))
    }

    /// The screen is of a whole frame, unless what is waited for is gone with the next one.
    pub fn until(&mut self, what: &str, mut holds: impl FnMut(&Screen) -> bool) -> Screen {
        let mut seen = None;
        let waited = self.0.wait_until(|screen| {
            let held = holds(screen);
            if held {
                seen = Some(screen.clone());
            }
            held
        });
        waited.unwrap_or_else(|error| panic!("waiting for {what}: {error}"));
        self.0.wait_idle_for(Duration::ZERO, Duration::from_secs(10)).unwrap_or_else(|error| panic!("the frame of {what}: {error}"));
        let whole = self.0.screen();
        if holds(&whole) { whole } else { seen.unwrap() }
    }

    /// Waits for a line with all of these.
    pub fn line(&mut self, texts: &[&str]) -> Screen {
        self.until(&format!("a line with {texts:?}"), |screen| line_with(screen, texts).is_some())
    }

    pub fn press(&mut self, key: Key) -> &mut Self {
        self.0.send(key).unwrap_or_else(|error| panic!("{error}"));
        self
    }

    /// One key after the other, each as a keystroke of its own.
    pub fn type_in(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            self.press(Key::Char(c));
        }
        self
    }

    /// Presses a key that the footer offers at this moment.
    pub fn hinted(&mut self, key: Key, hint: &str) -> &mut Self {
        self.until(&format!("the hint {hint:?}"), |screen| footer(screen).contains(hint));
        self.press(key)
    }

    pub fn text(&self) -> String {
        self.0.screen().text()
    }

    /// Opens an action by its name in the palette.
    pub fn command(&mut self, name: &str) -> &mut Self {
        self.press(Key::Char(':')).see("Go to");
        self.type_in(name);
        self.line(&[&format!(":{name}")]);
        self.press(Key::Enter)
    }

    /// Leaves; the terminal is as it was.
    pub fn quit(mut self) {
        self.press(Key::Char('q'));
        self.left();
    }

    /// Waits for the end, and looks at the terminal.
    pub fn left(&mut self) {
        let status = self.0.wait_exit().unwrap_or_else(|error| panic!("{error}"));
        assert!(status.success(), "{status:?}\n{}", self.0.screen());
        self.restored();
    }

    pub fn restored(&mut self) {
        self.until("the terminal as it was", |screen| {
            !screen.alternate_screen() && screen.cursor_visible() && !screen.bracketed_paste() && screen.mouse_modes().is_empty()
        });
    }
}

/// The lowest line.
pub fn footer(screen: &Screen) -> String {
    screen.row_text(screen.rows() - 1)
}

/// The first line that holds all of these texts.
pub fn line_with(screen: &Screen, texts: &[&str]) -> Option<u16> {
    (0..screen.rows()).find(|row| {
        let line = screen.row_text(*row);
        texts.iter().all(|text| line.contains(text))
    })
}
