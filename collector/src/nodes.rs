//! What is known of each agent: whether it can still tell its side, and what it told so far.

use crate::{
    clock::Now,
    dedup::{Applied, Progress, Run},
};
use foldhash::quality::RandomState;
use jiff::Timestamp;
use portolan_policy::Loss;
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// Causes that are told apart per node; more are summed under [`OTHER`].
const CAUSES: usize = 32;

/// The name for losses beyond the first [`CAUSES`] causes.
const OTHER: &str = "other";

/// Agents that may be known at a time; Kubernetes ends at 5000 nodes.
pub(crate) const MOST: usize = 8_192;

/// How often it is said that a clock is wrong.
const SAY_AGAIN: Duration = Duration::from_mins(10);

/// One agent.
#[derive(Debug)]
pub(crate) struct Node {
    /// The cluster it says it is in.
    pub(crate) cluster: String,
    /// The batches applied.
    pub(crate) applied: Applied,
    /// When the last batch came.
    pub(crate) last_batch: Timestamp,
    /// Streams open now.
    streams: usize,
    /// When it was last heard of.
    heard: Duration,
    /// How far its clock was ahead of ours when it last told something, where that is too far.
    pub(crate) ahead: Duration,
    /// When that was last said.
    warned: Option<Duration>,
    /// Observations taken.
    pub(crate) observations: u64,
    /// Batches that had been applied before.
    pub(crate) duplicates: u64,
    /// Observations that could not be read.
    pub(crate) malformed: u64,
    /// Records lost, by cause.
    pub(crate) losses: BTreeMap<String, u64>,
    /// Losses that no flow has told of yet.
    pub(crate) untold: Vec<Loss>,
}

impl Node {
    fn new(now: Now) -> Self {
        Self {
            cluster: String::new(),
            applied: Applied::default(),
            last_batch: now.wall,
            streams: 0,
            heard: now.uptime,
            ahead: Duration::ZERO,
            warned: None,
            observations: 0,
            duplicates: 0,
            malformed: 0,
            losses: BTreeMap::new(),
            untold: Vec::new(),
        }
    }

    /// Whether it is time to say that its clock is wrong, which is then said.
    pub(crate) fn may_warn(&mut self, now: Duration) -> bool {
        let due = self.warned.is_none_or(|warned| now.saturating_sub(warned) >= SAY_AGAIN);
        if due {
            self.warned = Some(now);
        }
        due
    }

    /// Adds to a cause and returns the name it is counted under.
    pub(crate) fn lose(&mut self, mut loss: Loss) -> String {
        let known = self.losses.contains_key(&loss.cause) || self.losses.len() < CAUSES;
        if !known {
            OTHER.clone_into(&mut loss.cause);
        }
        let cause = loss.cause.clone();
        let total = self.losses.entry(cause.clone()).or_default();
        *total = total.saturating_add(loss.count);
        loss.add_to(&mut self.untold);
        cause
    }
}

/// Every agent that was heard of.
#[derive(Debug)]
pub(crate) struct Nodes {
    known: HashMap<String, Node, RandomState>,
    /// Nodes known only from the other end of a flow, and since when.
    mentioned: HashMap<String, Duration, RandomState>,
    silence: Duration,
    doubt: Duration,
    resend: Duration,
}

impl Nodes {
    /// No agents yet. One without a stream is live for `silence`; one that was never heard of gets
    /// the benefit of the `doubt`, because it may just have had nothing to tell; one that is silent
    /// for `resend` will not send again what it sent.
    pub(crate) fn new(silence: Duration, doubt: Duration, resend: Duration) -> Self {
        Self { known: HashMap::default(), mentioned: HashMap::default(), silence, doubt, resend }
    }

    /// Whether there is room for the agent of this node. Names come from whoever connects, so they
    /// must not fill the memory.
    pub(crate) fn has_room(&self, name: &str) -> bool {
        self.known.len() < MOST || self.known.contains_key(name)
    }

    /// Goes on where an earlier run of the collector stopped: with a run of an agent, those heard of
    /// last coming last. The agent itself is heard of when it speaks.
    pub(crate) fn restore(&mut self, name: &str, run: Run, progress: Progress) {
        let heard = progress.heard;
        let now = Now { uptime: Duration::ZERO, wall: heard };
        let node = self.known.entry(name.to_owned()).or_insert_with(|| Node::new(now));
        node.last_batch = node.last_batch.max(heard);
        node.cluster.clone_from(&run.cluster);
        node.applied.restore(run, progress);
    }

    /// The same with what an agent lost and no flow has told of.
    pub(crate) fn restore_untold(&mut self, name: &str, untold: Vec<Loss>) {
        let now = Now { uptime: Duration::ZERO, wall: Timestamp::UNIX_EPOCH };
        self.known.entry(name.to_owned()).or_insert_with(|| Node::new(now)).untold = untold;
    }

    /// The agent of a node, heard of now.
    pub(crate) fn hear(&mut self, name: &str, now: Now) -> &mut Node {
        self.mentioned.remove(name);
        let node = self.known.entry(name.to_owned()).or_insert_with(|| Node::new(now));
        node.heard = now.uptime;
        node.last_batch = now.wall;
        node
    }

    /// An agent's stream is open.
    pub(crate) fn connected(&mut self, name: &str, now: Now) {
        self.hear(name, now).streams += 1;
    }

    /// An agent's stream has ended.
    pub(crate) fn disconnected(&mut self, name: &str, now: Now) {
        if let Some(node) = self.known.get_mut(name) {
            node.streams = node.streams.saturating_sub(1);
            node.heard = now.uptime;
        }
    }

    /// Whether the agent of a node is likely to tell its side of a connection.
    pub(crate) fn speaks(&mut self, name: &str, now: Duration) -> bool {
        if let Some(node) = self.known.get(name) {
            return self.is_live(node, now);
        }
        if let Some(since) = self.mentioned.get(name) {
            return now.saturating_sub(*since) < self.doubt;
        }
        let room = self.mentioned.len() < MOST;
        if room {
            self.mentioned.insert(name.to_owned(), now);
        }
        room
    }

    /// Whether an agent has a stream open or was heard of lately.
    pub(crate) fn is_live(&self, node: &Node, now: Duration) -> bool {
        node.streams > 0 || now.saturating_sub(node.heard) < self.silence
    }

    /// Forgets who has been silent for long, and says whom.
    pub(crate) fn tick(&mut self, now: Duration) -> Vec<(String, Node)> {
        let silent = |node: &Node| node.streams == 0 && now.saturating_sub(node.heard) >= self.resend;
        self.known.extract_if(|_, node| silent(node)).collect()
    }

    /// Every agent, by name.
    pub(crate) fn sorted(&self) -> Vec<(&str, &Node)> {
        let mut nodes: Vec<_> = self.known.iter().map(|(name, node)| (name.as_str(), node)).collect();
        nodes.sort_unstable_by_key(|(name, _)| *name);
        nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now { uptime: Duration::from_secs(seconds), wall: Timestamp::UNIX_EPOCH }
    }

    const RESEND: Duration = Duration::from_hours(24);

    fn nodes() -> Nodes {
        Nodes::new(Duration::from_secs(30), Duration::from_secs(5), RESEND)
    }

    #[test]
    fn an_idle_agent_with_a_stream_is_live_for_ever() {
        let mut nodes = nodes();
        nodes.connected("n1", at(0));
        assert!(nodes.speaks("n1", Duration::from_hours(100)));
        nodes.disconnected("n1", at(1000));
        assert!(nodes.speaks("n1", Duration::from_secs(1029)));
        assert!(!nodes.speaks("n1", Duration::from_secs(1030)));
    }

    #[test]
    fn a_node_never_heard_of_is_waited_for_only_at_first() {
        let mut nodes = nodes();
        assert!(nodes.speaks("n9", Duration::from_secs(10)));
        assert!(nodes.speaks("n9", Duration::from_secs(14)));
        assert!(!nodes.speaks("n9", Duration::from_secs(15)));
        nodes.hear("n9", at(16));
        assert!(nodes.speaks("n9", Duration::from_secs(16)));
    }

    #[test]
    fn there_is_room_for_so_many_nodes_and_for_those_known() {
        let mut nodes = nodes();
        for name in 0..MOST {
            assert!(nodes.has_room(&name.to_string()));
            nodes.hear(&name.to_string(), at(0));
        }
        assert!(nodes.has_room("0"));
        assert!(!nodes.has_room("one more"));
    }

    #[test]
    fn causes_of_loss_are_bounded_and_their_sum_is_not_lost() {
        let mut nodes = nodes();
        let node = nodes.hear("n1", at(0));
        for cause in 0..100 {
            let time = Timestamp::UNIX_EPOCH;
            node.lose(Loss { cause: format!("cause-{cause}"), count: 2, from: time, to: time });
        }
        assert_eq!((node.losses.len(), node.untold.len()), (CAUSES + 1, CAUSES + 1));
        assert_eq!(node.losses.values().sum::<u64>(), 200);
    }

    #[test]
    fn a_wrong_clock_is_said_now_and_then() {
        let mut nodes = nodes();
        let node = nodes.hear("n1", at(0));
        let said = |seconds: u64| Duration::from_secs(seconds);
        assert_eq!(
            [0, 1, 599, 600, 601, 1300].map(|now| node.may_warn(said(now))),
            [true, false, false, true, false, true]
        );
    }

    #[test]
    fn long_silence_is_forgotten() {
        let mut nodes = nodes();
        nodes.hear("n1", at(0));
        nodes.connected("n2", at(0));
        let forgotten: Vec<_> = nodes.tick(RESEND).into_iter().map(|(name, _)| name).collect();
        assert_eq!(forgotten, ["n1"]);
        let names: Vec<_> = nodes.sorted().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["n2"]);
    }
}
