//! Answering: what is in the store and what is open are added up, day by day.

use super::{
    Graph,
    answer::{Answer, AskError, Edge, Question},
    dictionary::Dictionary,
    edges,
    level::{DAY, micros_of},
    shared::Snapshot,
    sum::{Sums, time},
    words::Words,
};

impl Graph {
    /// The edges of a window. Holds the lock that ingest needs for no longer than it takes to swap what is open.
    pub(crate) fn ask(
        &self,
        question: &Question,
        wanted: &dyn Fn(&Edge) -> bool,
    ) -> Result<Answer, AskError> {
        loop {
            let snapshot = self.shared().snapshot(question)?;
            let (from, until) = (snapshot.plan.from, snapshot.plan.until);
            let plan = snapshot.plan.clone();
            let (days, damaged) = self.days(snapshot);
            // Where retention took something meanwhile, the answer is another one.
            if plan.holds(self.shared().state()) {
                let (words, sums) = united(days);
                let edges = edges::edges(&words, sums, wanted);
                let [from, to] = [from, until].map(|minute| time(micros_of(minute)));
                return Ok(Answer { edges, from, to, damaged });
            }
        }
    }

    /// The sums of each day, and how many chunks could not be read.
    fn days(&self, snapshot: Snapshot) -> (Vec<(Words, Sums)>, u64) {
        let Snapshot { plan, state, open, mut words } = snapshot;
        let (mut days, mut all_damaged) = (Vec::new(), 0);
        for (day, buckets) in plan.days {
            let (words, damaged) =
                words.remove(&day).map_or_else(|| self.reader.words(day, &state), |words| (words, 0));
            all_damaged += damaged;
            let (mut sums, cells) = (Sums::default(), words.sizes().cells);
            for bucket in buckets {
                let (_, damaged) = self.reader.add_bucket(bucket, cells, state.chunk, &mut sums);
                all_damaged += damaged;
            }
            let begin = day * DAY;
            for open in &open {
                open.add_to(plan.from.max(begin), plan.until.min(begin + DAY), &mut sums);
            }
            days.push((words, sums));
        }
        (days, all_damaged)
    }
}

/// Days with different words become one.
fn united(days: Vec<(Words, Sums)>) -> (Words, Sums) {
    let mut days = days.into_iter();
    let Some((words, mut sums)) = days.next() else { return (Words::default(), Sums::default()) };
    if days.len() == 0 {
        return (words, sums);
    }
    let mut dictionary = Dictionary::from(words);
    for (words, others) in days {
        let places = dictionary.take_in(&words);
        for (cell, sum) in others.into_some() {
            sums.of(places[cell as usize]).merge(&sum);
        }
    }
    (dictionary.words(), sums)
}
