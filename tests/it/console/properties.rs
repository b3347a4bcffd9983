//! Rules that hold whatever is pressed, pasted, clicked, resized or answered, in whatever order.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use db_to_redshift::console::action::{ACTIONS, Action};
use db_to_redshift::console::msg::{Effect, Hit, Msg};
use db_to_redshift::console::seam::{Access, Answer, Ask, EndKind, Id, Look, Reply, Tab, TableEnd};
use db_to_redshift::console::state::fleet::Sort;
use db_to_redshift::console::state::overlay::{Field, Overlay, PickKind};
use db_to_redshift::console::state::{Options, State, View};
use db_to_redshift::console::update::{begin, update};
use db_to_redshift::engine::event::{Job, Progress};
use jiff::SignedDuration;
use proptest::prelude::*;

use super::answers::World;
use super::driver::{draw, key};
use super::world;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Key(KeyEvent),
    Paste(String),
    Hit(Hit),
    /// A click at a place of the screen, in thousandths of it.
    At(u16, u16),
    Wheel(isize),
    Resize(u16, u16),
    Tick(i64),
    /// One of the open questions is answered, or fails, or is answered with another's answer.
    Answer(usize),
    Fail(usize),
    Mixed(usize),
    /// All of them.
    Settle,
    Progress,
    End {
        good: bool,
    },
    Lose(bool),
    /// Types what the sheet or prompt wants, as a person would.
    TypeWanted,
}

fn known_key() -> impl Strategy<Value = KeyEvent> {
    let keys: Vec<KeyEvent> = ACTIONS.iter().flat_map(|info| info.keys).map(|name| key(name)).collect();
    proptest::sample::select(keys)
}

fn any_key() -> impl Strategy<Value = KeyEvent> {
    let code = prop_oneof![
        any::<char>().prop_map(KeyCode::Char),
        proptest::char::range(' ', '~').prop_map(KeyCode::Char),
        (1_u8..13).prop_map(KeyCode::F),
        proptest::sample::select(vec![
            KeyCode::Enter,
            KeyCode::Esc,
            KeyCode::Tab,
            KeyCode::BackTab,
            KeyCode::Backspace,
            KeyCode::Delete,
            KeyCode::Insert,
            KeyCode::Up,
            KeyCode::Down,
            KeyCode::Left,
            KeyCode::Right,
            KeyCode::Home,
            KeyCode::End,
            KeyCode::PageUp,
            KeyCode::PageDown,
            KeyCode::Null,
        ]),
    ];
    (code, 0_u8..8).prop_map(|(code, modifiers)| KeyEvent::new(code, KeyModifiers::from_bits_truncate(modifiers)))
}

/// Keys that lead somewhere, so that deep states are reached.
fn leading_key() -> impl Strategy<Value = KeyEvent> {
    let keys = [
        "enter", "y", "n", "R", "E", "L", "B", "P", "C", "X", "a", ":", "/", "W", "q", "w", "j", "k", "tab", "e", "*", "space", "4", "6",
        "esc",
    ];
    proptest::sample::select(keys.map(key).to_vec())
}

fn hit() -> impl Strategy<Value = Hit> {
    prop_oneof![
        (0_usize..60).prop_map(Hit::Row),
        proptest::sample::select(Sort::ALL.to_vec()).prop_map(Hit::Header),
        proptest::sample::select(View::ALL.to_vec()).prop_map(Hit::View),
        proptest::sample::select(Tab::ALL.to_vec()).prop_map(Hit::Tab),
        (0_usize..40).prop_map(Hit::Stop),
        (0_usize..40).prop_map(Hit::Pick),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => leading_key().prop_map(Step::Key),
        8 => known_key().prop_map(Step::Key),
        4 => any_key().prop_map(Step::Key),
        2 => "\\PC{0,12}|[a-z\ny]{0,9}|(yes|y|R|\r\n){1,3}".prop_map(Step::Paste),
        2 => hit().prop_map(Step::Hit),
        2 => (0_u16..1000, 0_u16..1000).prop_map(|(x, y)| Step::At(x, y)),
        1 => (-40_isize..40).prop_map(Step::Wheel),
        2 => prop_oneof![
            (0_u16..200, 0_u16..70),
            proptest::sample::select(vec![(0, 0), (1, 1), (60, 12), (59, 12), (60, 11), (79, 24), (80, 24), (119, 40), (120, 40), (400, 100)]),
        ].prop_map(|(width, height)| Step::Resize(width, height)),
        3 => (0_i64..90).prop_map(Step::Tick),
        3 => (0_usize..9).prop_map(Step::Answer),
        1 => (0_usize..9).prop_map(Step::Fail),
        1 => (0_usize..9).prop_map(Step::Mixed),
        8 => Just(Step::Settle),
        2 => Just(Step::Progress),
        2 => any::<bool>().prop_map(|good| Step::End { good }),
        1 => any::<bool>().prop_map(Step::Lose),
        4 => Just(Step::TypeWanted),
    ]
}

/// A console, the questions that nobody has answered yet, and the jobs that it began.
struct Walk {
    state: State,
    world: World,
    open: Vec<(Id, Ask)>,
    jobs: Vec<Id>,
    runs: usize,
    left: bool,
    /// No profile name unlocks anything.
    sealed: bool,
}

impl Walk {
    fn new(access: Access, sealed: bool) -> Self {
        let options = Options { profile: if access == Access::Write { "stage" } else { "prod" }.into(), ..Options::default() };
        let mut state = State::new(options, world::start(), (120, 40));
        let effects = begin(&mut state);
        let mut walk =
            Self { state, world: World { access, ..World::default() }, open: Vec::new(), jobs: Vec::new(), runs: 0, left: false, sealed };
        walk.keep(effects);
        while !walk.open.is_empty() {
            walk.step(&Step::Settle);
        }
        walk
    }

    fn keep(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Ask(id, Ask::Run { .. }) => {
                    self.runs += 1;
                    self.jobs.push(id);
                }
                Effect::Ask(id, ask) => self.open.push((id, ask)),
                Effect::Quit => self.left = true,
                _ => {}
            }
        }
    }

    fn send(&mut self, msg: Msg) {
        let allowed = may_run(&self.state, &msg);
        let pasted = matches!(msg, Msg::Paste(_));
        let told = format!("{msg:?}");
        let effects = update(&mut self.state, msg);
        let ran = effects.iter().any(|effect| matches!(effect, Effect::Ask(_, ask) if ask.writes()));
        assert!(!ran || allowed, "{told} gave an order");
        assert!(!pasted || effects.is_empty(), "pasted text had an effect: {effects:?}");
        self.keep(effects);
        drop(draw(&self.state));
    }

    fn answer(&mut self, at: usize, fails: bool) {
        if self.open.is_empty() {
            return;
        }
        let (id, ask) = self.open.remove(at % self.open.len());
        let fault = || Some(Answer::Failed(Box::new(world::cluster_down())));
        let sealed = self.sealed && matches!(ask, Ask::Unlock { .. });
        let answer = if fails || sealed { fault() } else { self.world.answer(&ask, self.state.now) };
        if let Some(answer) = answer {
            self.send(Msg::Reply(Box::new(Reply::Answer { id, answer })));
        }
    }

    fn step(&mut self, step: &Step) {
        match step.clone() {
            Step::Key(key) => self.send(Msg::Key(key)),
            Step::Paste(text) => self.send(Msg::Paste(text)),
            Step::Hit(hit) => self.send(Msg::Click(hit)),
            Step::At(x, y) => {
                let (width, height) = self.state.size;
                let place = |of: u16, part: u16| u16::try_from(u32::from(of) * u32::from(part) / 1000).unwrap();
                if let Some(hit) = draw(&self.state).1.at(place(width, x), place(height, y)) {
                    self.send(Msg::Click(hit));
                }
            }
            Step::Wheel(by) => self.send(Msg::Wheel(by)),
            Step::Resize(width, height) => self.send(Msg::Resize(width, height)),
            Step::Tick(seconds) => self.send(Msg::Tick(self.state.now + SignedDuration::from_secs(seconds))),
            Step::Answer(at) => self.answer(at, false),
            Step::Fail(at) => self.answer(at, true),
            Step::Mixed(at) => {
                if let Some((id, _)) = self.open.get(at % self.open.len().max(1)).cloned()
                    && let Some(answer) = self.world.answer(&Ask::Look(Look::Setup), self.state.now)
                {
                    self.send(Msg::Reply(Box::new(Reply::Answer { id, answer })));
                }
            }
            Step::Settle => {
                // What is answered may ask again; that comes with the next step.
                for _ in 0..self.open.len() {
                    self.answer(0, false);
                }
            }
            Step::Progress => {
                let job = self.jobs.last().copied().unwrap_or(77);
                let progress = Progress { job: Job::Load, phase: "copy", rows: 5, bytes: 7 };
                let progress = [(world::table("dbo.Letter"), progress)].into();
                self.send(Msg::Reply(Box::new(Reply::Progress { job, progress })));
            }
            Step::End { good } => {
                let job = if self.jobs.is_empty() { 77 } else { self.jobs.remove(0) };
                let letter = world::table("dbo.Letter");
                let end = if good {
                    TableEnd::new(letter, Some(Job::Load), EndKind::Well, "done").moved(1, 12)
                } else {
                    TableEnd::of_fault(letter, "load", world::too_long())
                };
                self.send(Msg::Reply(Box::new(Reply::Ended { job, tables: vec![end] })));
            }
            Step::Lose(lost) => (self.world.source_lost, self.world.target_lost) = (lost, lost),
            Step::TypeWanted => {
                let text = match &self.state.overlay {
                    Some(Overlay::Sheet(sheet)) => match (sheet.field, &sheet.typed) {
                        (Field::Typed, Some((wanted, _))) => wanted.clone(),
                        (Field::Reason, _) => "because".to_owned(),
                        _ => return,
                    },
                    Some(Overlay::Prompt(_)) => self.state.place.profile.clone(),
                    _ => return,
                };
                for c in text.chars() {
                    self.send(Msg::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
                }
            }
        }
    }
}

/// The documented ways to an order, told from the state before the message.
fn may_run(state: &State, msg: &Msg) -> bool {
    let Msg::Key(key) = msg else { return false };
    if !state.may_write() {
        return false;
    }
    match &state.overlay {
        Some(Overlay::Sheet(sheet)) => match &sheet.typed {
            Some((wanted, typed)) => sheet.field == Field::Typed && key.code == KeyCode::Enter && typed.value() == wanted,
            None => sheet.field == Field::Keys && key.code == KeyCode::Char('y') && key.modifiers.is_empty(),
        },
        Some(Overlay::Pick(pick)) => pick.kind == PickKind::Menu && retries(state, *key),
        Some(_) => false,
        None => state.typing.is_none() && retries(state, *key),
    }
}

/// `R`, where no sheet is due.
fn retries(state: &State, key: KeyEvent) -> bool {
    state.keymap.action(key) == Some(Action::Retry) && state.access == Access::Write
}

fn walk(access: Access, sealed: bool, steps: &[Step]) -> Walk {
    let mut walk = Walk::new(access, sealed);
    for step in steps {
        if walk.left {
            break;
        }
        walk.step(step);
    }
    walk
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(160))]

    /// Nothing panics, every state can be drawn, pasted text stays text, only the documented
    /// confirmations give an order, and enough Esc leads back to the plain list.
    #[test]
    fn whatever_happens_only_a_confirmation_gives_an_order(steps in proptest::collection::vec(step(), 1..70)) {
        let mut walk = walk(Access::Write, false, &steps);
        for size in [(0, 0), (160, 50), (80, 24), (60, 12), (61, 13), (40, 10), (300, 8)] {
            walk.step(&Step::Resize(size.0, size.1));
        }
        if !walk.left {
            let (jobs, tables) = (walk.state.jobs.iter().count(), walk.state.fleet.counts().1);
            walk.step(&Step::Resize(120, 40));
            for _ in 0..walk.state.stack.len() + 8 {
                walk.step(&Step::Key(key("esc")));
            }
            let state = &walk.state;
            prop_assert!(!walk.left, "Esc never quits");
            prop_assert!(state.overlay.is_none() && state.typing.is_none() && state.stack.is_empty());
            prop_assert!(state.fleet.filter.is_empty() && !state.fleet.problems_only && state.marks.is_empty() && state.range.is_none());
            prop_assert_eq!(state.view, View::Tables);
            prop_assert_eq!((state.jobs.iter().count(), state.fleet.counts()), (jobs, (tables, tables)));
        }
    }

    /// A protected profile that is unlocked, too: there even `R` shows a sheet.
    #[test]
    fn a_protected_profile_asks_before_everything(steps in proptest::collection::vec(step(), 1..50)) {
        let unlock = [Step::Key(key("W")), Step::TypeWanted, Step::Key(key("enter")), Step::Settle];
        let steps: Vec<Step> = unlock.into_iter().chain(steps).collect();
        walk(Access::Locked, false, &steps);
    }

    #[test]
    fn read_only_gives_no_order_at_all(steps in proptest::collection::vec(step(), 1..70), locked in any::<bool>()) {
        let access = if locked { Access::Locked } else { Access::ReadOnly };
        prop_assert_eq!(walk(access, true, &steps).runs, 0);
    }
}

/// The walks above do reach orders: else their rules would hold for nothing.
#[test]
fn orders_are_reached() {
    let press = |keys: &str| keys.split(' ').map(|name| Step::Key(key(name))).collect::<Vec<_>>();
    let mut sheet = press("E");
    sheet.extend([Step::Settle, Step::Key(key("y"))]);
    assert_eq!(walk(Access::Write, false, &sheet).runs, 1);
    assert_eq!(walk(Access::Write, false, &press("R")).runs, 1, "the first table of the list has failed");
    assert_eq!(walk(Access::Write, false, &press("a R")).runs, 1);
    let mut typed = press(":");
    typed.extend("skip".chars().map(|c| Step::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE))));
    typed.extend([
        Step::Key(key("enter")),
        Step::Settle,
        Step::TypeWanted,
        Step::Key(key("enter")),
        Step::TypeWanted,
        Step::Key(key("enter")),
    ]);
    assert_eq!(walk(Access::Write, false, &typed).runs, 1);
    let unlocked = [Step::Key(key("W")), Step::TypeWanted, Step::Key(key("enter")), Step::Settle];
    let protected: Vec<Step> = unlocked.iter().cloned().chain(sheet.clone()).collect();
    assert_eq!(walk(Access::Locked, false, &protected).runs, 1);
    let at_once: Vec<Step> = unlocked.into_iter().chain(press("R")).collect();
    assert_eq!(walk(Access::Locked, false, &at_once).runs, 0, "there R shows a sheet");
    assert_eq!(walk(Access::Locked, true, &protected).runs, 0);
}

/// Enter on the advice of a fault, and on a line of menu or palette, shows a sheet.
#[test]
fn enter_runs_nothing_that_it_did_not_show() {
    for keys in ["e enter", "e j enter", "a j j j enter"] {
        let steps: Vec<Step> = keys.split(' ').map(|name| Step::Key(key(name))).collect();
        let walk = walk(Access::Write, false, &steps);
        assert!(matches!(walk.state.overlay, Some(Overlay::Sheet(_) | Overlay::Pick(_))) || walk.runs == 0, "{keys}");
        assert_eq!(walk.runs, 0, "{keys}");
    }
}

/// Where a sheet could not be read, it cannot be confirmed.
#[test]
fn a_screen_that_is_too_small_takes_no_orders() {
    let mut steps: Vec<Step> = vec![Step::Key(key("E")), Step::Settle, Step::Resize(59, 12), Step::Key(key("y"))];
    assert_eq!(walk(Access::Write, false, &steps).runs, 0);
    steps = vec![Step::Resize(40, 10), Step::Key(key("R"))];
    assert_eq!(walk(Access::Write, false, &steps).runs, 0);
    steps = vec![Step::Resize(40, 10), Step::Key(key("q"))];
    assert!(walk(Access::Write, false, &steps).left, "but it can be left");
}

/// What is not seen is not acted on: a page about no table hides the list below it.
#[test]
fn a_page_about_no_table_chooses_none() {
    let steps: Vec<Step> =
        ":".chars().chain("history".chars()).map(|c| Step::Key(key(&c.to_string()))).chain([Step::Key(key("enter"))]).collect();
    let mut walk = walk(Access::Write, false, &steps);
    assert_eq!(walk.state.stack.len(), 1);
    walk.step(&Step::Key(key("R")));
    assert_eq!(walk.runs, 0);
    assert!(walk.state.message.as_ref().unwrap().text.contains("no table is chosen"));
}
