//! The web server: GET and HEAD, a few fixed paths, everything bounded.
//!
//! Whoever connects may be slow, many, or hostile. Connections are limited in number; when there are too many, the one that has
//! been idle for longest makes way, so that a thousand half-open ones cost nobody else anything. Heads are limited in size and
//! time. A `Host` that is neither an address nor a name of this machine is refused, so that no foreign page can have its
//! name resolved to us and read our answers.

use super::api::{self, Asked, Refusal};
use super::files;
use super::observer::Shared;
use super::openmetrics;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io::Read;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

/// Connections at one time.
const MOST_CONNECTIONS: usize = 160;
/// Listeners of `/api/live` at one time.
pub const MOST_LISTENERS: usize = 64;
/// A head must have come within this.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// A connection that asks for nothing is closed after this.
const IDLE_TIME: Duration = Duration::from_secs(30);
/// An answer must have been taken within this (those of `/api/live` aside).
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// Bytes of a head.
const LONGEST_HEAD: usize = 16 * 1024;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The body of an answer.
#[derive(Debug)]
pub enum Answer {
    /// All of it.
    Whole(Option<Bytes>),
    /// As it happens.
    Live(mpsc::Receiver<Bytes>),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Live(receiver) => {
                receiver.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Live(_) => SizeHint::default(),
        }
    }
}

/// One connection, as the others see it.
#[derive(Debug)]
struct Connection {
    last: Cell<Instant>,
    /// A request is being answered.
    busy: Cell<bool>,
    /// … for as long as the client wants.
    live: Cell<bool>,
    close: Notify,
}

/// All connections.
#[derive(Debug, Default)]
pub struct Connections(RefCell<Vec<Rc<Connection>>>);

impl Connections {
    /// Makes room; `false`: everybody is busy.
    fn admit(&self, connection: &Rc<Connection>) -> bool {
        let mut all = self.0.borrow_mut();
        if all.len() >= MOST_CONNECTIONS {
            let idle = all.iter().enumerate().filter(|(_, other)| !other.busy.get() && !other.live.get());
            let Some((at, _)) = idle.min_by_key(|(_, other)| other.last.get()) else { return false };
            all.swap_remove(at).close.notify_one();
        }
        all.push(Rc::clone(connection));
        true
    }

    fn leave(&self, connection: &Rc<Connection>) {
        self.0.borrow_mut().retain(|other| !Rc::ptr_eq(other, connection));
    }

    /// Closes what has been idle, or slow to take an answer, for too long.
    pub fn sweep(&self, now: Instant) {
        for connection in self.0.borrow().iter() {
            let limit = if connection.busy.get() { ANSWER_TIME } else { IDLE_TIME };
            if !connection.live.get() && now.saturating_duration_since(connection.last.get()) > limit {
                connection.close.notify_one();
            }
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.borrow().len()
    }
}

/// Answers whoever connects to `listener`, for ever.
pub async fn serve(listener: TcpListener, shared: Rc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Rc::clone(&shared);
                let connection = Rc::new(Connection {
                    last: Cell::new(Instant::now()),
                    busy: Cell::new(false),
                    live: Cell::new(false),
                    close: Notify::new(),
                });
                if shared.connections.admit(&connection) {
                    tokio::task::spawn_local(attend(stream, connection, shared));
                }
            }
            // Out of descriptors, or gone again already: the next may do better.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn attend(stream: TcpStream, connection: Rc<Connection>, shared: Rc<Shared>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request: Request<Incoming>| {
        connection.last.set(Instant::now());
        connection.busy.set(true);
        let response = answer(&request, &shared);
        let live = matches!(response.body(), Answer::Live(_));
        connection.live.set(live);
        connection.busy.set(false);
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let talk = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(LONGEST_HEAD)
        .max_headers(64)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = talk => {}
        () = connection.close.notified() => {}
    }
    shared.connections.leave(&connection);
}

fn answer(request: &Request<Incoming>, shared: &Shared) -> Response<Answer> {
    let mut response = match route(request, shared) {
        Ok(response) => response,
        Err((status, text)) => {
            let body = serde_json::json!({"error": text}).to_string();
            let mut response = plain("application/json", body.into());
            *response.status_mut() =
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            if status == 405 {
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            }
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn plain(kind: &'static str, body: Bytes) -> Response<Answer> {
    let mut response = Response::new(Answer::Whole(Some(body)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn route(request: &Request<Incoming>, shared: &Shared) -> Result<Response<Answer>, Refusal> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err((405, "only GET and HEAD".to_owned()));
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    };
    let absolute = request.uri().host().is_none_or(|host| shared.knows(host));
    if !host.is_some_and(|host| shared.knows(host)) || !absolute {
        return Err((
            421,
            "asked for by a name that is not one of this machine's; web host NAME adds one".to_owned(),
        ));
    }
    let now = super::observer::now();
    let asked = Asked {
        now,
        public: shared.public,
        query: request.uri().query().unwrap_or_default(),
        host: &shared.host,
    };
    let recorder = shared.recorder.borrow();
    let json = |value: serde_json::Value| Ok(plain("application/json", value.to_string().into()));
    match request.uri().path() {
        "/api/status" => json(api::status(&recorder, &asked)),
        "/api/sources" => json(api::sources(&recorder, &asked)?),
        "/api/clients" => json(api::clients(&recorder, &asked)?),
        "/api/plots" => json(super::plots::json()),
        "/api/events" => json(api::events(&recorder, &asked)?),
        "/api/series" => {
            let (kind, text) = api::series(&recorder, &asked)?;
            Ok(plain(kind, text.into()))
        }
        "/api/live" => live(request, shared, &asked),
        "/metrics" if shared.public => Err((403, "not on the public page".to_owned())),
        "/metrics" => Ok(plain(
            openmetrics::KIND,
            openmetrics::render(&recorder, shared.connections.count(), now).into(),
        )),
        path => file(request, path),
    }
}

/// Server-sent events; the first are there at once.
fn live(
    request: &Request<Incoming>,
    shared: &Shared,
    asked: &Asked<'_>,
) -> Result<Response<Answer>, Refusal> {
    if *request.method() == Method::HEAD {
        return Ok(plain("text/event-stream", Bytes::new()));
    }
    let receiver = shared.listen(asked).ok_or((503, "too many listeners".to_owned()))?;
    let mut response = Response::new(Answer::Live(receiver));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

/// A file of the page.
fn file(request: &Request<Incoming>, path: &str) -> Result<Response<Answer>, Refusal> {
    let file = files::find(path).ok_or((404, "there is nothing here".to_owned()))?;
    let list = |name| {
        request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default()
    };
    let mut response = plain(file.kind, Bytes::from_static(file.packed));
    if list(header::IF_NONE_MATCH).split(',').any(|tag| tag.trim().trim_start_matches("W/") == file.tag) {
        response = plain(file.kind, Bytes::new());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else if list(header::ACCEPT_ENCODING).split(',').any(|coding| coding.trim().starts_with("gzip")) {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    } else {
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(file.packed)
            .read_to_end(&mut bytes)
            .map_err(|error| (500, error.to_string()))?;
        response = plain(file.kind, bytes.into());
    }
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_static(file.tag));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    Ok(response)
}

/// Is this `Host` an address, or a name of this machine? Addresses are never resolved, so nobody can have them point elsewhere.
pub fn is_own(host: &str, names: &[String]) -> bool {
    let bare = match host.rsplit_once(':') {
        Some((bare, port))
            if !bare.is_empty()
                && port.bytes().all(|byte| byte.is_ascii_digit())
                && (!bare.contains(':') || bare.ends_with(']')) =>
        {
            bare
        }
        _ => host,
    };
    let address = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(bare);
    if address.parse::<IpAddr>().is_ok() {
        return true;
    }
    let bare = bare.trim_end_matches('.').to_ascii_lowercase();
    bare == "localhost" || names.contains(&bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_names_and_addresses_are_answered() {
        let names = ["time.example".to_owned()];
        for own in [
            "127.0.0.1:8123",
            "127.0.0.1",
            "[::1]:80",
            "[::1]",
            "localhost",
            "LOCALHOST:1",
            "time.example",
            "Time.Example.:8123",
            "192.0.2.1",
        ] {
            assert!(is_own(own, &names), "{own}");
        }
        for foreign in [
            "",
            "evil.example",
            "evil.example:8123",
            "127.0.0.1.evil.example",
            "time.example.evil",
            "localhost.evil",
            "a@127.0.0.1",
            "time.example:8123x",
        ] {
            assert!(!is_own(foreign, &names), "{foreign}");
        }
    }

    #[tokio::test]
    async fn the_longest_idle_makes_way_and_the_busy_stay() {
        let all = Connections::default();
        let new = || {
            Rc::new(Connection {
                last: Cell::new(Instant::now()),
                busy: Cell::new(false),
                live: Cell::new(false),
                close: Notify::new(),
            })
        };
        let first = new();
        first.live.set(true);
        assert!(all.admit(&first));
        let second = new();
        assert!(all.admit(&second));
        for _ in 0..1000 {
            assert!(all.admit(&new()));
        }
        assert_eq!(all.count(), MOST_CONNECTIONS);
        assert!(all.0.borrow().iter().any(|other| Rc::ptr_eq(other, &first)));
        assert!(!all.0.borrow().iter().any(|other| Rc::ptr_eq(other, &second)));
        second.close.notified().await;
        all.0.borrow().iter().for_each(|other| other.busy.set(true));
        assert!(!all.admit(&new()));
    }
}
