//! Records that were lost: how many, for which cause, and when.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Records that somebody knows to be lost.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Loss {
    /// Which queue, ring or map, in lower-case words joined by hyphens.
    pub cause: String,
    /// How many.
    pub count: u64,
    /// Nothing was lost of them before this time.
    pub from: Timestamp,
    /// When the last of them was noticed.
    pub to: Timestamp,
}

impl Loss {
    /// Adds this to losses of which each cause has one.
    pub fn add_to(self, losses: &mut Vec<Self>) {
        match losses.iter_mut().find(|known| known.cause == self.cause) {
            Some(known) => {
                known.count = known.count.saturating_add(self.count);
                known.from = known.from.min(self.from);
                known.to = known.to.max(self.to);
            }
            None => losses.push(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_of_one_cause_become_one_over_the_whole_interval() {
        let at = |second| Timestamp::new(second, 0).unwrap();
        let loss = |cause: &str, count, from, to| Loss {
            cause: cause.to_owned(),
            count,
            from: at(from),
            to: at(to),
        };
        let mut losses = Vec::new();
        loss("ring", 2, 10, 20).add_to(&mut losses);
        loss("map", 1, 12, 13).add_to(&mut losses);
        loss("ring", u64::MAX, 5, 15).add_to(&mut losses);
        assert_eq!(losses, [loss("ring", u64::MAX, 5, 20), loss("map", 1, 12, 13)]);
    }
}
