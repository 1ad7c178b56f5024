//! Colours.

/// Whether to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// With ANSI escapes.
    Ansi,
    /// Not at all.
    Plain,
}

/// The few colours that lines need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Color {
    /// As it should be.
    Green,
    /// Denied.
    Red,
    /// Something to look at.
    Yellow,
    /// Something that passes.
    Cyan,
    /// Something to look at now.
    Alarm,
    /// Beside the point.
    Dim,
}

impl Paint {
    /// The text in a colour.
    pub(crate) fn apply(self, color: Color, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Ansi => format!("\x1b[{}m{text}\x1b[0m", color.code()),
        }
    }
}

impl Color {
    const fn code(self) -> &'static str {
        match self {
            Self::Green => "32",
            Self::Red => "31",
            Self::Yellow => "33",
            Self::Cyan => "36",
            Self::Alarm => "1;97;41",
            Self::Dim => "2",
        }
    }
}
