//! Colours: plotters draws with placeholders, the page's style sheet says what they are.

use plotters::style::RGBColor;

/// What something is drawn with. Every ink is a CSS variable of the page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ink {
    /// Words.
    Text,
    /// Axes and lesser words.
    Muted,
    /// Grid lines.
    Grid,
    /// One of a row of colours that can be told apart; counted round from 0.
    Series(usize),
}

/// Colours in a row before they repeat.
const SERIES: usize = 8;

impl Ink {
    const fn index(self) -> u8 {
        match self {
            Ink::Text => 0,
            Ink::Muted => 1,
            Ink::Grid => 2,
            Ink::Series(i) => 3 + (i % SERIES) as u8,
        }
    }

    /// Whether the colour is that of an earlier series: something else must differ.
    pub(crate) const fn is_repeated(self) -> bool {
        matches!(self, Ink::Series(i) if i / SERIES % 2 == 1)
    }

    /// The colour that stands for this ink until [`themed`]: no drawing uses it otherwise.
    pub(crate) const fn placeholder(self) -> RGBColor {
        RGBColor(1, 2, self.index())
    }

    /// The ink in CSS.
    pub fn css(self) -> String {
        match self {
            Ink::Text => "var(--text)".to_owned(),
            Ink::Muted => "var(--muted)".to_owned(),
            Ink::Grid => "var(--grid)".to_owned(),
            Ink::Series(i) => format!("var(--s{})", i % SERIES),
        }
    }
}

/// `svg` with CSS variables in place of placeholders.
pub(crate) fn themed(svg: &str) -> String {
    let mut out = svg.to_owned();
    let all = [Ink::Text, Ink::Muted, Ink::Grid]
        .into_iter()
        .chain((0..SERIES).map(Ink::Series));
    for ink in all {
        let RGBColor(r, g, b) = ink.placeholder();
        out = out.replace(
            &format!("\"#{r:02X}{g:02X}{b:02X}\""),
            &format!("\"{}\"", ink.css()),
        );
    }
    out
}

/// The style sheet. The series are Okabe and Ito's colours, which people with any kind of
/// colour vision tell apart, darker or lighter where the ground asks for it.
pub(crate) const STYLE: &str = "
:root { color-scheme: light dark; --ground: #fff; --text: #1a1c1f; --muted: #5b6169; --grid: #d9dde2;
  --card: #f6f7f9; --s0: #0072b2; --s1: #d55e00; --s2: #009e73; --s3: #cc79a7; --s4: #b58900;
  --s5: #56b4e9; --s6: #7a5195; --s7: #6b7280; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14161a; --text: #e8eaed; --muted: #a2a9b2; --grid: #343a42; --card: #1d2025;
    --s0: #4aa3df; --s1: #f28e4b; --s2: #2fc79a; --s3: #e09cc3; --s4: #e3c04c; --s5: #8fd0f5;
    --s6: #b794d6; --s7: #8b939e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 76rem; background: var(--ground); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-top: 1px solid var(--grid); padding-top: 1rem; }
h3 { font-size: 1rem; margin: 0 0 .5rem; }
p, ul { margin: .5rem 0; max-width: 46rem; }
.muted { color: var(--muted); }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: 1rem;
  align-items: start; }
figure { margin: 0; padding: .75rem; background: var(--card); border-radius: .5rem; min-width: 0; }
figure.wide { margin-bottom: 1rem; }
figcaption { font-size: .875rem; color: var(--muted); }
svg { display: block; width: 100%; height: auto; }
svg text { font-family: system-ui, sans-serif; paint-order: stroke; stroke: var(--card); stroke-width: 3px;
  stroke-linejoin: round; }
.legend { display: flex; flex-wrap: wrap; gap: .15rem .9rem; font-size: .875rem; margin: .25rem 0; padding: 0;
  list-style: none; }
.legend i { display: inline-block; width: .75em; height: .75em; border-radius: 2px; margin-right: .4em; }
.scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; text-align: left; border-bottom: 1px solid var(--grid); white-space: nowrap; }
th { color: var(--muted); font-weight: 600; }
td.n, th.n { text-align: right; }
@media (max-width: 30rem) { th, td { padding: .2rem .35rem; } }
details { margin: .75rem 0; }
summary { cursor: pointer; }
code { font-size: .9em; }
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_become_variables() {
        let svg = "<text fill=\"#010200\"/><rect fill=\"#010204\" stroke=\"#010202\"/>";
        let expected =
            "<text fill=\"var(--text)\"/><rect fill=\"var(--s1)\" stroke=\"var(--grid)\"/>";
        assert_eq!(themed(svg), expected);
    }

    #[test]
    fn every_ink_is_in_both_themes() {
        let (light, dark) = STYLE.split_once("@media").expect("two themes");
        for ink in [Ink::Text, Ink::Muted, Ink::Grid]
            .into_iter()
            .chain((0..SERIES).map(Ink::Series))
        {
            let name = ink.css().replace("var(", "").replace(')', ":");
            assert!(light.contains(&name) && dark.contains(&name), "{name}");
        }
    }
}
