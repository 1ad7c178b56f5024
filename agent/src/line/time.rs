//! Times as jiff writes them, with the second rendered once for all that fall in it.

use jiff::Timestamp;
use std::io::Write as _;

/// Renders times of which most fall in the second of the one before.
#[derive(Debug, Default)]
pub(super) struct TimeText {
    second: i64,
    /// The second without its `Z`; empty before the first.
    text: Vec<u8>,
}

impl TimeText {
    /// Appends a time.
    pub(super) fn write(&mut self, time: Timestamp, out: &mut Vec<u8>) {
        let (second, nanos) = (time.as_second(), time.subsec_nanosecond());
        if second < 0 || nanos < 0 {
            // Before 1970 the fraction counts backwards.
            return write!(out, "{time}").expect("writing to memory cannot fail");
        }
        if self.text.is_empty() || second != self.second {
            self.turn(time, second, nanos);
        }
        out.extend_from_slice(&self.text);
        fraction(nanos.unsigned_abs(), out);
        out.push(b'Z');
    }

    fn turn(&mut self, time: Timestamp, second: i64, nanos: i32) {
        let whole = time - jiff::SignedDuration::from_nanos(nanos.into());
        self.text.clear();
        write!(self.text, "{whole}").expect("writing to memory cannot fail");
        self.text.pop();
        self.second = second;
    }
}

/// As many digits as are needed.
fn fraction(mut nanos: u32, out: &mut Vec<u8>) {
    if nanos == 0 {
        return;
    }
    let mut digits = [b'0'; 9];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (nanos % 10) as u8;
        nanos /= 10;
    }
    let end = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    out.push(b'.');
    out.extend_from_slice(&digits[..end]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn time() -> impl Strategy<Value = Timestamp> {
        let nanos = prop_oneof![
            Timestamp::MIN.as_nanosecond()..=Timestamp::MAX.as_nanosecond(),
            -3_000_000_000..3_000_000_000_i128,
            // Round fractions of a few near seconds.
            (1_767_000_000..1_767_000_003_i128, 0..1000_i128, select(vec![1, 1000, 1_000_000]))
                .prop_map(|(second, fraction, unit)| second * 1_000_000_000 + fraction * unit),
        ];
        nanos.prop_map(|nanos| Timestamp::from_nanosecond(nanos).unwrap())
    }

    fn select(units: Vec<i128>) -> impl Strategy<Value = i128> {
        prop::sample::select(units)
    }

    proptest! {
        #[test]
        fn times_are_written_as_jiff_writes_them(times in prop::collection::vec(time(), 1..20)) {
            let (mut text, mut written) = (TimeText::default(), Vec::new());
            for time in &times {
                text.write(*time, &mut written);
            }
            let expected: String = times.iter().map(Timestamp::to_string).collect();
            prop_assert_eq!(String::from_utf8(written).unwrap(), expected);
        }
    }
}
