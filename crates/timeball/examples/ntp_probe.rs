//! A client, a recording server and a flood, for tests that look at the daemon from outside.
//!
//! * `ntp_probe ask ADDRESS PORT [COUNT]` sends requests and prints a line for each answer:
//!   `answer from=ADDRESS leap=N version=N mode=N stratum=N len=N delay_us=N offset_ms=X`, or `silence`.
//! * `ntp_probe record ADDRESS PORT SECONDS` answers requests as a stratum-1 server and prints
//!   `request port=N hex=…` for each.
//! * `ntp_probe world PORT SECONDS ADDRESS=WAY,OFFSET,RATE,LOSS...` is many stratum-1 servers at once, each as far away (ms,
//!   one way), as wrong (ms), as fast (ppm) and as deaf (one in so many requests, 0 for none) as it is told.
//! * `ntp_probe exact ADDRESS PORT COUNT SOURCE...` asks in interleaved mode, COUNT times from each source, and prints
//!   `asked=N told=N wrong=N`: answers that tell when the one before left, and of these such as cannot be true.
//! * `ntp_probe hold ADDRESS PORT COUNT` asks in that mode too, but never for an answer that was given: `asked=N answered=N`.
//! * `ntp_probe flood ADDRESS PORT COUNT SEED` sends hostile datagrams and prints
//!   `sent=N replies=N longer=N unasked=N`: replies longer than the longest datagram of their socket, and replies on
//!   sockets that sent nothing but non-requests.

use ntp::rng::Rng;
use ntp::time::{NtpShort, NtpTime};
use ntp::wire::{Leap, Mode, Packet};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn unix_nanos() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64)
}

fn blank(version: u8, mode: Mode) -> Packet {
    Packet {
        leap: Leap::None,
        version,
        mode,
        stratum: 0,
        poll: 6,
        precision: 32,
        root_delay: NtpShort(0),
        root_dispersion: NtpShort(0),
        refid: Default::default(),
        reference: NtpTime::ZERO,
        origin: NtpTime::ZERO,
        receive: NtpTime::ZERO,
        transmit: NtpTime::ZERO,
    }
}

fn socket_for(target: SocketAddr) -> UdpSocket {
    let any = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    UdpSocket::bind(any).expect("a socket")
}

fn ask(target: SocketAddr, count: u32) {
    for _ in 0..count {
        let socket = socket_for(target);
        socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
        let sent = Instant::now();
        let transmit = NtpTime::from_unix_nanos(unix_nanos());
        let request = Packet { transmit, ..blank(4, Mode::Client) };
        let mut buffer = [0; 2048];
        let answer = socket.send_to(&request.emit(), target).and_then(|_| socket.recv_from(&mut buffer));
        match answer {
            Ok((len, from)) => {
                let packet = Packet::parse(&buffer[..len]).expect("a whole header");
                let matches = packet.origin == transmit;
                let offset = (packet.transmit.to_local().nanos() - unix_nanos()) as f64 * 1e-6;
                println!(
                    "answer from={} leap={} version={} mode={} stratum={} len={len} delay_us={} offset_ms={offset:.3} origin={matches}",
                    from.ip(),
                    packet.leap as u8,
                    packet.version,
                    packet.mode as u8,
                    packet.stratum,
                    sent.elapsed().as_micros(),
                );
            }
            Err(_) => println!("silence"),
        }
    }
}

/// A request of interleaved mode that names the answer to the one received at `last`.
fn naming(last: NtpTime, number: u64) -> Packet {
    Packet { origin: last, receive: NtpTime(number), transmit: NtpTime(!number), ..blank(4, Mode::Client) }
}

fn exact(target: SocketAddr, count: u64, sources: &[String]) {
    let (mut asked, mut told, mut wrong) = (0, 0, 0);
    for source in sources {
        let socket = UdpSocket::bind((source.as_str(), 0)).expect("an address of ours");
        socket.set_read_timeout(Some(Duration::from_secs(1))).expect("a timeout");
        let (mut last, mut buffer) = (NtpTime::ZERO, [0; 64]);
        for number in 1..=count {
            let request = naming(last, number);
            let len = socket.send_to(&request.emit(), target).and_then(|_| socket.recv(&mut buffer));
            asked += 1;
            let Some(reply) = len.ok().and_then(|len| Packet::parse(&buffer[..len])) else { continue };
            if reply.origin == request.receive {
                told += 1;
                let took = reply.transmit.to_local() - last.to_local();
                wrong += u64::from(!(0.0..1.0).contains(&took));
            }
            last = reply.receive;
        }
    }
    println!("asked={asked} told={told} wrong={wrong}");
}

fn hold(target: SocketAddr, count: u64) {
    let socket = socket_for(target);
    socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
    let (mut answered, mut buffer) = (0, [0; 64]);
    for number in 1..=count {
        let _ = socket.send_to(&naming(NtpTime(number << 32 | 1), number).emit(), target);
        if number % 32 == 0 || number == count {
            // As many as have come, then silence.
            let before = answered;
            while answered < before + 32 && socket.recv(&mut buffer).is_ok() {
                answered += 1;
            }
        }
    }
    println!("asked={count} answered={answered}");
}

fn record(at: SocketAddr, seconds: u64) {
    let socket = UdpSocket::bind(at).expect("the address can be bound");
    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut buffer = [0; 2048];
    while Instant::now() < end {
        let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
        let now = NtpTime::from_unix_nanos(unix_nanos());
        let hex: String = buffer[..len].iter().map(|b| format!("{b:02x}")).collect();
        println!("request port={} hex={hex}", from.port());
        let Some(request) = Packet::parse(&buffer[..len]) else { continue };
        let reply = Packet {
            stratum: 1,
            precision: -20,
            refid: ntp::ids::RefId::from_text("TEST"),
            reference: now,
            origin: request.transmit,
            receive: now,
            transmit: NtpTime::from_unix_nanos(unix_nanos()),
            ..blank(request.version, Mode::Server)
        };
        let _ = socket.send_to(&reply.emit(), from);
    }
}

/// One server of the world, until `end`.
fn serve(at: SocketAddr, [way, offset, rate, deaf]: [f64; 4], end: Instant) {
    let socket = UdpSocket::bind(at).expect("the address can be bound");
    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    let (start, way) = (Instant::now(), Duration::from_secs_f64(way * 1e-3));
    let its_time = |later: Duration| {
        let wrong = offset * 1e-3 + rate * 1e-6 * start.elapsed().as_secs_f64();
        NtpTime::from_unix_nanos(unix_nanos() + later.as_nanos() as i64 + (wrong * 1e9) as i64)
    };
    let (mut buffer, mut count) = ([0; 2048], 0_u64);
    while Instant::now() < end {
        let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
        let Some(request) = Packet::parse(&buffer[..len]) else { continue };
        count += 1;
        if deaf > 0.0 && count % deaf as u64 == 0 {
            continue;
        }
        let there = its_time(way);
        std::thread::sleep(2 * way);
        let reply = Packet {
            stratum: 1,
            precision: -20,
            refid: ntp::ids::RefId::from_text("TEST"),
            reference: there,
            origin: request.transmit,
            receive: there,
            transmit: there,
            ..blank(request.version, Mode::Server)
        };
        let _ = socket.send_to(&reply.emit(), from);
    }
}

/// All servers of `ADDRESS=WAY,OFFSET,RATE,LOSS`, a thread each.
fn world(port: u16, seconds: u64, servers: &[String]) {
    let end = Instant::now() + Duration::from_secs(seconds);
    let one = |text: &String| {
        let (address, numbers) = text.split_once('=').expect("ADDRESS=NUMBERS");
        let numbers: Vec<f64> = numbers.split(',').map(|n| n.parse().expect("a number")).collect();
        let at = SocketAddr::new(address.parse().expect("an address"), port);
        let numbers = numbers.try_into().expect("four numbers");
        std::thread::spawn(move || serve(at, numbers, end))
    };
    let threads: Vec<_> = servers.iter().map(one).collect();
    println!("ready");
    for thread in threads {
        let _ = thread.join();
    }
}

/// A hostile datagram and whether a server may answer it.
fn hostile(rng: &mut Rng) -> (Vec<u8>, bool) {
    let len = match rng.below(4) {
        0 => rng.below(48),
        1 => 48,
        2 => 48 + 4 * rng.below(30),
        _ => rng.below(1400),
    };
    let mut bytes: Vec<u8> = (0..len).map(|_| rng.bits() as u8).collect();
    if rng.below(2) == 0 && len > 0 {
        bytes[0] = (rng.below(256)) as u8;
    }
    let answerable = bytes.len() >= 48
        && (1..=4).contains(&(bytes[0] >> 3 & 7))
        && (matches!(bytes[0] & 7, 1 | 3) || bytes[0] >> 3 & 7 == 1 && bytes[0] & 7 == 0);
    (bytes, answerable)
}

fn flood(target: SocketAddr, count: u64, seed: u64) {
    let mut rng = Rng::from_number(seed);
    let (requests, noise) = (socket_for(target), socket_for(target));
    for socket in [&requests, &noise] {
        socket.set_nonblocking(true).expect("non-blocking");
    }
    let (mut longest, mut replies, mut longer, mut unasked) = (0, 0u64, 0u64, 0u64);
    let mut buffer = [0; 4096];
    let mut drain = |longest: usize, replies: &mut u64, longer: &mut u64, unasked: &mut u64| {
        while let Ok((len, _)) = requests.recv_from(&mut buffer) {
            *replies += 1;
            *longer += u64::from(len > longest);
        }
        while noise.recv_from(&mut buffer).is_ok() {
            *unasked += 1;
        }
    };
    for i in 0..count {
        let (bytes, answerable) = hostile(&mut rng);
        longest = if answerable { 48 } else { longest };
        let socket = if answerable { &requests } else { &noise };
        let _ = socket.send_to(&bytes, target);
        if i % 64 == 63 {
            drain(longest, &mut replies, &mut longer, &mut unasked);
            std::thread::sleep(Duration::from_micros(300));
        }
    }
    std::thread::sleep(Duration::from_millis(200));
    drain(longest, &mut replies, &mut longer, &mut unasked);
    println!("sent={count} replies={replies} longer={longer} unasked={unasked}");
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default: u64| args.get(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    if args.first().is_some_and(|what| what == "world") && args.len() > 3 {
        return world(number(1, 123) as u16, number(2, 10), &args[3..]);
    }
    let (Some(what), Some(address)) = (args.first(), args.get(1).and_then(|a| a.parse().ok())) else {
        eprintln!("usage: ntp_probe ask|record|exact|hold|flood ADDRESS PORT … | world PORT SECONDS SERVER…");
        std::process::exit(2);
    };
    let at = SocketAddr::new(address, number(2, 123) as u16);
    match what.as_str() {
        "ask" => ask(at, number(3, 1) as u32),
        "record" => record(at, number(3, 10)),
        "exact" => exact(at, number(3, 1), args.get(4..).unwrap_or_default()),
        "hold" => hold(at, number(3, 10_000)),
        "flood" => flood(at, number(3, 10_000), number(4, 1)),
        _ => std::process::exit(2),
    }
}
