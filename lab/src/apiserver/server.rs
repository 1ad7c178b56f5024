//! Serving a store over HTTP: on the caller's runtime, or on a thread of its own.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use super::handle::Store;
use super::routes::{App, handle};

/// How long open requests may take once the server is told to go.
const DRAIN: Duration = Duration::from_secs(2);

/// Why the server could not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Connections cannot be accepted.
    #[error("cannot serve the lab's Kubernetes API on {address}; is the listener still open?")]
    Serve {
        /// Where it should listen.
        address: String,
        /// What the system said.
        #[source]
        err: io::Error,
    },
    /// The thread of the server cannot start.
    #[error("cannot start the thread of the lab's Kubernetes API server")]
    Start(#[source] io::Error),
    /// The thread of the server has panicked.
    #[error("the thread of the lab's Kubernetes API server has panicked; its message is on stderr")]
    Panicked,
}

/// Serves a store on a listener until `shutdown` is ready. Open watches end then; other open requests get a
/// moment to finish. A socket stays in the network namespace it was made in, so the caller chooses that.
pub async fn serve(
    listener: TcpListener,
    store: Store,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let address = listener.local_addr().map_or_else(|err| err.to_string(), |address| address.to_string());
    let (stop, stopped) = watch::channel(false);
    let app = App { store, stop: stopped.clone() };
    let router = Router::new().fallback(handle).with_state(app);
    // Watch events are small and must not wait for more bytes.
    let listener = listener.tap_io(|tcp| {
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "Cannot switch off Nagle's algorithm for a connection.");
        }
    });
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        shutdown.await;
        stop.send_replace(true);
    });
    let mut drained = stopped;
    let drain = async move {
        // An error means that the sender is gone, which is as good.
        drop(drained.wait_for(|stop| *stop).await.map(drop));
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        result = server => result.map_err(|err| ServeError::Serve { address, err }),
        () = drain => Ok(()),
    }
}

/// A server on a thread of its own; it stops when told or when dropped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

/// Serves a store on a thread with a runtime of its own.
///
/// The listener may come from another network namespace than the caller's: only its socket counts.
pub fn spawn(listener: std::net::TcpListener, store: Store) -> Result<Running, ServeError> {
    let address = listener.local_addr().map_err(ServeError::Start)?;
    listener.set_nonblocking(true).map_err(ServeError::Start)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServeError::Start)?;
    let thread = std::thread::Builder::new()
        .name("apiserver".to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).map_err(ServeError::Start)?;
                serve(listener, store, async move { drop(stopped.await) }).await
            })
        })
        .map_err(ServeError::Start)?;
    Ok(Running { address, stop: Some(stop), thread: Some(thread) })
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// URL for clients in the same network namespace.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends open watches, lets other requests finish and waits for the thread.
    pub fn stop(mut self) -> Result<(), ServeError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), ServeError> {
        drop(self.stop.take());
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(ServeError::Panicked),
            None => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::warn!(%error, "The lab's Kubernetes API server did not end well.");
        }
    }
}

/// A kubeconfig for a server at a URL: no TLS, no credentials.
pub fn kubeconfig(url: &str) -> String {
    format!(
        "apiVersion: v1\n\
         kind: Config\n\
         clusters:\n\
         - name: lab\n  \
           cluster:\n    \
             server: {url}\n\
         users:\n\
         - name: lab\n  \
           user: {{}}\n\
         contexts:\n\
         - name: lab\n  \
           context:\n    \
             cluster: lab\n    \
             user: lab\n\
         current-context: lab\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubeconfig_is_yaml_that_names_the_server() {
        let text = kubeconfig("http://10.0.0.1:6443");
        let config: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(config["clusters"][0]["cluster"]["server"], "http://10.0.0.1:6443");
        assert_eq!(config["contexts"][0]["context"]["cluster"], "lab");
        assert_eq!(config["current-context"], "lab");
    }

    #[test]
    fn a_server_on_its_own_thread_answers_and_stops() {
        use std::io::{Read, Write};

        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let running = spawn(listener, Store::new()).unwrap();
        let mut client = std::net::TcpStream::connect(running.address()).unwrap();
        client.write_all(b"GET /version HTTP/1.1\r\nhost: lab\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("portolan-lab"), "{answer}");
        running.stop().unwrap();
    }
}
