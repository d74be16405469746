//! The kept fuzz corpora as an ordinary test: every input, its prefixes and its neighbours.
//!
//! The fuzzer itself (`fuzz/run`) needs a C++ compiler; what it once found is checked everywhere.

#[path = "properties/changes.rs"]
mod changes;
#[path = "properties/config.rs"]
mod config;
#[path = "properties/control_reply.rs"]
mod control_reply;
#[path = "properties/control_request.rs"]
mod control_request;
#[path = "properties/dump.rs"]
mod dump;
#[path = "properties/files_and_devices.rs"]
mod files_and_devices;
#[path = "properties/keys.rs"]
mod keys;
#[path = "properties/leap.rs"]
mod leap;
#[path = "properties/own_request.rs"]
mod own_request;
#[path = "properties/packet.rs"]
mod packet;
#[path = "properties/respond.rs"]
mod respond;
#[path = "properties/serve.rs"]
mod serve;

use std::path::Path;

/// Checks every input of `target`, cut off at every length and with every byte changed.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.sort();
    assert!(files.len() >= 12, "{} holds {} inputs only", folder.display(), files.len());
    for file in files {
        let input = std::fs::read(&file).expect("a readable input");
        println!("{}", file.display()); // shown when the check fails
        (0..=input.len()).for_each(|len| check(&input[..len]));
        let mut neighbour = input.clone();
        for at in 0..input.len() {
            for change in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff] {
                neighbour[at] = input[at] ^ change;
                check(&neighbour);
            }
            neighbour[at] = input[at];
        }
    }
}

#[test]
fn packet_corpus() {
    replay("packet", packet::check);
}

#[test]
fn respond_corpus() {
    replay("respond", respond::check);
}

#[test]
fn serve_corpus() {
    replay("serve", serve::check);
}

#[test]
fn config_corpus() {
    replay("config", config::check);
}

#[test]
fn control_request_corpus() {
    replay("control_request", control_request::check);
}

#[test]
fn control_reply_corpus() {
    replay("control_reply", control_reply::check);
}

#[test]
fn changes_corpus() {
    replay("changes", changes::check);
}

#[test]
fn dump_corpus() {
    replay("dump", dump::check);
}

#[test]
fn keys_corpus() {
    replay("keys", keys::check);
}

#[test]
fn leap_corpus() {
    replay("leap", leap::check);
}

#[test]
fn own_request_corpus() {
    replay("own_request", own_request::check);
}

#[test]
fn files_and_devices_corpus() {
    replay("files_and_devices", files_and_devices::check);
}
