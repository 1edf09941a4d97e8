//! An image as a field of cells, in reading order: each cell a stretch of bytes, filled
//! from the bottom by the shares of what they are.

use plotters::prelude::*;

use crate::DrawError;
use crate::plot::WIDTH;
use crate::theme::{Ink, themed};

/// A stretch of the image: bytes by ink, what lies lowest first.
pub type Cell = Vec<(Ink, u64)>;

const COLUMNS: usize = 50;
const SIDE: i32 = WIDTH as i32 / COLUMNS as i32;
/// Taller than wide: the shares are seen better.
const TALL: i32 = 14;

/// Draws `cells`. A share that is there at all is seen: at least one unit tall.
///
/// # Errors
/// Plotters' own.
pub fn strip(cells: &[Cell]) -> Result<String, DrawError> {
    let rows = cells.len().div_ceil(COLUMNS).max(1) as i32;
    let mut svg = String::new();
    {
        let root =
            SVGBackend::with_string(&mut svg, (WIDTH, (rows * TALL) as u32)).into_drawing_area();
        let fill = |ink: Ink, corners: [(i32, i32); 2]| {
            root.draw(&Rectangle::new(corners, ink.placeholder().filled()))
                .map_err(DrawError::new)
        };
        for (i, cell) in cells.iter().enumerate() {
            let (x, y) = ((i % COLUMNS) as i32 * SIDE, (i / COLUMNS) as i32 * TALL);
            let mut bottom = y + TALL - 1;
            for (ink, height) in heights(cell, TALL - 1) {
                fill(ink, [(x, bottom - height), (x + SIDE - 1, bottom)])?;
                bottom -= height;
            }
        }
        root.present().map_err(DrawError::new)?;
    }
    Ok(themed(&svg))
}

/// Heights that add up to `tall`, none of what is there being 0.
fn heights(cell: &Cell, tall: i32) -> Vec<(Ink, i32)> {
    let total: u64 = cell.iter().map(|p| p.1).sum();
    let there = cell.iter().filter(|p| p.1 > 0);
    let mut out: Vec<(Ink, i32)> = there
        .map(|&(ink, n)| {
            (
                ink,
                ((n as f64 / total as f64 * f64::from(tall)).round() as i32).max(1),
            )
        })
        .collect();
    let used: i32 = out.iter().map(|p| p.1).sum();
    // What rounding gave too much or too little, the largest share bears.
    if let Some(largest) = out.iter_mut().max_by_key(|p| p.1) {
        largest.1 = (largest.1 + tall - used).max(1);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_shares_are_seen_and_the_cell_is_full() {
        let cell = vec![
            (Ink::Series(0), 10_000),
            (Ink::Series(1), 1),
            (Ink::Series(2), 0),
        ];
        assert_eq!(
            heights(&cell, 13),
            [(Ink::Series(0), 12), (Ink::Series(1), 1)]
        );
        assert_eq!(heights(&Vec::new(), 13), []);
        assert_eq!(
            strip(&[cell.clone(), cell])
                .unwrap()
                .matches("<rect")
                .count(),
            4
        );
    }
}
