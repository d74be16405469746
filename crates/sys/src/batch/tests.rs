//! Both ways of moving a batch must do the same.

use super::*;
use crate::poll::{Entry, poll};
use crate::socket::{Family, Stamping};
use std::net::SocketAddr;

const SECOND: i64 = 1_000_000_000;

fn bound(address: &str) -> Option<Socket> {
    let address: SocketAddr = address.parse().expect("an address");
    let socket = Socket::udp(Family::of(&address)).ok()?;
    socket.set_packet_info().ok()?;
    socket.bind(address).ok()?;
    Some(socket)
}

fn wait(socket: &Socket) {
    let mut entries = [Entry::new(socket.as_raw_fd())];
    assert_eq!(poll(&mut entries, Some(2 * SECOND)).expect("poll"), 1, "nothing came within two seconds");
}

/// What comes to `socket`, as text, each from `from`.
fn answers(socket: &Socket, from: SocketAddr, count: usize) -> Vec<String> {
    let mut buffer = [0; 2048];
    let mut texts = Vec::new();
    while texts.len() < count {
        wait(socket);
        while let Some(got) = crate::message::receive(socket, &mut buffer).expect("receive") {
            assert_eq!(got.from, Some(from));
            texts.push(String::from_utf8_lossy(&buffer[..got.len]).into_owned());
        }
    }
    texts
}

#[test]
fn everybody_gets_his_own_answer_from_the_address_he_asked() {
    for (loopback, one_by_one) in
        [("127.0.0.1", false), ("127.0.0.1", true), ("[::1]", false), ("[::1]", true)]
    {
        let any = if loopback.contains('.') { "0.0.0.0:0" } else { "[::]:0" };
        let (Some(server), Some(probe)) = (bound(any), bound(&format!("{loopback}:0"))) else {
            eprintln!("SKIPPED: no {loopback} here");
            continue;
        };
        let to = SocketAddr::new(
            probe.local_addr().expect("bound").ip(),
            server.local_addr().expect("bound").port(),
        );
        let clients: Vec<Socket> =
            (0..5).map(|_| bound(&format!("{loopback}:0")).expect("as before")).collect();
        for number in 0..20 {
            for (who, client) in clients.iter().enumerate() {
                let text = format!("{who} asks {number}");
                crate::message::send(client, text.as_bytes(), Some(to), None, 0).expect("room");
            }
        }
        let mut batch = Batch::new(one_by_one);
        for expected in [32, 32, 32, 4, 0] {
            assert_eq!(batch.receive(&server, Wait::No), expected, "{loopback} {one_by_one}");
            for index in 0..expected {
                let got = batch.received(index);
                assert_eq!((got.to, got.truncated), (Some(to.ip()), false));
                assert!(got.from.is_some() && batch.sender(index) == got.from);
                let text = format!("{} answered", String::from_utf8_lossy(batch.bytes(index)));
                let reply =
                    Reply { bytes: text.as_bytes(), from: got.reply_from, interface: 0, stamp: false };
                if !text.ends_with("7 answered") {
                    batch.reply(index, &server, &reply).expect("the same family");
                }
            }
            batch.send(&server);
        }
        assert_eq!(batch.one_by_one, one_by_one, "this kernel knows the calls");
        for (who, client) in clients.iter().enumerate() {
            let expected: Vec<String> = (0..20)
                .filter(|number| number % 10 != 7)
                .map(|number| format!("{who} asks {number} answered"))
                .collect();
            assert_eq!(answers(client, to, expected.len()), expected);
        }
    }
}

#[test]
fn a_datagram_longer_than_the_room_is_cut_and_says_so() {
    for one_by_one in [false, true] {
        let (server, client) =
            (bound("127.0.0.1:0").expect("loopback"), bound("127.0.0.1:0").expect("loopback"));
        let to = server.local_addr().expect("bound");
        let mut batch = Batch::new(one_by_one);
        for (sent, kept) in [(ROOM + 1, ROOM), (ROOM, ROOM), (3, 3), (0, 0)] {
            crate::message::send(&client, &vec![7; sent], Some(to), None, 0).expect("room");
            wait(&server);
            assert_eq!(batch.receive(&server, Wait::No), 1);
            assert_eq!((batch.bytes(0).len(), batch.received(0).truncated), (kept, sent > kept));
        }
    }
}

#[test]
fn a_reply_that_cannot_leave_does_not_stop_the_others() {
    for one_by_one in [false, true] {
        let (server, client) =
            (bound("127.0.0.1:0").expect("loopback"), bound("127.0.0.1:0").expect("loopback"));
        let to = server.local_addr().expect("bound");
        for text in ["a", "b", "c"] {
            crate::message::send(&client, text.as_bytes(), Some(to), None, 0).expect("room");
        }
        let mut batch = Batch::new(one_by_one);
        wait(&server);
        assert_eq!(batch.receive(&server, Wait::No), 3);
        let foreign: IpAddr = "192.0.2.77".parse().expect("an address");
        for (index, from) in [(0, to.ip()), (1, foreign), (2, to.ip())] {
            let bytes = batch.bytes(index).to_vec();
            let reply = Reply { bytes: &bytes, from: Some(from), interface: 0, stamp: false };
            batch.reply(index, &server, &reply).expect("the same family");
        }
        assert_eq!(batch.send(&server), 2);
        assert_eq!((answers(&client, to, 2), batch.one_by_one), (vec!["a".into(), "c".into()], one_by_one));
        let wrong = Reply { bytes: b"x", from: Some("::1".parse().expect("v6")), interface: 0, stamp: false };
        assert!(batch.reply(0, &server, &wrong).is_err(), "an address of the other family");
    }
}

#[test]
fn only_the_replies_that_ask_for_it_are_stamped() {
    let (server, client) = (bound("127.0.0.1:0").expect("loopback"), bound("127.0.0.1:0").expect("loopback"));
    server.set_stamping(Stamping::Receive).expect("stamps");
    let to = server.local_addr().expect("bound");
    for text in ["plain", "stamped"] {
        crate::message::send(&client, text.as_bytes(), Some(to), None, 0).expect("room");
    }
    wait(&server);
    let mut batch = Batch::new(false);
    assert_eq!(batch.receive(&server, Wait::No), 2);
    for index in 0..2 {
        let bytes = batch.bytes(index).to_vec();
        let reply = Reply { bytes: &bytes, from: Some(to.ip()), interface: 0, stamp: bytes == b"stamped" };
        batch.reply(index, &server, &reply).expect("the same family");
    }
    assert_eq!(batch.send(&server), 2);
    assert_eq!(answers(&client, to, 2), ["plain", "stamped"]);
    let mut buffer = [0; 512];
    wait(&server);
    let sent = crate::message::receive_error_queue(&server, &mut buffer).expect("queue").expect("an entry");
    assert!(sent.stamp.is_some() && buffer[..sent.len].ends_with(b"stamped"));
    assert_eq!(crate::message::receive_error_queue(&server, &mut buffer).expect("queue"), None);
}

#[test]
fn a_batch_waits_as_it_is_told_but_not_for_long() {
    for one_by_one in [false, true] {
        let (mut server, client) =
            (bound("127.0.0.1:0").expect("loopback"), bound("127.0.0.1:0").expect("loopback"));
        let mut batch = Batch::new(one_by_one);
        assert_eq!(batch.receive(&server, Wait::ForOne), 0, "this one cannot wait");
        server.set_waiting(40_000_000).expect("to wait");
        let to = server.local_addr().expect("bound");
        let ask = |count| {
            (0..count).for_each(|_| crate::message::send(&client, b"x", Some(to), None, 0).expect("room"));
        };
        let begin = crate::clock::monotonic();
        assert_eq!(batch.receive(&server, Wait::No), 0, "at once");
        assert_eq!(batch.receive(&server, Wait::ForOne), 0);
        assert!(crate::clock::monotonic() - begin >= 36_000_000, "a tick less at most");
        ask(5);
        assert_eq!(batch.receive(&server, Wait::ForSome), 5);
        ask(1);
        assert_eq!(batch.receive(&server, Wait::ForOne), 1);
        ask(3);
        assert_eq!(batch.receive(&server, Wait::ForSome), 3, "though the last was alone");
        ask(1);
        assert_eq!(batch.receive(&server, Wait::ForOne), 1);
        ask(40);
        let counts: Vec<usize> = (0..40)
            .map_while(|_| Some(batch.receive(&server, Wait::ForOne)))
            .take_while(|&count| count > 0)
            .collect();
        assert!(counts.iter().sum::<usize>() == 40 && counts.len() <= ALONE as usize + 1, "{counts:?}");
        let late = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(5));
            crate::message::send(&client, b"x", Some(to), None, 0).expect("room");
        });
        // The thread may be late by more than we wait.
        let mut waits = (0..100).map(|_| batch.receive(&server, Wait::ForOne));
        assert_eq!(waits.find(|&count| count > 0), Some(1));
        late.join().expect("sent");
    }
}
