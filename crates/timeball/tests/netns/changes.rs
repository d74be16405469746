//! Sources by any of their names, and changes that last: the program asked as an operator asks it.

use super::lab::{Lab, TIMEBALL, ready, skip};
use std::path::PathBuf;

/// Names of the namespace; the resolver reads them in place of the machine's.
const HOSTS: &str = "\
127.0.0.1 localhost
10.9.7.1 canonical.lab ntp1.lab
10.9.7.2 pool.lab
10.9.7.3 pool.lab
10.9.7.4 reverse4.lab
10.9.7.5 two.lab
10.9.7.6 two.lab
10.9.7.9 extra.lab
";

/// The folder from which `ip netns exec` takes files of /etc.
struct Etc(PathBuf);

impl Drop for Etc {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // ours alone
    }
}

struct Operator<'a> {
    lab: &'a mut Lab,
    socket: String,
    config: String,
}

impl Operator<'_> {
    /// Exit status and both outputs of one command.
    fn run(&self, line: &str) -> (bool, String) {
        let mut words = vec!["-h", self.socket.as_str()];
        words.extend(line.split(' '));
        let out = self.lab.inside(TIMEBALL, &words);
        let text = [out.stdout, out.stderr].concat();
        (out.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    fn good(&self, line: &str) -> String {
        let (good, text) = self.run(line);
        assert!(good, "{line}: {text}");
        text
    }

    fn bad(&self, line: &str) -> String {
        let (good, text) = self.run(line);
        assert!(!good, "{line}: {text}");
        text
    }

    fn start(&mut self) {
        let config = self.config.clone();
        self.lab.start("ours", TIMEBALL, &["run", "-x", "-u", "root", "-f", &config]);
        let socket = self.socket.clone();
        self.lab.wait("the names are known", 20, |lab| {
            let ask = |words: &[&str]| {
                let out = lab.inside(TIMEBALL, &[&["-h", socket.as_str(), "-N", "-c"], words].concat());
                String::from_utf8_lossy(&out.stdout).into_owned()
            };
            let sources = ask(&["sources"]);
            // Of the four members that a pool begins with two never get an address.
            let begun = ["ntp1.lab", "pool.lab"].iter().all(|name| sources.contains(name));
            begun || ask(&["activity"]).trim().ends_with(",0")
        });
    }

    fn restart(&mut self) {
        assert_eq!(self.lab.stop("ours"), Some(0));
        self.start();
    }

    fn names(&self) -> Vec<String> {
        let csv = self.good("-N -c sources");
        let mut names: Vec<String> =
            csv.lines().filter_map(|line| line.split(',').nth(2)).map(str::to_owned).collect();
        names.sort();
        names
    }
}

#[test]
fn sources_have_many_names_and_changes_last() {
    if let Err(why) = ready() {
        return skip("sources_have_many_names_and_changes_last", &why);
    }
    let mut lab = Lab::new("changes");
    let etc = Etc(PathBuf::from("/etc/netns").join(lab.namespace()));
    std::fs::create_dir_all(&etc.0).expect("root may");
    std::fs::write(etc.0.join("hosts"), HOSTS).expect("our folder");
    std::fs::write(etc.0.join("resolv.conf"), "nameserver 127.0.0.1\n").expect("our folder");
    let dir = lab.dir().display().to_string();
    let text = format!(
        "server ntp1.lab\nserver 10.9.7.4\nserver 10.9.7.5\nserver 10.9.7.6\npool pool.lab maxsources 2\n\
         allow 10.1.0.0/16\nport 0\ncmdport 0\nstats off\nweb off\ndumpdir {dir}/state\n\
         bindcmdaddress {dir}/c/s.sock\npidfile {dir}/pid\n"
    );
    let config = lab.file("conf", &text);
    let mut operator = Operator { socket: format!("{dir}/c/s.sock"), config, lab: &mut lab };
    operator.start();

    // Names and addresses side by side; what is ambiguous is shown.
    let table = operator.good("sources --watch 1 1");
    for both in ["ntp1.lab   10.9.7.1", "pool.lab   10.9.7.2", "two.lab    10.9.7.5"] {
        let words: Vec<&str> = both.split_whitespace().collect();
        let line = table.lines().find(|line| line.contains(words[1])).expect("a line for it");
        assert!(line.contains(words[0]), "{table}");
    }
    let said = operator.bad("delete two.lab");
    assert!(said.contains("several") && said.contains("10.9.7.5") && said.contains("10.9.7.6"), "{said}");
    let said = operator.bad("delete nobody.lab");
    assert!(said.contains("no source \"nobody.lab\"") && said.contains("ntp1.lab"), "{said}");

    // Added by name, with and without the wish to keep it; options by any name.
    assert!(operator.good("add server extra.lab iburst --save").contains("Saved as change 1 in"));
    operator.good("add server 10.9.7.44");
    operator.good("minpoll canonical.lab 7");
    operator.good("offline reverse4.lab");
    operator.good("online 2");
    assert!(operator.good("ntpdata pool.lab").matches("Remote address").count() == 2);
    // By its reverse name, by the name of the pool, for good; by number, for now.
    operator.good("delete reverse4.lab --save");
    operator.good("delete pool.lab --save");
    let number = operator
        .good("sources --watch 1 1")
        .lines()
        .position(|line| line.contains("10.9.7.44"))
        .expect("added")
        - 1;
    operator.good(&format!("delete {number}"));
    operator.good("allow 10.2.0.0/16 --save");
    assert_eq!(operator.good("accheck 10.2.3.4"), "208 Access allowed\n");
    assert!(operator.bad("shutdown --save").contains("cannot follow shutdown"));
    assert!(operator.bad("burst 1/1 --save").contains("nothing to keep"));
    assert!(operator.good("offline 10.9.7.5 --save").contains("Saved as change "));
    let after = ["10.9.7.5", "10.9.7.6", "extra.lab", "ntp1.lab"];
    assert_eq!(operator.names(), after);
    let changes = operator.good("changes");
    assert_eq!(changes.lines().filter(|line| line.contains("(saved)")).count(), 5, "{changes}");

    operator.restart();
    assert_eq!(operator.names(), after, "a restart has them");
    assert_eq!(operator.good("accheck 10.2.3.4"), "208 Access allowed\n");
    assert!(operator.good("activity").contains("\n1 sources offline\n"), "{}", operator.good("activity"));
    operator.good("online 10.9.7.5"); // as scripts do: until the end
    operator.good("minpoll ntp1.lab 8");
    assert!(operator.good("save").starts_with("Saved as change "));

    // Undone by number, at once and for good.
    let changes = operator.good("changes --json");
    let number = |what: &str| {
        let line = changes.lines().find(|line| line.contains(what)).expect("in the list");
        let digits = line.split("\"number\":").nth(1).expect("numbered");
        digits.split(',').next().expect("a number").to_owned()
    };
    operator.good(&format!("undo-change {}", number("delete 10.9.7.4")));
    operator.good(&format!("undo-change {}", number("allow")));
    assert_eq!(operator.good("accheck 10.2.3.4"), "209 Access denied\n");
    assert_eq!(operator.good("accheck 10.1.3.4"), "208 Access allowed\n", "the configuration's own stays");
    let after = ["10.9.7.4", "10.9.7.5", "10.9.7.6", "extra.lab", "ntp1.lab"];
    assert_eq!(operator.names(), after);
    operator.restart();
    assert_eq!(operator.names(), after);
    assert!(operator.good("activity").contains("\n1 sources offline\n"), "save keeps no word of scripts");

    // A torn file: what is whole is made again, and the file is kept.
    let file = format!("{dir}/state/changes");
    let whole = std::fs::read_to_string(&file).expect("the state is there");
    assert_eq!(operator.lab.stop("ours"), Some(0));
    std::fs::write(&file, &whole[..whole.len() - 5]).expect("ours");
    operator.start();
    assert!(operator.lab.log("ours").contains("is damaged"), "{}", operator.lab.log("ours"));
    assert_eq!(operator.names(), after, "only the last line, minpoll, was torn");
    assert!(!operator.good("changes").contains("minpoll"));
    assert_eq!(std::fs::read_to_string(format!("{file}.damaged")).expect("kept").len(), whole.len() - 5);
    assert_eq!(std::fs::read_to_string(&operator.config).expect("there"), text, "the operator's file");
}
