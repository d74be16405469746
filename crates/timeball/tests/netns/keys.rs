//! Symmetric keys between Timeball and Debian's chronyd, both ways.

use super::lab::{Lab, TIMEBALL, ready, skip};

/// Keys that Debian's chronyd knows, by number. Number 11 is missing in the client's file, 12 differs.
const KEYS: &str = "\
1 MD5 HEX:00112233445566778899AABBCCDDEEFF
2 SHA1 HEX:1DC764E0791B11FA67EFC7ECBC4B0D73F68A070C
3 SHA256 HEX:1DC764E0791B11FA67EFC7ECBC4B0D73F68A070C
4 SHA384 ASCII:a_long_enough_secret
5 SHA512 ASCII:a_long_enough_secret
6 SHA3-224 ASCII:a_long_enough_secret
7 SHA3-256 ASCII:a_long_enough_secret
8 SHA3-384 ASCII:a_long_enough_secret
9 SHA3-512 ASCII:a_long_enough_secret
10 AES128 HEX:000102030405060708090A0B0C0D0E0F
13 AES256 HEX:000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F
14 MD5 short
";
const GOOD: [u32; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14];

/// One client with a source a key on a server with an address a key; chronyc's words about the sources.
fn both_ways(lab: &mut Lab, ours: &str, (server, client): (&str, &str), group: u32) {
    let dir = lab.dir().display().to_string();
    let address = |id: u32| format!("10.9.{group}.{id}");
    let addresses: Vec<String> = (1..=14).map(address).collect();
    lab.addresses(&addresses.iter().map(String::as_str).collect::<Vec<_>>());
    let secret = |name: &str, text: &str| {
        let path = lab.file(name, text);
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640))
            .expect("our file");
        path
    };
    let serving = secret(
        &format!("{ours}.server.keys"),
        &format!("{KEYS}11 SHA1 ASCII:the_servers_secret\n12 SHA1 ASCII:the_servers_secret\n"),
    );
    let asking =
        secret(&format!("{ours}.client.keys"), &format!("{KEYS}12 SHA1 ASCII:another_mans_secret\n"));
    // Ours would record and show.
    let common =
        |program| if program == "chronyd" { "cmdport 0\n" } else { "cmdport 0\nstats off\nweb off\n" };
    let serve = lab.file(
        &format!("{ours}.server.conf"),
        &format!(
            "{}local stratum 3\nallow all\nkeyfile {serving}\nbindcmdaddress {dir}/{ours}.a/s.sock\npidfile {dir}/{ours}.a.pid\n",
            common(server)
        ),
    );
    let sources: String =
        (1..=14).map(|id| format!("server {} key {id} iburst minpoll 2 maxpoll 3\n", address(id))).collect();
    let ask = lab.file(
        &format!("{ours}.client.conf"),
        &format!(
            "{}port 0\n{sources}keyfile {asking}\ndumpdir {dir}/{ours}.dump\nbindcmdaddress {dir}/{ours}.b/s.sock\npidfile {dir}/{ours}.b.pid\n",
            common(client)
        ),
    );
    for (program, config, name) in [(server, serve, "server"), (client, ask, "client")] {
        let name = format!("{ours}.{name}");
        match program {
            "chronyd" => lab.start(&name, "chronyd", &["-x", "-d", "-U", "-u", "root", "-f", &config]),
            _ => lab.start(&name, TIMEBALL, &["run", "-x", "-u", "root", "-f", &config]),
        };
    }
    let socket = format!("{dir}/{ours}.b/s.sock");
    lab.wait("the keys of both are the same", 60, |lab| {
        let out = lab.inside("chronyc", &["-h", &socket, "-n", "-c", "ntpdata"]);
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        text.lines().filter(|line| line.contains(",111,111,") && line.contains(",Yes,")).count() == GOOD.len()
    });
    let csv = lab.says("chronyc", &["-h", &socket, "-n", "-c", "sources"]);
    for id in [11, 12] {
        let line =
            csv.lines().find(|line| line.contains(&format!(",{},", address(id)))).expect("a line for it");
        assert!(line.starts_with("^,?") && line.split(',').nth(5) == Some("0"), "never heard: {line}");
    }
    // The wrong key's server does not answer; without the key nothing is sent.
    let ntpdata = lab.says("chronyc", &["-h", &socket, "-n", "ntpdata", &address(11)]);
    assert!(ntpdata.contains("Total TX        : 0"), "{ntpdata}");
    let authdata = lab.says("chronyc", &["-h", &socket, "-n", "-c", "authdata"]);
    let expected: String = [
        (1, 1, 128),
        (2, 2, 160),
        (3, 3, 160),
        (4, 4, 160),
        (5, 5, 160),
        (6, 6, 160),
        (7, 7, 160),
        (8, 8, 160),
        (9, 9, 160),
        (10, 13, 128),
        (11, 0, 0),
        (12, 2, 152),
        (13, 14, 256),
        (14, 1, 40),
    ]
    .iter()
    .map(|(id, kind, bits)| format!("{},SK,{id},{kind},{bits},4294967295,0,0,0,0\n", address(*id)))
    .collect();
    assert_eq!(authdata, expected);
    let served = lab.says("chronyc", &["-h", &format!("{dir}/{ours}.a/s.sock"), "-c", "serverstats"]);
    let authenticated: u64 = served.split(',').nth(7).expect("that field").trim().parse().expect("a number");
    assert!(authenticated >= 12, "{served}");
    // A dump is there when `dump` is answered, and says that its samples came authenticated.
    assert!(lab.says("chronyc", &["-h", &socket, "dump"]).contains("200 OK"));
    for id in GOOD {
        let path = format!("{dir}/{ours}.dump/{}.dat", address(id));
        let dump = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(dump.lines().nth(2).is_some_and(|line| line.starts_with("1 ")), "{dump}");
    }
    let log = lab.log(&format!("{ours}.client"));
    for line in ["Key 11 is missing", "Key 14 is too short"] {
        assert!(log.contains(line), "{line}: {log}");
    }
}

#[test]
fn keys_authenticate_a_real_chronyd_and_us_to_it() {
    let mut lab = match ready() {
        Ok(()) => Lab::new("keys"),
        Err(why) => return skip("keys", &why),
    };
    both_ways(&mut lab, "we-ask", ("chronyd", TIMEBALL), 21);
    lab.stop("we-ask.server");
    both_ways(&mut lab, "we-serve", (TIMEBALL, "chronyd"), 22);

    // A key that comes later is used after `rekey`.
    let dir = lab.dir().display().to_string();
    let socket = format!("{dir}/we-ask.b/s.sock");
    std::fs::write(format!("{dir}/we-ask.client.keys"), format!("{KEYS}11 SHA1 ASCII:the_servers_secret\n"))
        .expect("our file");
    assert!(lab.says("chronyc", &["-h", &socket, "rekey"]).contains("200 OK"));
    lab.wait("the new key is known", 10, |lab| {
        let out = lab.inside("chronyc", &["-h", &socket, "-n", "-c", "authdata"]);
        String::from_utf8_lossy(&out.stdout).contains("10.9.21.11,SK,11,2,144,")
    });
}
