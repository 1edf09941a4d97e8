//! Averages that weigh products alike, however many versions of one there are.
//!
//! Fed by `summary` with one ratio per pair; a ratio's mean is geometric, first
//! within a product, then over the products.

use std::collections::BTreeMap;

use crate::corpus::product_of;

/// A mean and what went into it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Mean {
    /// The mean itself.
    pub value: f64,
    /// Number of pairs.
    pub pairs: usize,
    /// Number of products.
    pub products: usize,
}

/// Geometric mean of `(pair id, ratio)`, first within a product, then over products.
/// `None` when there is nothing to average. Ratios that are not above zero have no
/// logarithm: they count as the smallest positive number, which nobody overlooks.
pub fn geometric<'a>(ratios: impl IntoIterator<Item = (&'a str, f64)>) -> Option<Mean> {
    let mut products: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
    for (id, ratio) in ratios {
        let sum = products.entry(product_of(id)).or_default();
        sum.0 += ratio.max(f64::MIN_POSITIVE).ln();
        sum.1 += 1;
    }
    if products.is_empty() {
        return None;
    }
    let logs: f64 = products.values().map(|(sum, n)| sum / *n as f64).sum();
    Some(Mean {
        value: (logs / products.len() as f64).exp(),
        pairs: products.values().map(|(_, n)| n).sum(),
        products: products.len(),
    })
}

/// Plain mean over pairs, for figures that add up over updates (work, time on the
/// device) rather than being ratios to something.
pub fn arithmetic<'a>(values: impl IntoIterator<Item = (&'a str, f64)>) -> Option<Mean> {
    let values: Vec<(&str, f64)> = values.into_iter().collect();
    if values.is_empty() {
        return None;
    }
    let products: std::collections::BTreeSet<&str> =
        values.iter().map(|(id, _)| product_of(id)).collect();
    Some(Mean {
        value: values.iter().map(|(_, v)| v).sum::<f64>() / values.len() as f64,
        pairs: values.len(),
        products: products.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // By hand: product a has 0.25 and 1.0, so sqrt(0.25) = 0.5; product b has 0.125.
    // Over products: sqrt(0.5 * 0.125) = 0.25. Over the three pairs alone it would be
    // cbrt(0.03125) = 0.315, so a wrong order shows.
    const RATIOS: [(&str, f64); 3] = [("a__1__2", 0.25), ("b__1__2", 0.125), ("a__2__3", 1.0)];

    #[test]
    fn products_weigh_alike() {
        let mean = geometric(RATIOS).unwrap();
        assert!((mean.value - 0.25).abs() < 1e-12, "{mean:?}");
        assert_eq!((mean.pairs, mean.products), (3, 2));
    }

    #[test]
    fn the_plain_mean_is_over_pairs() {
        let mean = arithmetic(RATIOS).unwrap();
        assert!((mean.value - 1.375 / 3.0).abs() < 1e-12, "{mean:?}");
        assert_eq!((mean.pairs, mean.products), (3, 2));
    }

    #[test]
    fn nothing_has_no_mean() {
        assert_eq!(geometric([]), None);
        assert_eq!(arithmetic([]), None);
    }
}
