//! Colours. The 16 ANSI colours alone, so that the terminal's own palette decides how they look;
//! state is always a glyph and a word, too.

use ratatui::style::{Color, Modifier, Style};

use super::page::Tone;

/// How the console looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look {
    pub theme: ThemeName,
    /// Asked for on the command line or by NO_COLOR: a remembered theme does not replace it.
    pub theme_is_fixed: bool,
    /// No character beyond ASCII.
    pub ascii: bool,
    /// Spinners turn.
    pub motion: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self { theme: ThemeName::Dark, theme_is_fixed: false, ascii: false, motion: true }
    }
}

/// The themes. `auto` is resolved before the console starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ThemeName {
    #[default]
    Dark,
    Light,
    HighContrast,
    /// No colours: for NO_COLOR, and for terminals without any.
    Mono,
}

impl ThemeName {
    pub const ALL: [Self; 4] = [Self::Dark, Self::Light, Self::HighContrast, Self::Mono];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
            Self::HighContrast => "high-contrast",
            Self::Mono => "mono",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.name() == name)
    }

    #[must_use]
    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|theme| *theme == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    /// The style of a tone.
    #[must_use]
    pub fn tone(self, tone: Tone) -> Style {
        let plain = Style::new();
        let coloured = |dark: Color, light: Color, strong: Color| match self {
            Self::Dark => plain.fg(dark),
            Self::Light => plain.fg(light),
            Self::HighContrast => plain.fg(strong).add_modifier(Modifier::BOLD),
            Self::Mono => plain,
        };
        match tone {
            Tone::Plain => plain,
            Tone::Dim if self == Self::HighContrast => plain,
            Tone::Dim if self == Self::Mono => plain.add_modifier(Modifier::DIM),
            Tone::Dim => plain.fg(Color::DarkGray),
            Tone::Accent => coloured(Color::Cyan, Color::Blue, Color::White).add_modifier(Modifier::BOLD),
            Tone::Good => coloured(Color::Green, Color::Green, Color::LightGreen),
            Tone::Busy => coloured(Color::LightBlue, Color::Blue, Color::LightCyan),
            Tone::Warn => match self {
                Self::Mono => plain.add_modifier(Modifier::BOLD),
                _ => coloured(Color::Yellow, Color::Magenta, Color::LightYellow),
            },
            Tone::Bad => match self {
                Self::Mono => plain.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
                _ => coloured(Color::LightRed, Color::Red, Color::LightRed).add_modifier(Modifier::BOLD),
            },
        }
    }

    /// The line under the cursor: reversed, which every terminal shows.
    #[must_use]
    pub fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The badge of an environment.
    #[must_use]
    pub fn badge(self, tone: Tone) -> Style {
        self.tone(tone).add_modifier(Modifier::REVERSED | Modifier::BOLD)
    }

    /// Borders and rules.
    #[must_use]
    pub fn border(self) -> Style {
        self.tone(Tone::Dim)
    }
}
