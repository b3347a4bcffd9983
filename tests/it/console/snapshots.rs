//! Every view as text, at the sizes that people have. An operator's eyes should go over a change.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use db_to_redshift::console::msg::Msg;
use db_to_redshift::console::seam::{Access, EndKind, Reply, TableEnd};
use db_to_redshift::console::state::Options;
use db_to_redshift::console::theme::{Look, ThemeName};
use db_to_redshift::console::update::begin;
use db_to_redshift::engine::event::{Event, Job, Progress};

use super::answers::World;
use super::driver::{Console, styles, text};
use super::world;

const COMMON: [(u16, u16); 2] = [(120, 40), (80, 24)];
const ALL: [(u16, u16); 5] = [(160, 50), (120, 40), (80, 24), (60, 15), (40, 10)];

/// One snapshot of a view at several sizes: each made anew, as if the terminal had been like that.
fn snap(name: &str, sizes: &[(u16, u16)], make: impl Fn(u16, u16) -> Console) {
    let mut all = String::new();
    for (width, height) in sizes {
        let _ = writeln!(all, "== {width}x{height}");
        all.push_str(&make(*width, *height).text());
    }
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(name, all) });
}

/// After these keys, with the cursor on a table.
fn after(table: &str, keys: &str) -> impl Fn(u16, u16) -> Console {
    move |width, height| {
        let mut console = Console::new(width, height);
        if !table.is_empty() && width >= 60 {
            console.go(table);
        }
        console.press(keys);
        console
    }
}

fn protected() -> World {
    World { access: Access::Locked, ..World::default() }
}

#[test]
fn lists() {
    snap("tables", &ALL, after("", ""));
    snap("tables-full", &COMMON, after("", "f"));
    snap("files", &COMMON, after("", "2"));
    snap("redshift", &COMMON, after("", "3"));
    snap("runs", &COMMON, after("", "4"));
    snap("setup", &ALL[..4], after("", "6 j j j"));
    snap("problems-marked", &COMMON, after("", "! space space j v j j v"));
    snap("sorted", &COMMON, after("", "s s S"));
}

#[test]
fn log() {
    snap("log", &COMMON, |width, height| {
        let mut console = Console::new(width, height);
        console.world.target_lost = true;
        console.wait(65).press("5");
        console
    });
}

#[test]
fn filter() {
    snap("filter", &ALL[..4], |width, height| {
        let mut console = Console::new(width, height);
        console.press("/").write("ord !archive");
        console
    });
    snap("filter-kept", &[(80, 24), (60, 15)], |width, height| {
        let mut console = Console::new(width, height);
        console.press("/").write("state:failed").press("enter");
        console
    });
    snap("filter-wrong", &COMMON, |width, height| {
        let mut console = Console::new(width, height);
        console.press("/").write("lag>soon");
        console
    });
    snap("filter-nothing", &COMMON, |width, height| {
        let mut console = Console::new(width, height);
        console.press("/").write("qqqq").press("enter");
        console
    });
}

#[test]
fn pages() {
    for (at, name) in ["overview", "columns", "files", "staging", "log", "fault", "sql"].into_iter().enumerate() {
        let sizes: &[(u16, u16)] = if at == 2 { &ALL } else { &COMMON };
        snap(&format!("tab-{name}"), sizes, after("dbo.Letter", &format!("enter {}", "tab ".repeat(at))));
    }
    snap("page-verdict", &COMMON, after("sales.Order", "e"));
    snap("page-fault", &ALL, after("dbo.Letter", "e"));
    snap("page-run", &COMMON, after("", "4 j enter"));
    snap("page-preview", &COMMON, after("dbo.Letter", "enter tab tab enter"));
    snap("page-preview-values", &COMMON, after("dbo.Letter", "enter tab tab enter x"));
    snap("page-dry-run", &COMMON, after("dbo.Letter", "d"));
    snap("page-trace", &COMMON, |width, height| {
        let mut console = after("dbo.Letter", "t")(width, height);
        console.write("90017").press("enter");
        console
    });
}

#[test]
fn sheets() {
    snap("sheet", &ALL[..4], after("sales.ProductImage", "L"));
    snap("sheet-many", &COMMON, after("", "* B"));
    snap("sheet-reason", &COMMON, after("sales.ProductImage", "P"));
    snap("sheet-protected", &COMMON, |width, height| {
        let mut console = Console::with(protected(), Options { profile: "prod".into(), ..Options::default() }, width, height);
        console.press("W").write("prod").press("enter");
        console.go("dbo.Letter").press("R");
        console
    });
    snap("sheet-typed", &ALL[..4], |width, height| {
        let mut console = after("dbo.Letter", ":")(width, height);
        console.write("skip").press("enter").write("the supplier sends it again").press("enter").write("dbo.Let");
        console
    });
    snap("sheet-widen", &ALL[..4], widen);
    snap("sheet-marked", &COMMON, after("", "* E"));
}

/// The sheet of a wider column, from the fault that asks for it.
pub fn widen(width: u16, height: u16) -> Console {
    after("dbo.Letter", "e enter")(width, height)
}

#[test]
fn boxes() {
    snap("menu", &ALL[..4], after("dbo.Letter", "a"));
    snap("menu-protected", &COMMON, |width, height| {
        let mut console = Console::with(protected(), Options { profile: "prod".into(), ..Options::default() }, width, height);
        console.press("a");
        console
    });
    snap("palette", &COMMON, |width, height| {
        let mut console = Console::new(width, height);
        console.press(":").write("ord");
        console
    });
    snap("copy", &COMMON, after("dbo.Letter", "y"));
    snap("export", &COMMON, after("", "w"));
    snap("profiles", &COMMON, after("", "p"));
    snap("help", &ALL[..4], after("", "?"));
    snap("trace-prompt", &COMMON, after("dbo.Letter", "t"));
    snap("unlock", &ALL[..4], |width, height| {
        let mut console = Console::with(protected(), Options { profile: "prod".into(), ..Options::default() }, width, height);
        console.press("W").write("pro");
        console
    });
    snap("unlocked", &COMMON, |width, height| {
        let mut console = Console::with(protected(), Options { profile: "prod".into(), ..Options::default() }, width, height);
        console.press("W").write("prod").press("enter").wait(61);
        console
    });
    snap("leaving", &ALL, |width, height| {
        let mut console = running(width, height);
        console.press("q");
        console
    });
}

/// A job on two tables that is half-way.
pub fn running(width: u16, height: u16) -> Console {
    let mut console = Console::new(width.max(60), height.max(15));
    console.go("finance.Payment").press("space").go("sales.ProductImage").press("space B y");
    let job = console.state.jobs.running().next().unwrap().id;
    let (payment, image) = (world::table("finance.Payment"), world::table("sales.ProductImage"));
    let event = Event::Recorded { table: payment.clone(), epoch: 2, seq: 661, rows: 18_400, bytes: 2_310_000, seconds: 4.2 };
    console.send(Msg::Reply(Box::new(Reply::Event { job, event })));
    console.wait(3);
    let progress = |job, phase, rows, bytes| Progress { job, phase, rows, bytes };
    let all: BTreeMap<_, _> =
        [(payment, progress(Job::Load, "copy", 12_288, 1_500_000)), (image, progress(Job::Extract, "changes", 40_960, 9_900_000))].into();
    console.send(Msg::Reply(Box::new(Reply::Progress { job, progress: all })));
    console.wait(1).press("u").resize(width, height);
    console
}

#[test]
fn jobs() {
    snap("running", &ALL, running);
    snap("ended", &COMMON, |width, height| {
        let mut console = running(width, height);
        let job = console.state.jobs.running().next().unwrap().id;
        let tables = vec![
            TableEnd::new(world::table("finance.Payment"), Some(Job::Extract), EndKind::Well, "done").moved(1, 18_400),
            TableEnd::of_fault(world::table("sales.ProductImage"), "load", world::too_long()),
        ];
        console.send(Msg::Reply(Box::new(Reply::Ended { job, tables })));
        console
    });
}

#[test]
fn trouble() {
    snap("lost", &ALL, |width, height| {
        let mut console = Console::new(width, height);
        console.world.target_lost = true;
        console.world.source_lost = true;
        console.wait(75);
        console
    });
    snap("connecting", &COMMON, |width, height| {
        let options = Options { profile: "stage".into(), ..Options::default() };
        let mut console = Console::unconnected(World::default(), options, width, height);
        drop(begin(&mut console.state));
        console
    });
    snap("frozen", &[(80, 24)], after("", "z"));
    snap("no-tables", &COMMON, |width, height| Console::of(World { tables: 0, runs: false, ..World::default() }, width, height));
}

#[test]
fn colours() {
    for theme in ThemeName::ALL {
        for (name, mut console) in [
            ("tables", Console::new(120, 40)),
            ("fault", after("dbo.Letter", "e")(120, 40)),
            ("sheet", widen(120, 40)),
            ("running", running(120, 40)),
        ] {
            console.theme(theme);
            insta::with_settings!({ omit_expression => true }, {
                insta::assert_snapshot!(format!("style-{name}-{}", theme.name()), styles(&console.draw()));
            });
        }
    }
}

/// With `--ascii` nothing else reaches the terminal, as long as the names are ASCII themselves.
#[test]
fn ascii_means_ascii() {
    let look = Look { ascii: true, ..Look::default() };
    let scenes = [
        "",
        "2",
        "3",
        "4",
        "5",
        "6",
        "f",
        "a",
        ":",
        "y",
        "w",
        "?",
        "/",
        "p",
        "L",
        "P",
        "e",
        "enter",
        "enter tab tab",
        "enter tab tab enter",
        "t",
    ];
    for scene in scenes {
        for (width, height) in ALL {
            let mut console = Console::new(width, height);
            console.state.look = look;
            console.press(scene);
            let shown = text(&console.draw());
            assert!(shown.is_ascii(), "{scene} at {width}x{height}: {:?}\n{shown}", shown.chars().find(|c| !c.is_ascii()));
        }
    }
}
