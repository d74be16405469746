use super::super::interfaces;
use super::super::tree::tests::Scratch;
use super::*;

const NETWORK: &str =
    "config interface 'lan'\n\toption ipaddr '192.168.1.1'\n\toption netmask '255.255.255.0'\n";

/// The directives that come of these files, and what is said of them.
fn translated(name: &str, files: &[(&str, &str)]) -> (Vec<String>, Translated) {
    let scratch = Scratch::new(&format!("translate-{name}"));
    let tree = scratch.tree(files);
    let interfaces = interfaces::configured(&Document::parse(NETWORK).unwrap());
    let out = translate(&tree, &interfaces);
    (out.lines.iter().map(|line| line.text.clone()).collect(), out)
}

#[test]
fn every_section_and_option_of_chronys_file_is_known() {
    let text = "
config pool
	option hostname '2.pool.example'
	option maxpoll '12'
	option maxsources '3'
	option iburst 'yes'
	option prefer '0'
config server
	option hostname 'a.example'
	option minpoll '5'
	option nts '1'
	option ntsport '4461'
	option xleave '1'
	option maxdelay '0.3'
	option mindelay '1e-4'
	option maxsamples '32'
	option minsamples '8'
	option port '1123'
config peer
	option hostname 'b.example'
	option disabled '1'
config dhcp_ntp_server
	option iburst '1'
config allow
	option interface 'lan'
config allow
	option interface 'wan'
config allow
	option interface 'wan_6'
	list subnet '2001:db8::/32'
config makestep
	option threshold '1.0'
	option limit '3'
config nts 'nts'
	option rtccheck '1'
	option systemcerts '0'
	option trustedcerts '/etc/certs.pem'
config smoothtime
	option maxppm '400'
	option maxwander '0.01'
	option leaponly '1'
config systemclock
	option precision '8e-6'
	option leapsecmode 'slew'
config logging
	option logchange '0.01'
";
    let (lines, out) = translated("all", &[("/etc/config/chrony", text)]);
    assert_eq!((out.errors, out.notes), (vec![], vec![]));
    assert_eq!(
        lines,
        [
            "pool 2.pool.example iburst maxpoll 12 maxsources 3",
            "server a.example nts xleave minpoll 5 maxdelay 0.3 mindelay 1e-4 maxsamples 32 minsamples 8 port 1123 ntsport 4461",
            "allow 192.168.1.0/24",
            "allow 0/0",
            "allow ::/0",
            "allow 2001:db8::/32",
            "makestep 1.0 3",
            "nocerttimecheck 1",
            "nosystemcert",
            "ntstrustedcerts /etc/certs.pem",
            "smoothtime 400 0.01 leaponly",
            "clockprecision 8e-6",
            "leapsecmode slew",
            "logchange 0.01",
            "sourcedir /var/run/timeball-dhcp",
        ]
    );
    assert_eq!(out.dhcp_options.as_deref(), Some(" iburst"));
    assert_eq!(out.lines[1].from, "/etc/config/chrony:8");
}

#[test]
fn own_options_come_after_chronys_and_the_own_file_last() {
    let own = "config timeball 'main'\n\toption enabled 1\n\toption driftfile /d/drift\n\toption dumpdir /d\n\toption ratelimit 1\n\
        \toption clientloglimit 1000000\n\toption threads auto\n\toption priority 50\n\toption stats 0\n\toption web '127.0.0.1:80 public'\n\
        \tlist subnet 10.0.0.0/8\n\tlist directive 'maxupdateskew 100'\nconfig server\n\toption hostname own.example\n";
    let conf = "# x\nconfdir /var/etc/chrony.d\nsourcedir /var/run/chrony-dhcp\ndriftfile /var/run/drift\nlogchange 0.5\n";
    let files = [
        ("/etc/config/timeball", own),
        ("/etc/chrony/chrony.conf", conf),
        ("/etc/timeball/timeball.conf", "minsources 2\n"),
        ("/etc/config/chrony", "config server\n\toption hostname c.example\n"),
        (
            "/etc/config/system",
            "config timeserver 'ntp'\n\tlist server s.example\n\tlist server c.example\n\tlist server 0.openwrt.pool.ntp.org\n",
        ),
    ];
    let (lines, out) = translated("own", &files);
    assert_eq!((out.errors, out.notes), (vec![], vec![]));
    assert_eq!(
        lines,
        [
            "driftfile /var/run/drift",
            "logchange 0.5",
            "server own.example",
            "server c.example",
            "server s.example iburst",
            "makestep 1 3",
            "driftfile /d/drift",
            "dumpdir /d",
            "ratelimit",
            "clientloglimit 1000000",
            "serverthreads auto",
            "sched_priority 50",
            "stats off",
            "web 127.0.0.1:80 public",
            "allow 10.0.0.0/8",
            "maxupdateskew 100",
            "minsources 2",
        ]
    );
}

#[test]
fn the_built_in_clients_section_is_honoured() {
    let text = "config timeserver 'ntp'\n\toption enabled '1'\n\toption enable_server '1'\n\tlist server '0.openwrt.pool.ntp.org'\n\toption use_dhcp '0'\n";
    let (lines, out) = translated(
        "system",
        &[("/etc/config/system", text), ("/etc/config/chrony", "config dhcp_ntp_server\n")],
    );
    assert_eq!(lines, ["allow 192.168.1.0/24", "server 0.openwrt.pool.ntp.org iburst", "makestep 1 3"]);
    assert_eq!((out.errors, out.dhcp_options), (vec![], None));
    let (lines, out) = translated("none", &[]);
    assert_eq!(lines, ["pool pool.ntp.org iburst maxsources 4", "makestep 1 3"]);
    assert!(out.notes[0].contains("pool.ntp.org"));
}

#[test]
fn mistakes_are_told_where_they_were_made() {
    for (text, says) in [
        ("config server\n", "/etc/config/chrony:1: this server has no hostname"),
        ("config server\n\toption hostname 'a b'\n", "/etc/config/chrony:2: hostname 'a b' must be one word"),
        (
            "config server\n\toption hostname a\n\toption iburst maybe\n",
            "/etc/config/chrony:3: iburst 'maybe' is neither 1 nor 0",
        ),
        (
            "\nconfig server\n\toption hostname a\n\toption maxpoll x\n",
            "/etc/config/chrony:2: Invalid value in server directive",
        ),
        ("config makestep\n\toption limit 3\n", "/etc/config/chrony:1: makestep wants threshold and limit"),
        ("config allow\n\tlist subnet '10.0.0.0/8\nport 0'\n", "must be one word"),
        ("config server\n\toption hostname 'open\n", "/etc/config/chrony: line 2: a quote"),
    ] {
        let (_, out) = translated("wrong", &[("/etc/config/chrony", text)]);
        assert!(out.errors.iter().any(|error| error.contains(says)), "{text:?}: {:?}", out.errors);
    }
    let own = "config timeball 'main'\n\toption ratelimit 'interval'\n\tlist directive 'makestpe 1 3'\n\toption clientlogimit 5\n";
    let (_, out) = translated("wrong-own", &[("/etc/config/timeball", own)]);
    assert!(
        out.errors[0].starts_with("/etc/config/timeball:2: Could not parse ratelimit"),
        "{:?}",
        out.errors
    );
    assert!(
        out.errors[1].starts_with("/etc/config/timeball:3: Invalid directive makestpe"),
        "{:?}",
        out.errors
    );
    assert!(
        out.notes.iter().any(|note| note.ends_with("did you mean \"clientloglimit\"?")),
        "{:?}",
        out.notes
    );
    let (_, out) = translated(
        "notes",
        &[("/etc/config/chrony", "config sever\nconfig allow\n\toption interface iot\n")],
    );
    assert!(
        out.notes[0].ends_with("did you mean \"server\"?") && out.notes[1].contains("iot"),
        "{:?}",
        out.notes
    );
}

#[test]
fn servers_of_dhcp_become_files_and_folders_are_told() {
    let wan = Interface {
        name: "wan".into(),
        time_servers: vec!["192.0.2.1".into(), "bad\nserver".into(), "2001:db8::1".into()],
        ..Interface::default()
    };
    let mut out = Translated { dhcp_options: Some(" iburst".into()), ..Translated::default() };
    let text = "server 192.0.2.1 iburst\nserver 2001:db8::1 iburst\n".to_owned();
    assert_eq!(out.dhcp_files(std::slice::from_ref(&wan)), [("uci-wan.sources".to_owned(), text)]);
    out.dhcp_options = None;
    assert!(out.dhcp_files(&[wan]).is_empty());
    for line in ["driftfile /d/state/drift", "dumpdir /d/state", "stats folder /e/o"] {
        out.push(line, "");
    }
    let scratch = Scratch::new("translate-folders");
    assert_eq!(out.folders(&scratch.tree(&[])), ["/d/state", "/e/o"]);
}
