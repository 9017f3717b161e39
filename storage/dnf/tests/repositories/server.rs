//! An HTTP and HTTPS server, and a proxy, of a few lines each; they do what the test's closure says.

use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{SslAcceptor, SslMethod, SslVerifyMode};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the server answers to a path: a status line, the length it claims, the bytes it sends.
pub(crate) type Answer = (&'static str, usize, Vec<u8>);

/// What a client asked for.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// As the client wrote it: a whole URL where it takes us for a proxy.
    pub(crate) path: String,
    /// By name in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// The common name of the client's certificate.
    pub(crate) client: Option<String>,
}

impl Request {
    /// Reads a request up to its empty line.
    fn read(from: &mut impl Read) -> Option<(String, Self)> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            from.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).ok()?;
        let mut lines = head.lines();
        let mut first = lines.next()?.split(' ');
        let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Some((method, Self { path, headers, client: None }))
    }

    /// The first byte that a `Range:` header asks for.
    pub(crate) fn range(&self) -> Option<usize> {
        self.headers.get("range")?.strip_prefix("bytes=")?.trim_end_matches('-').parse().ok()
    }
}

/// Answers one connection; a client that hangs up is its own affair.
type Serve = dyn Fn(TcpStream) -> Option<()> + Send + Sync;

fn listen(serve: Arc<Serve>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

fn send(to: &mut impl Write, (status, length, body): &Answer) -> Option<()> {
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    to.write_all(head.as_bytes()).ok()?;
    to.write_all(body).ok()?;
    to.flush().ok()
}

/// Serves HTTP by path until the process ends; returns the base URL.
pub(crate) fn serve(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> String {
    serve_requests(move |request| answer(&request.path))
}

/// The same by the whole request.
pub(crate) fn serve_requests(
    answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> String {
    serve_streams(move |request, stream| send(stream, &answer(request)))
}

/// The same with the stream itself, for servers that are slow or break off.
pub(crate) fn serve_streams(
    answer: impl Fn(&Request, &mut TcpStream) -> Option<()> + Send + Sync + 'static,
) -> String {
    let address = listen(Arc::new(move |mut stream| {
        let (_, request) = Request::read(&mut BufReader::new(&mut stream))?;
        answer(&request, &mut stream)
    }));
    format!("http://{address}")
}

/// Says nothing, for ever.
pub(crate) fn silence() -> Option<()> {
    loop {
        std::thread::park();
    }
}

/// The files below a directory, as a good server gives them.
pub(crate) fn file_of(dir: &Path, path: &str) -> Answer {
    match std::fs::read(dir.join(path.trim_start_matches('/'))) {
        Ok(body) => ("200 OK", body.len(), body),
        Err(_) => ("404 Not Found", 0, Vec::new()),
    }
}

/// A certification authority whose files are in a directory.
pub(crate) struct Authority {
    dir: PathBuf,
    certificate: X509,
    key: PKey<Private>,
}

/// A certificate and its key, in files.
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new(dir: &Path, name: &str) -> Self {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let certificate = certificate(name, &key, None);
        let authority = Self { dir: dir.join(name), certificate, key };
        std::fs::create_dir(&authority.dir).unwrap();
        std::fs::write(authority.file(), authority.certificate.to_pem().unwrap()).unwrap();
        authority
    }

    /// What `sslcacert=` names.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// A certificate for `name`, and for 127.0.0.1.
    pub(crate) fn issue(&self, name: &str) -> Identity {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let certificate = certificate(name, &key, Some(self));
        let file = |kind: &str| self.dir.join(format!("{name}.{kind}"));
        let identity = Identity { certificate: file("pem"), key: file("key") };
        std::fs::write(&identity.certificate, certificate.to_pem().unwrap()).unwrap();
        std::fs::write(&identity.key, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        identity
    }
}

fn certificate(name: &str, key: &PKey<Private>, by: Option<&Authority>) -> X509 {
    let mut names = X509NameBuilder::new().unwrap();
    names.append_entry_by_text("CN", name).unwrap();
    let names = names.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&names).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    match by {
        Some(authority) => {
            builder.set_issuer_name(authority.certificate.subject_name()).unwrap();
            let context = builder.x509v3_context(Some(&authority.certificate), None);
            let hosts = SubjectAlternativeName::new().ip("127.0.0.1").build(&context).unwrap();
            builder.append_extension(hosts).unwrap();
            builder.sign(&authority.key, MessageDigest::sha256()).unwrap();
        }
        None => {
            builder.set_issuer_name(&names).unwrap();
            let constraints = BasicConstraints::new().critical().ca().build().unwrap();
            builder.append_extension(constraints).unwrap();
            builder.sign(key, MessageDigest::sha256()).unwrap();
        }
    }
    builder.build()
}

/// Serves HTTPS with a certificate; one of `clients` is asked of who connects, if that is given.
pub(crate) fn serve_tls(
    identity: &Identity,
    clients: Option<&Authority>,
    answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> String {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    builder.set_certificate_chain_file(&identity.certificate).unwrap();
    builder.set_private_key_file(&identity.key, openssl::ssl::SslFiletype::PEM).unwrap();
    if let Some(authority) = clients {
        builder.set_ca_file(authority.file()).unwrap();
        builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    }
    let acceptor = builder.build();
    let address = listen(Arc::new(move |stream| {
        let mut stream = acceptor.accept(stream).ok()?;
        let (_, mut request) = Request::read(&mut stream)?;
        request.client = stream.ssl().peer_certificate().and_then(|certificate| {
            let name = certificate.subject_name().entries().next()?;
            name.data().to_string().ok()
        });
        send(&mut stream, &answer(&request))?;
        stream.shutdown().ok().map(|_| ())
    }));
    format!("https://{address}")
}

/// An HTTP proxy, which also tunnels; `admit` sees each request and says whether it goes on.
pub(crate) fn proxy(admit: impl Fn(&Request) -> bool + Send + Sync + 'static) -> String {
    let address = listen(Arc::new(move |mut stream| {
        let (method, request) = Request::read(&mut BufReader::with_capacity(1, &mut stream))?;
        if !admit(&request) {
            return send(&mut stream, &("407 Proxy Authentication Required", 0, Vec::new()));
        }
        let tunnel = method == "CONNECT";
        let target = request.path.trim_start_matches("http://");
        let (host, path) = target.split_once('/').unwrap_or((target, ""));
        let mut upstream = TcpStream::connect(host).ok()?;
        match tunnel {
            true => stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").ok()?,
            false => {
                let head = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
                upstream.write_all(head.as_bytes()).ok()?;
            }
        }
        let (mut back, mut to) = (upstream.try_clone().ok()?, stream.try_clone().ok()?);
        let down = std::thread::spawn(move || {
            drop(std::io::copy(&mut back, &mut to));
            drop(to.shutdown(std::net::Shutdown::Both));
        });
        if tunnel {
            drop(std::io::copy(&mut stream, &mut upstream));
        }
        down.join().ok()
    }));
    format!("http://{address}")
}
