//! The graph: who talks to whom at workload level, in buckets of time.

#![allow(dead_code, reason = "the engine behind these types comes next")]

pub(crate) mod answer;
pub(crate) mod latencies;
