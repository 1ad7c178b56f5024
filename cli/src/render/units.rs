//! Numbers with their units.

/// A number of bytes in its largest unit.
pub(crate) fn size(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.into_iter().find(|(unit, _)| bytes >= *unit);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(unit, name)| format!("{:.1} {name}", bytes as f64 / unit as f64),
    )
}

/// How many, in thousands and so on where it is long.
pub(crate) fn count(count: u64) -> String {
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    let unit = units.into_iter().find(|(unit, _)| count >= 10_000 && count as f64 >= *unit);
    unit.map_or_else(|| count.to_string(), |(unit, name)| format!("{:.1}{name}", count as f64 / unit))
}

/// A span in its two largest units.
pub(crate) fn span(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{}s", seconds % 60),
        (0, ..) => format!("{hours}h{}m", minutes % 60),
        _ => format!("{days}d{}h", hours % 24),
    }
}

/// Microseconds in their largest unit, with two or three digits that say something.
pub(crate) fn micros(micros: u64) -> String {
    let (unit, name) = match micros {
        0..1_000 => return format!("{micros} µs"),
        1_000..1_000_000 => (1e3, "ms"),
        _ => (1e6, "s"),
    };
    let figure = micros as f64 / unit;
    if figure < 9.95 { format!("{figure:.1} {name}") } else { format!("{figure:.0} {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_in_their_largest_unit() {
        assert_eq!([0, 1023, 1024, 1 << 30].map(size), ["0 B", "1023 B", "1.0 KiB", "1.0 GiB"]);
        assert_eq!([0, 9_999, 10_000, 12_345_678].map(count), ["0", "9999", "10.0k", "12.3M"]);
        assert_eq!([0, 59, 61, 3_660, 90_000].map(span), ["0s", "59s", "1m1s", "1h1m", "1d1h"]);
        let times = [0, 999, 1_000, 9_940, 9_960, 250_000, 999_499, 1_500_000, 600_000_000];
        let told = ["0 µs", "999 µs", "1.0 ms", "9.9 ms", "10 ms", "250 ms", "999 ms", "1.5 s", "600 s"];
        assert_eq!(times.map(micros), told);
    }
}
