//! Reads columns of numbers as the library postcard writes them: their count, then each with seven bits a byte. It
//! would take several times as long, and chunks are read by the million cells.

/// What is still to be read.
#[derive(Debug)]
pub(super) struct Columns<'bytes>(&'bytes [u8]);

/// The most bytes of a number.
const LONGEST: u32 = 10;

impl<'bytes> Columns<'bytes> {
    pub(super) const fn new(bytes: &'bytes [u8]) -> Self {
        Self(bytes)
    }

    /// The next column.
    pub(super) fn next<T: TryFrom<u64>>(&mut self) -> Option<Vec<T>> {
        self.column(|number| T::try_from(number).ok())
    }

    /// The next column, of numbers with a sign.
    pub(super) fn next_signed(&mut self) -> Option<Vec<i64>> {
        self.column(|number| Some(with_sign(number)))
    }

    /// A number with a sign.
    pub(super) fn signed(&mut self) -> Option<i64> {
        self.number().map(with_sign)
    }

    fn column<T>(&mut self, read: impl Fn(u64) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.number()?).ok()?;
        // Each takes a byte at least: no more room is made than there are bytes.
        if count > self.0.len() {
            return None;
        }
        let mut column = Vec::with_capacity(count);
        for _ in 0..count {
            column.push(read(self.number()?)?);
        }
        Some(column)
    }

    #[inline]
    fn number(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        if *first < 0x80 { Some(u64::from(*first)) } else { self.long(u64::from(first & 0x7f)) }
    }

    fn long(&mut self, mut number: u64) -> Option<u64> {
        for place in 1..LONGEST {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if place == LONGEST - 1 && *byte > 1 {
                return None;
            }
            number |= bits << (7 * place);
            if *byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

/// Numbers near zero are short: 0, -1, 1, -2 and so on.
const fn with_sign(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}
