//! An HTTP server for repositories, with every way in which a real one lets its clients down.
//!
//! HTTP/1.1, GET and HEAD, ranges, one request for each connection. It listens on loopback and
//! ends with its owner. Deliberately absent: everything else of HTTP.

use anyhow::{Context, Result};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// How a path whose name contains a text is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This status and no body.
    Status(u16),
    /// Half of the body, under the length of the whole.
    Half,
    /// The whole body, its last byte changed.
    Changed,
    /// Nothing at all until the server ends: the client has to lose patience.
    Silent,
    /// These bytes instead.
    Instead(Vec<u8>),
}

#[derive(Default)]
struct Shared {
    faults: Mutex<Vec<(String, Fault)>>,
    requests: Mutex<Vec<String>>,
    held: Mutex<Vec<TcpStream>>,
    ended: AtomicBool,
}

/// A running server.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves the files below `root`.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(root: &Path) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot listen on loopback")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let (root, for_thread) = (root.to_owned(), Arc::clone(&shared));
        let thread = std::thread::spawn(move || serve(&listener, &root, &for_thread));
        Ok(Self { address, shared, thread: Some(thread) })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, paths that contain `part` are served like this.
    pub fn fault(&self, part: &str, fault: Fault) {
        lock(&self.shared.faults).push((part.to_owned(), fault));
    }

    /// From now on all is well.
    pub fn mend(&self) {
        lock(&self.shared.faults).clear();
        lock(&self.shared.held).clear();
    }

    /// The paths asked for so far.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        lock(&self.shared.requests).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the thread, which waits for a connection.
        _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            // A panic in there has printed itself.
            _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(listener: &TcpListener, root: &Path, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let (Ok(stream), root, shared) = (stream, root.to_owned(), Arc::clone(shared)) else {
            continue;
        };
        // A client that hangs up early is no failure of the server's.
        std::thread::spawn(move || _ = answer(stream, &root, &shared));
    }
}

fn answer(mut stream: TcpStream, root: &Path, shared: &Shared) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let mut range = None;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            range = value.trim().trim_end_matches('-').parse::<usize>().ok();
        }
    }
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    lock(&shared.requests).push(path.to_owned());
    let fault = {
        let faults = lock(&shared.faults);
        faults.iter().find(|(part, _)| path.contains(part)).map(|(_, fault)| fault.clone())
    };
    let body = file(root, path).and_then(|file| fs::read(file).ok());
    let (status, mut body) = match (fault.clone(), body) {
        (Some(Fault::Silent), _) => {
            lock(&shared.held).push(stream);
            return Ok(());
        }
        (Some(Fault::Status(status)), _) => (status, Vec::new()),
        (Some(Fault::Instead(bytes)), _) => (200, bytes),
        (_, None) => (404, Vec::new()),
        (_, Some(body)) => (200, body),
    };
    if fault == Some(Fault::Changed)
        && let Some(last) = body.last_mut()
    {
        *last ^= 0xff;
    }
    let length = body.len();
    let from = range.filter(|from| status == 200 && *from < length);
    let (status, more) = match from {
        Some(from) => (206, format!("Content-Range: bytes {from}-{}/{length}\r\n", length - 1)),
        None => (status, String::new()),
    };
    let body = &body[from.unwrap_or(0)..];
    write!(
        stream,
        "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n{more}\r\n",
        body.len()
    )?;
    if method == "GET" {
        let sent = if fault == Some(Fault::Half) { body.len() / 2 } else { body.len() };
        stream.write_all(&body[..sent])?;
    }
    stream.shutdown(Shutdown::Both)
}

/// The file that a path names, never one outside.
fn file(root: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path.split('?').next()?.trim_start_matches('/'));
    let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    inside.then(|| root.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn get(server: &Server, path: &str, header: &str) -> String {
        let mut stream = TcpStream::connect(server.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\n{header}\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn files_are_served_whole_from_an_offset_and_badly() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a"), "0123456789").unwrap();
        let server = Server::start(root.path()).unwrap();
        assert!(get(&server, "/a", "").ends_with("\r\n\r\n0123456789"));
        let rest = get(&server, "/a", "Range: bytes=4-\r\n");
        assert!(rest.starts_with("HTTP/1.1 206") && rest.ends_with("\r\n\r\n456789"), "{rest}");
        assert!(get(&server, "/b", "").starts_with("HTTP/1.1 404"));
        assert!(get(&server, "/../etc/passwd", "").starts_with("HTTP/1.1 404"));
        server.fault("a", Fault::Half);
        let half = get(&server, "/a", "");
        assert!(half.contains("Content-Length: 10") && half.ends_with("\r\n\r\n01234"), "{half}");
        server.mend();
        server.fault("a", Fault::Status(503));
        assert!(get(&server, "/a", "").starts_with("HTTP/1.1 503"));
        assert_eq!(server.requests().len(), 6);
    }
}
