//! Plots and pages: one HTML file that needs no network, light and dark, phone and desk.
//!
//! ```text
//! figures ─ plot (log-log lines and points) ─┐
//! figures ─ bars (rows, stacked or grouped) ─┼─ theme (colours become CSS variables) ─ page (HTML)
//! figures ─ strip (an image as cells) ───────┘                                  table ─┘
//! ```
//!
//! Used by `deltamote inspect --html` and `deltamote-bench report`. Every drawing is SVG
//! text whose colours are those of the page's style sheet, so that one drawing serves
//! both themes.

mod bars;
mod page;
mod plot;
mod strip;
mod table;
mod theme;

pub use bars::{Bar, bars};
pub use page::{Page, escape, legend};
pub use plot::{Axis, Series, plot};
pub use strip::{Cell, strip};
pub use table::Table;
pub use theme::Ink;

/// Why a drawing could not be made: a defect of this crate or of the figures (infinite,
/// empty), never of the disk, since everything is made in memory.
#[derive(Debug)]
pub struct DrawError(String);

impl std::fmt::Display for DrawError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the plot cannot be drawn: {}", self.0)
    }
}

impl std::error::Error for DrawError {}

impl DrawError {
    fn new(e: impl std::fmt::Display) -> DrawError {
        DrawError(e.to_string())
    }
}
