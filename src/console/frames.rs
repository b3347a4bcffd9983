//! The screen as the terminal gets it: each frame at once, and nothing where nothing changed.

use std::io::{self, Write};

use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

/// Brackets each frame as a synchronized update (DEC private mode 2026), so that a terminal shows
/// it whole; one that does not know the mode ignores it. A frame without a change sends no byte.
#[derive(Debug)]
pub struct Frames<W: Write> {
    inner: CrosstermBackend<W>,
    /// The cursor is hidden, as far as this side knows.
    hidden: bool,
}

impl<W: Write> Frames<W> {
    pub fn new(writer: W) -> Self {
        Self { inner: CrosstermBackend::new(writer), hidden: false }
    }
}

impl<W: Write> Backend for Frames<W> {
    type Error = io::Error;

    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, content: I) -> io::Result<()> {
        let mut content = content.peekable();
        if content.peek().is_none() {
            return Ok(());
        }
        queue!(self.inner, BeginSynchronizedUpdate)?;
        self.inner.draw(content)?;
        queue!(self.inner, EndSynchronizedUpdate)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.hidden, true) { Ok(()) } else { self.inner.hide_cursor() }
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.hidden = false;
        self.inner.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        self.inner.get_cursor_position()
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.inner.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        // Somebody else may have had the terminal, and shown the cursor.
        self.hidden = false;
        self.inner.clear_region(region)
    }

    fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.inner.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use ratatui::layout::Rect;
    use ratatui::{Terminal, TerminalOptions, Viewport};

    use super::*;

    #[derive(Clone, Default)]
    struct Sent(Rc<RefCell<Vec<u8>>>);

    impl Write for Sent {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_frame_is_bracketed_and_one_without_a_change_sends_nothing() {
        let sent = Sent::default();
        let options = TerminalOptions { viewport: Viewport::Fixed(Rect::new(0, 0, 20, 2)) };
        let mut terminal = Terminal::with_options(Frames::new(sent.clone()), options).unwrap();
        let mut frame = |text: &'static str| {
            sent.0.borrow_mut().clear();
            terminal.draw(|frame| frame.render_widget(text, frame.area())).unwrap();
            String::from_utf8(sent.0.borrow().clone()).unwrap()
        };
        let first = frame("one");
        assert!(first.starts_with("\x1b[?2026h") && first.contains("one"), "{first:?}");
        let end = first.find("\x1b[?2026l").unwrap();
        assert!(first[..end].contains("one") && first[end..].contains("\x1b[?25l"), "the cursor is hidden behind it: {first:?}");
        assert_eq!(frame("one"), "", "nothing has changed");
        let second = frame("two");
        assert!(second.starts_with("\x1b[?2026h") && second.ends_with("\x1b[?2026l"), "{second:?}");
    }
}
