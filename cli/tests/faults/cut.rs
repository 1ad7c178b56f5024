//! A way to the collector that can be cut.

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// What agents connect to instead of the collector.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) port: u16,
    cuts: watch::Sender<u64>,
}

impl Way {
    /// A way to a collector at this port.
    pub(crate) async fn to(collector: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cuts, cut) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((mut agent, _)) = listener.accept().await {
                let mut cut = cut.clone();
                cut.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(mut collector) = TcpStream::connect(("127.0.0.1", collector)).await else {
                        return;
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut agent, &mut collector) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { port, cuts }
    }

    /// Cuts every connection, in the middle of whatever is on it.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}
