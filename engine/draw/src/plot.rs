//! Lines and points over two logarithmic axes: sizes, times and memory span decades.

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::DrawError;
use crate::theme::{Ink, themed};

/// One axis.
#[derive(Clone, Copy)]
pub struct Axis<'a> {
    /// What it shows, with its unit.
    pub name: &'a str,
    /// A value as words at a tick.
    pub label: fn(f64) -> String,
    /// Whether ticks are at powers of two (bytes, threads) instead of 1, 2, 5, 10 ...
    pub binary: bool,
}

/// What is drawn in one ink.
#[derive(Clone, Debug)]
pub struct Series {
    /// The ink.
    pub ink: Ink,
    /// Points; those that are not above zero are left out, as they have no logarithm.
    pub points: Vec<(f64, f64)>,
    /// Whether the points are joined, in the order given.
    pub joined: bool,
    /// A few letters beside the last point.
    pub mark: String,
}

/// Width of every drawing in its own units: near that of a phone, so that words keep
/// their size there.
pub(crate) const WIDTH: u32 = 400;
const HEIGHT: u32 = 290;
/// plotters writes four fifths of it as the size of the letters.
const WORDS: u32 = 15;
/// Room that a mark takes: of these letters, one line and about three of them.
const MARK: (i32, i32) = (24, 11);

/// Draws `series` over `x` and `y`.
///
/// # Errors
/// No point at all.
pub fn plot(x: Axis<'_>, y: Axis<'_>, series: &[Series]) -> Result<String, DrawError> {
    let good = |p: &&(f64, f64)| p.0 > 0.0 && p.1 > 0.0 && p.0.is_finite() && p.1.is_finite();
    let kept: Vec<Vec<(f64, f64)>> = series
        .iter()
        .map(|s| s.points.iter().filter(good).copied().collect())
        .collect();
    let across =
        span(kept.iter().flatten().map(|p| p.0)).ok_or_else(|| DrawError::new("no points"))?;
    let up = span(kept.iter().flatten().map(|p| p.1)).ok_or_else(|| DrawError::new("no points"))?;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        draw(&root, (x, across), (y, up), series, &kept).map_err(DrawError::new)?;
        root.present().map_err(DrawError::new)?;
    }
    Ok(themed(&svg))
}

/// Smallest and largest value with some room around.
fn span(values: impl Iterator<Item = f64> + Clone) -> Option<(f64, f64)> {
    let low = values.clone().reduce(f64::min)?;
    let high = values.reduce(f64::max)?;
    let room = (high / low).powf(0.06).max(1.15);
    Some((low / room, high * room))
}

/// Ticks of the axes, at most about this many: words lie side by side below, and one
/// above the other at the left.
const TICKS_BELOW: usize = 5;
const TICKS_LEFT: usize = 7;

/// Round values from `low` to `high`: the closest spacing that is not too dense.
fn ticks(low: f64, high: f64, binary: bool, most: usize) -> Vec<f64> {
    let between = |all: Vec<f64>| -> Vec<f64> {
        all.into_iter()
            .filter(|v| (low..=high).contains(v))
            .collect()
    };
    let powers = |base: f64, step: i32| -> Vec<f64> {
        let from = (low.log(base).floor() as i32).div_euclid(step) * step;
        let to = high.log(base).ceil() as i32;
        between(
            (from..=to)
                .step_by(step as usize)
                .map(|k| base.powi(k))
                .collect(),
        )
    };
    let decades = |inside: &[f64]| -> Vec<f64> {
        let (from, to) = (low.log10().floor() as i32, high.log10().ceil() as i32);
        let all = (from..=to).flat_map(|k| inside.iter().map(move |v| v * 10f64.powi(k)));
        between(all.collect())
    };
    let mut choices = match binary {
        true => [1, 2, 3, 4, 5].map(|step| powers(2.0, step)).to_vec(),
        false => vec![
            decades(&[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0]),
            decades(&[1.0, 2.0, 5.0]),
            decades(&[1.0, 3.0]),
            decades(&[1.0]),
        ],
    };
    let fits = choices.iter().position(|c| c.len() <= most);
    choices.swap_remove(fits.unwrap_or(choices.len() - 1))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Failure<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

fn draw<'a>(
    root: &Area<'a>,
    (x, (left, right)): (Axis<'_>, (f64, f64)),
    (y, (low, high)): (Axis<'_>, (f64, f64)),
    series: &[Series],
    kept: &[Vec<(f64, f64)>],
) -> Result<(), Failure<'a>> {
    let words = |ink: Ink| ("sans-serif", WORDS).into_font().color(&ink.placeholder());
    let mut chart = ChartBuilder::on(root)
        .margin(6)
        .margin_right(18)
        .x_label_area_size(38)
        .y_label_area_size(72)
        .build_cartesian_2d(
            (left..right)
                .log_scale()
                .with_key_points(ticks(left, right, x.binary, TICKS_BELOW)),
            (low..high)
                .log_scale()
                .with_key_points(ticks(low, high, y.binary, TICKS_LEFT)),
        )?;
    chart
        .configure_mesh()
        .bold_line_style(Ink::Grid.placeholder())
        .light_line_style(TRANSPARENT)
        .axis_style(Ink::Muted.placeholder())
        .label_style(words(Ink::Muted))
        .axis_desc_style(words(Ink::Text))
        .x_desc(x.name)
        .y_desc(y.name)
        .x_label_formatter(&|v| (x.label)(*v))
        .y_label_formatter(&|v| (y.label)(*v))
        .x_labels(2 * TICKS_BELOW)
        .y_labels(2 * TICKS_LEFT)
        .draw()?;
    for (one, points) in series.iter().zip(kept) {
        let ink = one.ink.placeholder();
        if one.joined {
            let width = if one.ink.is_repeated() { 1 } else { 2 };
            chart.draw_series(LineSeries::new(
                points.iter().copied(),
                ink.stroke_width(width),
            ))?;
        }
        let dot = match one.ink.is_repeated() {
            true => ink.stroke_width(1),
            false => ink.filled(),
        };
        let dots = points.iter().map(|&p| Circle::new(p, 3, dot));
        chart.draw_series(dots)?;
    }
    let marked: Vec<(&str, (i32, i32))> = series
        .iter()
        .zip(kept)
        .filter(|(one, _)| !one.mark.is_empty())
        .filter_map(|(one, points)| Some((one.mark.as_str(), chart.backend_coord(points.last()?))))
        .collect();
    let (_, bottom) = chart.plotting_area().get_base_pixel();
    let bottom = bottom + chart.plotting_area().dim_in_pixel().1 as i32;
    let points: Vec<(i32, i32)> = marked.iter().map(|&(_, at)| at).collect();
    for ((mark, at), y) in marked.iter().zip(apart(&points, bottom)) {
        let from = (at.0 + 8, y);
        if (at.1 - y).abs() > MARK.1 / 2 {
            let leader = PathElement::new(vec![*at, from], Ink::Muted.placeholder());
            root.draw(&leader)?;
        }
        root.draw(&Text::new(*mark, (from.0, y - 5), words(Ink::Text)))?;
    }
    Ok(())
}

/// Heights for marks beside `points`, so that none covers another: those that would are
/// moved apart, each by as little, and none below `bottom`.
fn apart(points: &[(i32, i32)], bottom: i32) -> Vec<i32> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by_key(|&i| (points[i].1, points[i].0));
    let mut heights: Vec<i32> = points.iter().map(|p| 2 * p.1).collect();
    // In half pixels: what two lack is halved between them.
    let room = 2 * MARK.1;
    for _ in 0..4 * points.len() {
        for (n, &i) in order.iter().enumerate() {
            for &j in &order[n + 1..] {
                let lack = room - (heights[j] - heights[i]);
                if (points[i].0 - points[j].0).abs() < MARK.0 && lack > 0 {
                    heights[i] -= lack / 2;
                    heights[j] += lack - lack / 2;
                }
            }
        }
        for height in &mut heights {
            *height = (*height).min(2 * bottom - MARK.1);
        }
    }
    heights.into_iter().map(|y| y / 2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXIS: Axis<'static> = Axis {
        name: "bytes",
        label: |v| format!("{v}"),
        binary: false,
    };

    fn series(points: &[(f64, f64)]) -> Series {
        Series {
            ink: Ink::Series(1),
            points: points.to_vec(),
            joined: true,
            mark: "a".into(),
        }
    }

    #[test]
    fn points_are_drawn_in_the_inks_of_the_page() {
        let svg = plot(
            AXIS,
            AXIS,
            &[series(&[(1.0, 10.0), (100.0, 1e6), (0.0, 3.0)])],
        )
        .unwrap();
        assert!(!svg.contains("#0102"), "a placeholder is left: {svg}");
        assert_eq!(svg.matches("<circle").count(), 2, "{svg}");
        assert!(svg.contains("var(--s1)"));
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(
            ticks(5e4, 5e7, true, 7),
            [16, 18, 20, 22, 24].map(|k| f64::from(1u32 << k))
        );
        assert_eq!(ticks(0.9, 4.5, true, 7), [1.0, 2.0, 4.0]);
        assert_eq!(ticks(3.0, 12.0, false, 7), [3.0, 4.0, 5.0, 6.0, 8.0, 10.0]);
        assert_eq!(
            ticks(0.9, 1100.0, false, 7),
            [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0]
        );
        assert_eq!(ticks(9e-4, 2e6, false, 7).len(), 10);
    }

    #[test]
    fn marks_do_not_cover_each_other() {
        let points = [
            (100, 50),
            (100, 52),
            (101, 51),
            (100, 53),
            (300, 52),
            (100, 90),
        ];
        let heights = apart(&points, 240);
        for (i, a) in points.iter().enumerate() {
            for (j, b) in points.iter().enumerate().skip(i + 1) {
                let beside = (a.0 - b.0).abs() >= MARK.0;
                let gap = (heights[i] - heights[j]).abs();
                assert!(beside || gap >= MARK.1 - 1, "{i} {j}: {heights:?}");
            }
        }
        // What is in nobody's way stays.
        assert_eq!((heights[4], heights[5]), (52, 90));
        assert!(
            apart(&[(0, 239), (0, 240), (0, 240)], 240)
                .iter()
                .all(|&y| y <= 240)
        );
    }

    #[test]
    fn no_points_are_an_error() {
        assert!(plot(AXIS, AXIS, &[]).is_err());
        assert!(plot(AXIS, AXIS, &[series(&[(0.0, 1.0), (f64::NAN, 1.0)])]).is_err());
        assert!(plot(AXIS, AXIS, &[series(&[(2.0, 2.0)])]).is_ok());
    }
}
