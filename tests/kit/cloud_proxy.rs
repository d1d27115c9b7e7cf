//! Stands between a bucket and its server, and interferes with requests: to test what a network or a policy may do.
//!
//! It is no policy of a cloud: it refuses what a policy would refuse.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What is done to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    /// The connection is cut, and the server never hears of it.
    Cut,
    /// It is answered with 403, and the server never hears of it.
    Refuse,
}

/// Which requests are interfered with.
#[derive(Clone)]
pub(crate) struct Rule {
    is_meant: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    does: Does,
    most: usize,
}

impl Rule {
    /// Requests with such a head, every time.
    pub(crate) fn new(is_meant: impl Fn(&str) -> bool + Send + Sync + 'static, does: Does) -> Self {
        Self { is_meant: Arc::new(is_meant), does, most: usize::MAX }
    }

    /// Only the first of them.
    pub(crate) fn once(self) -> Self {
        Self { most: 1, ..self }
    }
}

#[derive(Default)]
struct Shared {
    rule: Mutex<Option<Rule>>,
    date: Mutex<Option<Timestamp>>,
    hits: AtomicUsize,
}

/// A proxy, removed together with its connections.
pub(crate) struct CloudProxy {
    port: u16,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl CloudProxy {
    /// Starts in front of a server of this machine.
    pub(crate) async fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, shared) = (listener.local_addr().unwrap().port(), Arc::<Shared>::default());
        let (mut tasks, passing) = (JoinSet::new(), shared.clone());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let shared = passing.clone();
                connections.spawn(async move { pass(client, port, upstream, &shared).await });
            }
        });
        Self { port, shared, _tasks: tasks }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on it interferes by this rule.
    pub(crate) fn set(&self, rule: Option<Rule>) {
        *self.shared.rule.lock().unwrap() = rule;
        self.shared.hits.store(0, Ordering::SeqCst);
    }

    /// How often the rule was applied.
    pub(crate) fn hits(&self) -> usize {
        self.shared.hits.load(Ordering::SeqCst)
    }

    /// From now on answers have this date.
    pub(crate) fn tell_date(&self, date: Option<Timestamp>) {
        *self.shared.date.lock().unwrap() = date;
    }
}

impl Shared {
    fn interferes(&self, head: &str) -> Option<Does> {
        let rule = self.rule.lock().unwrap().clone()?;
        let is_hit = (rule.is_meant)(head) && self.hits.load(Ordering::SeqCst) < rule.most;
        is_hit.then(|| {
            self.hits.fetch_add(1, Ordering::SeqCst);
            rule.does
        })
    }
}

/// One request and its answer.
async fn pass(mut client: TcpStream, port: u16, upstream: u16, shared: &Shared) -> Option<()> {
    let (head, body) = read_request(&mut client).await?;
    match shared.interferes(&head) {
        Some(Does::Cut) => return None,
        Some(Does::Refuse) => {
            let refusal = "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            return client.write_all(refusal.as_bytes()).await.ok();
        }
        None => {}
    }
    let mut server = TcpStream::connect(("127.0.0.1", upstream)).await.ok()?;
    let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    server.write_all(head.as_bytes()).await.ok()?;
    server.write_all(&body).await.ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.ok()?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let date = *shared.date.lock().unwrap();
    let lines = head.split("\r\n").map(|line| match date {
        Some(date) if line.to_lowercase().starts_with("date:") => {
            format!("Date: {}", date.strftime("%a, %d %b %Y %H:%M:%S GMT"))
        }
        _ if line.to_lowercase().starts_with("connection:") => "Connection: close".to_owned(),
        // A server that names its own address would be asked directly next time.
        _ if line.to_lowercase().starts_with("location:") => {
            line.replace(&format!(":{upstream}/"), &format!(":{port}/"))
        }
        _ => line.to_owned(),
    });
    let head = lines.collect::<Vec<_>>().join("\r\n");
    client.write_all(head.as_bytes()).await.ok()?;
    client.write_all(&answer[end..]).await.ok()
}

async fn read_request(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if client.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = read.split_off(end);
    let missing = length.unwrap_or(0_usize).saturating_sub(body.len());
    let mut rest = vec![0; missing];
    client.read_exact(&mut rest).await.ok()?;
    body.extend(rest);
    Some((head, body))
}
