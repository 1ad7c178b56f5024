//! Where the cluster state comes from: the Kubernetes API, or objects that were read before.

mod watch;

pub use watch::{LOOK_AGAIN, News, watch};
