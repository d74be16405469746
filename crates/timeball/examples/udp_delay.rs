//! A relay that makes a path as long as wanted: `udp_delay LISTEN TARGET THERE_MS BACK_MS JITTER_MS`.
//!
//! For tests on kernels without netem. Every client keeps its own socket towards the target, so that answers find
//! their way; jitter is exponential with the given mean, in each direction. Ends with its parent (stdin closes).

use std::collections::{BTreeMap, BinaryHeap};
use std::io::Read;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// One datagram that waits for its time; the heap gives the earliest first.
struct Waiting {
    due: Instant,
    bytes: Vec<u8>,
    socket: UdpSocket,
    to: SocketAddr,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}
impl Eq for Waiting {}
impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.due.cmp(&self.due)
    }
}

fn deliver(queue: &Receiver<Waiting>) {
    let mut heap: BinaryHeap<Waiting> = BinaryHeap::new();
    loop {
        let wait = heap
            .peek()
            .map_or(Duration::from_secs(3600), |w| w.due.saturating_duration_since(Instant::now()));
        match queue.recv_timeout(wait) {
            Ok(waiting) => heap.push(waiting),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                while heap.peek().is_some_and(|w| w.due <= Instant::now()) {
                    if let Some(w) = heap.pop() {
                        // A refused datagram is a lost one, as on any path.
                        let _ = w.socket.send_to(&w.bytes, w.to);
                    }
                }
            }
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Exponential jitter from a small generator: mean `mean` ms.
fn delayed(base: f64, mean: f64, state: &mut u64) -> Duration {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    let uniform = (*state >> 11) as f64 / (1u64 << 53) as f64;
    Duration::from_secs_f64((base - mean * (1.0 - uniform).max(1e-12).ln()) / 1000.0)
}

fn relay_back(
    from_target: UdpSocket,
    listen: UdpSocket,
    client: SocketAddr,
    queue: Sender<Waiting>,
    back: f64,
    jitter: f64,
) {
    let (mut buffer, mut state) = ([0; 2048], u64::from(client.port()) + 77);
    while let Ok((len, _)) = from_target.recv_from(&mut buffer) {
        let Ok(socket) = listen.try_clone() else { return };
        let due = Instant::now() + delayed(back, jitter, &mut state);
        if queue.send(Waiting { due, bytes: buffer[..len].to_vec(), socket, to: client }).is_err() {
            return;
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [listen, target, there, back, jitter] = args.as_slice() else {
        eprintln!("usage: udp_delay LISTEN:PORT TARGET:PORT THERE_MS BACK_MS JITTER_MS");
        std::process::exit(2);
    };
    let target: SocketAddr = target.parse().expect("TARGET is ADDRESS:PORT");
    let listen = UdpSocket::bind(listen).expect("LISTEN can be bound");
    let [there, back, jitter] = [there, back, jitter].map(|x| x.parse::<f64>().expect("milliseconds"));
    let (queue, waiting) = channel();
    thread::spawn(move || deliver(&waiting));
    thread::spawn(|| {
        let mut end = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut end);
        std::process::exit(0);
    });
    let mut clients: BTreeMap<SocketAddr, UdpSocket> = BTreeMap::new();
    let (mut buffer, mut state) = ([0; 2048], 42);
    while let Ok((len, client)) = listen.recv_from(&mut buffer) {
        if clients.len() > 1000 {
            clients.clear();
        }
        let socket = clients.entry(client).or_insert_with(|| {
            let any = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any).expect("a socket towards the target");
            socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
            let (up, down) = (socket.try_clone().expect("a copy"), listen.try_clone().expect("a copy"));
            let queue = queue.clone();
            thread::spawn(move || relay_back(up, down, client, queue, back, jitter));
            socket
        });
        let due = Instant::now() + delayed(there, jitter, &mut state);
        let Ok(socket) = socket.try_clone() else { continue };
        if queue.send(Waiting { due, bytes: buffer[..len].to_vec(), socket, to: target }).is_err() {
            return;
        }
    }
}
