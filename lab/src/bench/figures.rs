//! Medians and spreads. Pure.

use std::fmt;

/// The middle of some figures, with the quartiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// A quarter of the figures is below.
    pub low: f64,
    /// Half of the figures is below.
    pub median: f64,
    /// A quarter of the figures is above.
    pub high: f64,
}

impl Spread {
    /// Of these figures; none of none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let last = figures.len().checked_sub(1)?;
        let at = |part: f64| {
            let place = part * last as f64;
            let (below, above) = (figures[place.floor() as usize], figures[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Some(Self { low: at(0.25), median: at(0.5), high: at(0.75) })
    }

    /// How far the median of `count` figures may be from that of all there could be: in 19 of 20 cases within this much
    /// (the notch of a box plot, by McGill, Tukey and Larsen).
    pub fn doubt(&self, count: usize) -> f64 {
        1.57 * (self.high - self.low) / (count as f64).sqrt()
    }
}

impl fmt::Display for Spread {
    /// `median (low–high)`, with as many decimals as asked for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(2);
        let Self { low, median, high } = self;
        write!(f, "{median:.decimals$} ({low:.decimals$}–{high:.decimals$})")
    }
}

/// A number with spaces between its thousands.
pub fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    if number < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_between_its_quartiles() {
        let spread = Spread::of([5.0, 1.0, 3.0, 2.0, 4.0]).unwrap();
        assert_eq!(spread, Spread { low: 2.0, median: 3.0, high: 4.0 });
        assert_eq!(Spread::of([1.0, 2.0]).unwrap(), Spread { low: 1.25, median: 1.5, high: 1.75 });
        assert_eq!(Spread::of([]), None);
        assert_eq!(format!("{spread:.1}"), "3.0 (2.0–4.0)");
    }

    #[test]
    fn more_figures_leave_less_doubt() {
        let spread = Spread { low: 0.9, median: 0.95, high: 1.0 };
        assert!((spread.doubt(4) - 0.0785).abs() < 1e-9);
        assert!((spread.doubt(16) * 2.0 - spread.doubt(4)).abs() < 1e-9);
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(27_868.4), "27 868");
        assert_eq!(grouped(1_000_000.0), "1 000 000");
        assert_eq!(grouped(999.0), "999");
    }
}
