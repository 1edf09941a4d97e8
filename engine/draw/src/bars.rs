//! Rows of bars: a name above, the bar below, its figure behind.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::DrawError;
use crate::plot::WIDTH;
use crate::theme::{Ink, themed};

/// One row.
#[derive(Clone, Debug)]
pub struct Bar {
    /// What it shows.
    pub name: String,
    /// Its parts, one behind the other; one part for a plain bar.
    pub parts: Vec<(Ink, f64)>,
    /// The figure in words.
    pub figure: String,
}

const ROW: i32 = 38;
/// plotters writes four fifths of it as the size of the letters.
const WORDS: u32 = 16;
/// Room for a figure behind the longest bar.
const FIGURE: i32 = 88;

/// Draws `rows`, all to the same scale, from 0. `line` is a value that a thin line marks
/// (a ratio of 1, a budget).
///
/// # Errors
/// Never for finite values; plotters' otherwise.
pub fn bars(rows: &[Bar], line: Option<f64>) -> Result<String, DrawError> {
    let height = (rows.len() as i32 * ROW).max(ROW);
    let total = |bar: &Bar| bar.parts.iter().map(|p| p.1.max(0.0)).sum::<f64>();
    let most = rows
        .iter()
        .map(total)
        .chain(line)
        .fold(0.0, f64::max)
        .max(f64::MIN_POSITIVE);
    let across = |value: f64| (value / most * f64::from(WIDTH as i32 - FIGURE)).round() as i32;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height as u32)).into_drawing_area();
        let words = |ink: Ink, y| {
            let style = ("sans-serif", WORDS).into_font().color(&ink.placeholder());
            style.pos(Pos::new(HPos::Left, y))
        };
        for (i, bar) in rows.iter().enumerate() {
            let top = i as i32 * ROW;
            let name = Text::new(bar.name.clone(), (0, top + 2), words(Ink::Text, VPos::Top));
            root.draw(&name).map_err(DrawError::new)?;
            let mut from = 0.0;
            for (ink, value) in &bar.parts {
                let to = from + value.max(0.0);
                let corners = [
                    (across(from), top + 19),
                    (across(to).max(across(from) + 1), top + 31),
                ];
                let part = Rectangle::new(corners, ink.placeholder().filled());
                root.draw(&part).map_err(DrawError::new)?;
                from = to;
            }
        }
        if let Some(value) = line {
            let ends = vec![(across(value), 0), (across(value), height)];
            let mark = PathElement::new(ends, Ink::Muted.placeholder());
            root.draw(&mark).map_err(DrawError::new)?;
        }
        // Over the line, which may be where a figure is.
        for (i, bar) in rows.iter().enumerate() {
            let at = (across(total(bar)) + 6, i as i32 * ROW + 25);
            let figure = Text::new(bar.figure.clone(), at, words(Ink::Muted, VPos::Center));
            root.draw(&figure).map_err(DrawError::new)?;
        }
        root.present().map_err(DrawError::new)?;
    }
    Ok(themed(&svg))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_each_other_to_scale() {
        let bar = Bar {
            name: "a < b".into(),
            parts: vec![(Ink::Series(0), 1.0), (Ink::Series(1), 3.0)],
            figure: "4".into(),
        };
        let svg = bars(&[bar], None).unwrap();
        let full = WIDTH as i32 - FIGURE;
        assert!(svg.contains(&format!("width=\"{}\"", full / 4)), "{svg}");
        assert!(
            svg.contains(&format!("width=\"{}\"", full * 3 / 4)),
            "{svg}"
        );
        assert!(!svg.contains("a < b"), "names are escaped: {svg}");
    }

    #[test]
    fn nothing_to_draw_is_an_empty_drawing() {
        assert!(bars(&[], Some(1.0)).unwrap().starts_with("<svg"));
    }
}
