//! Answering: what is in the store and what is open are added up, day by day.

use super::{
    Graph,
    answer::{AskError, Question},
    dictionary::Dictionary,
    level::{Bucket, DAY, Level, micros_of},
    shared::Snapshot,
    state::State,
    sum::time,
    sums::Sums,
    survey::{Scope, Survey},
    words::Words,
};
use jiff::Timestamp;
use std::{panic::resume_unwind, thread};

/// So many threads read for a question.
const THREADS: usize = 2;

impl Graph {
    /// The edges of a window. Holds the lock that ingest needs for no longer than it takes to swap what is open.
    pub(crate) fn ask(&self, question: &Question, now: Timestamp) -> Result<Survey, AskError> {
        loop {
            let snapshot = self.shared().snapshot(question, now)?;
            let (from, until, behind) = (snapshot.plan.from, snapshot.plan.until, snapshot.behind);
            let seen = snapshot.seen();
            let (whole, damaged) = self.days(snapshot);
            // Where something was taken away meanwhile, the answer is another one.
            if self.shared().holds(&seen) {
                let (words, sums) = whole.finish();
                let [from, to] = [from, until].map(|minute| time(micros_of(minute)));
                return Ok(Survey::new(words, sums, Scope { from, to, damaged, behind }));
            }
        }
    }

    /// All days as one, and how many chunks could not be read.
    fn days(&self, snapshot: Snapshot) -> (Whole, u64) {
        let Snapshot { plan, state, open, mut words, .. } = snapshot;
        let (mut whole, mut all_damaged) = (Whole::default(), 0);
        for (day, buckets) in plan.days {
            let (words, damaged) =
                words.remove(&day).map_or_else(|| self.reader.words(day, &state), |words| (words, 0));
            all_damaged += damaged;
            let (mut sums, damaged) = self.read(&buckets, words.sizes().cells, state.chunk);
            // What was damaged then may be read again in its own buckets.
            all_damaged += damaged.max(damaged_before(&state, day, &buckets));
            let begin = day * DAY;
            for open in &open {
                open.add_to(plan.from.max(begin), plan.until.min(begin + DAY), &mut sums);
            }
            whole.take(words, sums);
        }
        (whole, all_damaged)
    }

    /// The sums of buckets, and how many chunks could not be read.
    fn read(&self, buckets: &[Bucket], cells: u32, below: u64) -> (Sums, u64) {
        let part = |first: usize| {
            let (mut sums, mut all_damaged) = (Sums::of(cells as usize), 0);
            for bucket in buckets.iter().skip(first).step_by(THREADS) {
                all_damaged += self.reader.add_bucket(*bucket, cells, below, &mut sums).damaged;
            }
            (sums, all_damaged)
        };
        thread::scope(|scope| {
            let others: Vec<_> = (1..THREADS).map(|first| scope.spawn(move || part(first))).collect();
            let (mut sums, mut damaged) = part(0);
            for other in others {
                let (others, more) = other.join().unwrap_or_else(|panic| resume_unwind(panic));
                sums.absorb(others);
                damaged += more;
            }
            (sums, damaged)
        })
    }
}

/// What was damaged when coarser buckets were made, where these are read.
fn damaged_before(state: &State, day: u32, buckets: &[Bucket]) -> u64 {
    let is_coarse = buckets.iter().any(|bucket| bucket.level != Level::Minute);
    state.days.get(&day).filter(|_| is_coarse).map_or(0, |day| day.damaged)
}

/// Days with different words on their way to be one. The words of a single day need no look-ups.
#[derive(Debug, Default)]
enum Whole {
    #[default]
    Nothing,
    Day(Box<Words>, Sums),
    Days(Box<Dictionary>, Sums),
}

impl Whole {
    /// Takes a day in.
    fn take(&mut self, words: Words, sums: Sums) {
        *self = match std::mem::take(self) {
            Self::Nothing => Self::Day(Box::new(words), sums),
            Self::Day(first, first_sums) => both(Box::new((*first).into()), first_sums, &words, sums),
            Self::Days(dictionary, all) => both(dictionary, all, &words, sums),
        };
    }

    fn finish(self) -> (Words, Sums) {
        match self {
            Self::Nothing => (Words::default(), Sums::default()),
            Self::Day(words, sums) => (*words, sums),
            Self::Days(dictionary, sums) => (dictionary.words(), sums),
        }
    }
}

fn both(mut dictionary: Box<Dictionary>, mut all: Sums, words: &Words, sums: Sums) -> Whole {
    let places = dictionary.take_in(words);
    all.absorb_at(sums, &places);
    Whole::Days(dictionary, all)
}
