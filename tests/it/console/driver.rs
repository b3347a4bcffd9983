//! Drives the pure core of the console: keys in, answers of the made-up world back, pictures out.

use std::fmt::Write as _;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use db_to_redshift::console::msg::{Effect, Msg};
use db_to_redshift::console::seam::{Answer, Ask, Id, Reply};
use db_to_redshift::console::state::{Options, State};
use db_to_redshift::console::theme::{Look, ThemeName};
use db_to_redshift::console::update::{begin, update};
use db_to_redshift::console::view::{Hits, view};
use jiff::SignedDuration;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::answers::World;
use super::world;

/// A console whose questions are answered at once.
pub struct Console {
    pub state: State,
    pub world: World,
    /// Everything that went out, in its order.
    pub effects: Vec<Effect>,
}

impl Console {
    /// Connected, with the first answers taken over.
    pub fn new(width: u16, height: u16) -> Self {
        Self::of(World::default(), width, height)
    }

    pub fn of(world: World, width: u16, height: u16) -> Self {
        Self::with(world, Options { profile: "stage".into(), ..Options::default() }, width, height)
    }

    pub fn with(world: World, options: Options, width: u16, height: u16) -> Self {
        let mut console = Self::unconnected(world, options, width, height);
        let effects = begin(&mut console.state);
        console.take(effects);
        console
    }

    pub fn unconnected(world: World, options: Options, width: u16, height: u16) -> Self {
        Self { state: State::new(options, world::start(), (width, height)), world, effects: Vec::new() }
    }

    pub fn send(&mut self, msg: Msg) {
        let effects = update(&mut self.state, msg);
        self.take(effects);
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let asked = if let Effect::Ask(id, ask) = &effect { Some((*id, ask.clone())) } else { None };
            self.effects.push(effect);
            if let Some((id, ask)) = asked.filter(|_| !self.world.silent)
                && let Some(answer) = self.world.answer(&ask, self.state.now)
            {
                self.reply(id, answer);
            }
        }
    }

    pub fn reply(&mut self, id: Id, answer: Answer) {
        self.send(Msg::Reply(Box::new(Reply::Answer { id, answer })));
    }

    /// Keys by name, separated by blanks.
    pub fn press(&mut self, keys: &str) -> &mut Self {
        for name in keys.split_whitespace() {
            self.send(Msg::Key(key(name)));
        }
        self
    }

    pub fn write(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            self.send(Msg::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
        }
        self
    }

    /// Lets seconds pass, one tick a second.
    pub fn wait(&mut self, seconds: i64) -> &mut Self {
        for _ in 0..seconds {
            self.send(Msg::Tick(self.state.now + SignedDuration::from_secs(1)));
        }
        self
    }

    /// The cursor to a table.
    pub fn go(&mut self, table: &str) -> &mut Self {
        let place = self.state.fleet.place(&world::table(table)).expect("the table is shown");
        self.press("g");
        for _ in 0..place {
            self.press("j");
        }
        self
    }

    pub fn resize(&mut self, width: u16, height: u16) -> &mut Self {
        self.send(Msg::Resize(width, height));
        self
    }

    pub fn theme(&mut self, theme: ThemeName) -> &mut Self {
        self.state.look = Look { theme, ..self.state.look };
        self
    }

    pub fn runs(&self) -> Vec<&Ask> {
        self.effects.iter().filter_map(|effect| if let Effect::Ask(_, ask) = effect { ask.writes().then_some(ask) } else { None }).collect()
    }

    pub fn draw(&self) -> Buffer {
        draw(&self.state).0
    }

    pub fn text(&self) -> String {
        text(&self.draw())
    }
}

pub fn draw(state: &State) -> (Buffer, Hits) {
    let mut buffer = Buffer::empty(Rect::new(0, 0, state.size.0, state.size.1));
    let hits = view(state, &mut buffer);
    (buffer, hits)
}

/// A key by its name: `E`, `ctrl-r`, `enter`, `space`.
pub fn key(name: &str) -> KeyEvent {
    if let Some(letter) = name.strip_prefix("ctrl-") {
        return KeyEvent::new(KeyCode::Char(letter.chars().next().unwrap()), KeyModifiers::CONTROL);
    }
    let code = match name {
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "backtab" => KeyCode::BackTab,
        "space" => KeyCode::Char(' '),
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "pageup" => KeyCode::PageUp,
        "pagedown" => KeyCode::PageDown,
        "backspace" => KeyCode::Backspace,
        one if one.chars().count() == 1 => KeyCode::Char(one.chars().next().unwrap()),
        other => panic!("no key is called {other}"),
    };
    let shifted = matches!(code, KeyCode::Char(c) if c.is_uppercase()) || code == KeyCode::BackTab;
    KeyEvent::new(code, if shifted { KeyModifiers::SHIFT } else { KeyModifiers::NONE })
}

/// The characters of a frame, line by line.
pub fn text(buffer: &Buffer) -> String {
    lines(buffer).map(|line| line.iter().map(|(text, _)| text.as_str()).collect::<String>().trim_end().to_owned() + "\n").collect()
}

/// Each line as runs of one style: what a snapshot of the text alone would not show.
pub fn styles(buffer: &Buffer) -> String {
    let mut out = String::new();
    for line in lines(buffer) {
        for (text, style) in line {
            let name = style_name(style);
            if name.is_empty() {
                out.push_str(&text);
            } else {
                let _ = write!(out, "[{name}:{text}]");
            }
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}

/// Runs of equal style, line by line. The cell behind a wide character is skipped.
pub fn lines(buffer: &Buffer) -> impl Iterator<Item = Vec<(String, Style)>> {
    (buffer.area.top()..buffer.area.bottom()).map(|y| {
        let mut runs: Vec<(String, Style)> = Vec::new();
        let mut x = buffer.area.left();
        while x < buffer.area.right() {
            let cell = &buffer[(x, y)];
            let style = Style { underline_color: None, ..cell.style() };
            match runs.last_mut() {
                Some((text, last)) if *last == style => text.push_str(cell.symbol()),
                _ => runs.push((cell.symbol().to_owned(), style)),
            }
            x += u16::try_from(unicode_width::UnicodeWidthStr::width(cell.symbol())).unwrap().max(1);
        }
        runs
    })
}

fn style_name(style: Style) -> String {
    let mut words: Vec<String> = Vec::new();
    for (color, sign) in [(style.fg, ""), (style.bg, "on ")] {
        if let Some(color) = color.filter(|color| *color != Color::Reset) {
            words.push(format!("{sign}{color}").to_lowercase());
        }
    }
    for (modifier, name) in [(Modifier::BOLD, "bold"), (Modifier::DIM, "dim"), (Modifier::UNDERLINED, "line"), (Modifier::REVERSED, "rev")]
    {
        if style.add_modifier.contains(modifier) {
            words.push(name.into());
        }
    }
    words.join(" ")
}
