//! Colours, where there is a terminal that wants them.

/// Whether text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Bytes as they are.
    Plain,
    /// With ANSI escapes.
    Coloured,
}

impl Style {
    /// Coloured on a terminal, unless `NO_COLOR` is set (no-color.org: to anything but nothing) or
    /// the terminal says that it is dumb.
    #[must_use]
    pub fn of(terminal: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if terminal && !set("NO_COLOR") && !dumb { Self::Coloured } else { Self::Plain }
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }

    /// Bold.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Bold red.
    #[must_use]
    pub fn red(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// Bold yellow.
    #[must_use]
    pub fn yellow(self, text: &str) -> String {
        self.paint("1;33", text)
    }

    /// Green.
    #[must_use]
    pub fn green(self, text: &str) -> String {
        self.paint("32", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_has_no_escapes() {
        for paint in [Style::bold, Style::red, Style::yellow, Style::green] {
            assert_eq!(paint(Style::Plain, "x"), "x");
            assert!(paint(Style::Coloured, "x").starts_with("\x1b["));
        }
        assert_eq!(Style::of(false), Style::Plain);
    }
}
