use super::*;
use crate::setup::tree::tests::Scratch;

fn planned(files: &[(&str, &str)], name: &str, wish: impl FnOnce(&mut Wish)) -> Plan {
    let scratch = Scratch::new(&format!("plan-{name}"));
    let tree = scratch.tree(files);
    let mut wanted = Wish {
        profile: Profile::Public,
        only: Vec::new(),
        state: None,
        program: "/usr/bin/timeball".into(),
        memory: None,
    };
    wish(&mut wanted);
    let interfaces = crate::setup::interfaces::configured(&place::uci(&tree, "network").unwrap_or_default());
    plan(&tree, &Place::find(&tree), &interfaces, &wanted, &|_| Ran::Would)
}

/// The text that a path gets last.
fn text(plan: &Plan, wanted: &str) -> Option<String> {
    plan.steps.iter().rev().find_map(|step| match &step.action {
        Action::Change { path, after, .. } if path == wanted => after.text().map(str::to_owned),
        _ => None,
    })
}

fn commands(plan: &Plan) -> Vec<String> {
    let runs = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Run { apply, .. } => Some(apply.join(" ")),
        Action::Change { .. } => None,
    });
    runs.filter(|command| !command.is_empty()).collect()
}

const RELEASE: (&str, &str) = ("/etc/openwrt_release", "DISTRIB_RELEASE='24.10.2'\n");
const ZONES: &str = "config zone\n\toption name lan\n\tlist network lan\n\toption input ACCEPT\nconfig zone\n\toption name guest\n\
    \tlist network guest\n\toption input REJECT\nconfig zone\n\toption name wan\n\tlist network wan\n\toption input REJECT\n\toption masq 1\n";
const NETWORK: &str = "config interface 'lan'\n\toption device br-lan\n\toption ipaddr '10.1.0.1/24'\nconfig interface 'guest'\n\
    \toption device br-guest\n\toption ipaddr '10.2.0.1/24'\nconfig interface 'wan'\n\toption device eth0\n\toption proto pppoe\n";

#[test]
fn a_profile_opens_what_it_serves_and_no_more() {
    let files = [RELEASE, ("/etc/config/firewall", ZONES), ("/etc/config/network", NETWORK)];
    let rules = |profile| {
        let plan = planned(&files, "profile", |wish| wish.profile = profile);
        let firewall = text(&plan, "/etc/config/firewall").unwrap_or_default();
        let served = text(&plan, "/etc/config/timeball").unwrap_or_default();
        let has = |zone: &str| firewall.contains(&format!("Allow-NTP-{zone}"));
        let allows = |name: &str| served.contains(&format!("list interface '{name}'"));
        let notrack = text(&plan, notrack::FW4_FILE);
        (has("lan"), has("guest"), has("wan"), allows("wan"), allows("guest"), notrack.is_some())
    };
    assert_eq!(rules(Profile::Public), (false, true, true, true, false, true));
    assert_eq!(rules(Profile::Lan), (false, true, false, false, true, false));
    assert_eq!(rules(Profile::Client), (false, false, false, false, false, false));
    let plan = planned(&files, "ppp", |_| {});
    let rules = text(&plan, notrack::FW4_FILE).unwrap();
    assert!(rules.contains("oifname { \"pppoe-wan\", \"eth0\" }"), "{rules}");
}

#[test]
fn what_an_operator_has_already_is_left_alone() {
    let rule = "config rule\n\toption src wan\n\toption proto 'tcp udp'\n\toption dest_port 123\n\toption target ACCEPT\n";
    let firewall =
        format!("config zone\n\toption name wan\n\tlist network wan\n\toption input REJECT\n{rule}");
    let chrony = "config allow\n\toption interface wan\nconfig allow\n\toption interface wan6\n";
    let conf = "ratelimit interval 1\ndriftfile /mnt/disk/chrony/drift\nclientloglimit 268435456\n";
    let files = [
        RELEASE,
        ("/etc/config/firewall", firewall.as_str()),
        ("/etc/config/network", NETWORK),
        ("/etc/config/chrony", chrony),
        (
            "/etc/config/dhcp",
            "config dnsmasq\nconfig dhcp lan\n\toption interface lan\n\tlist dhcp_option '42,10.1.0.9'\n",
        ),
        ("/etc/chrony/chrony.conf", conf),
    ];
    let plan = planned(&files, "already", |wish| wish.memory = Some(256 << 20));
    assert_eq!(text(&plan, "/etc/config/firewall"), None);
    assert_eq!(text(&plan, "/etc/config/dhcp"), None);
    let own = text(&plan, "/etc/config/timeball").unwrap();
    assert!(!own.contains("\nconfig allow") && !own.contains("\n\toption ratelimit"), "{own}");
    assert!(own.contains("option driftfile '/mnt/disk/chrony/drift'"), "where it was: {own}");
    assert!(own.contains("option clientloglimit '8388608'"), "256 MB do not fit into 256 MB: {own}");
    let roomy = planned(&files, "roomy", |wish| wish.memory = Some(4 << 30));
    assert!(!text(&roomy, "/etc/config/timeball").unwrap().contains("\n\toption clientloglimit"));
}

#[test]
fn the_state_goes_where_it_survives() {
    let folders = |files: &[(&str, &str)]| planned(files, "state", |_| {}).state_folders;
    assert_eq!(folders(&[RELEASE]), ["/etc/timeball/state"]);
    let fstab = "config mount\n\toption target '/mnt/nvme'\n\toption enabled 1\nconfig mount\n\toption target '/mnt/off'\n\toption enabled 0\n";
    let files =
        [RELEASE, ("/etc/config/fstab", fstab), ("/etc/chrony/chrony.conf", "driftfile /var/run/drift\n")];
    assert_eq!(folders(&files), ["/mnt/nvme/timeball", "/etc/timeball/state"]);
    let own = text(&planned(&files, "state-nvme", |_| {}), "/etc/config/timeball").unwrap();
    assert!(own.contains("option stats 'interval 300 folder /mnt/nvme/timeball/observer'"), "{own}");
    let plan = planned(&[RELEASE], "state-tmp", |wish| wish.state = Some("/tmp/x".into()));
    assert!(plan.errors[0].contains("does not survive a power cut"), "{:?}", plan.errors);
}

#[test]
fn a_mistake_in_the_configuration_stops_everything() {
    let plan = planned(
        &[RELEASE, ("/etc/config/chrony", "config server\n\toption hostname a\n\toption maxpoll x\n")],
        "wrong",
        |_| {},
    );
    assert!(plan.errors[0].starts_with("/etc/config/chrony:1: "), "{:?}", plan.errors);
    let plan = planned(
        &[RELEASE, ("/etc/config/firewall", "config zone\n\toption name 'open\n")],
        "wrong-firewall",
        |_| {},
    );
    assert!(!plan.errors.is_empty() || text(&plan, "/etc/config/firewall").is_none());
}

#[test]
fn other_firewalls_get_their_own_words() {
    let base = [("/etc/os-release", "ID=debian\n"), ("/usr/lib/systemd/systemd", "")];
    let ufw = [&base[..], &[("/etc/ufw/ufw.conf", "ENABLED=yes\n")]].concat();
    let firewall = |files: &[(&str, &str)], profile| {
        let plan = planned(files, "others", |wish| {
            wish.only = vec![Part::Firewall];
            wish.profile = profile;
        });
        commands(&plan)
    };
    assert_eq!(firewall(&ufw, Profile::Public), ["ufw allow 123/udp"]);
    let lan = firewall(&ufw, Profile::Lan);
    assert_eq!((lan.len(), lan[0].as_str()), (6, "ufw allow from 10.0.0.0/8 to any port 123 proto udp"));
    let rules = "-A ufw-user-input -p udp --dport 123 -j ACCEPT\n";
    let open = [&ufw[..], &[("/etc/ufw/user.rules", rules), ("/etc/ufw/user6.rules", rules)]].concat();
    assert!(firewall(&open, Profile::Public).is_empty());
    assert!(firewall(&base, Profile::Public).is_empty());
    let old = [("/etc/openwrt_release", "DISTRIB_RELEASE='21.02'\n"), ("/etc/config/firewall", ZONES)];
    let plan = planned(&old, "fw3", |_| {});
    let sysctl = text(&plan, "/etc/sysctl.d/20-timeball-conntrack.conf").unwrap();
    assert!(
        sysctl.contains("nf_conntrack_max=65536") && text(&plan, notrack::FW4_FILE).is_none(),
        "{sysctl}"
    );
    let larger =
        "# 999999\nnet.netfilter.nf_conntrack_max = 262144\nnet.netfilter.nf_conntrack_buckets=65536\n";
    let plan =
        planned(&[&old[..], &[("/etc/sysctl.d/12-conntrack.conf", larger)]].concat(), "fw3-large", |_| {});
    let sysctl = text(&plan, "/etc/sysctl.d/20-timeball-conntrack.conf").unwrap();
    assert!(sysctl.contains("nf_conntrack_max=262144"), "never less than others want: {sysctl}");
}
