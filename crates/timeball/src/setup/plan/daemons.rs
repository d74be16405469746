//! Two programs must not steer one clock.

use super::Planner;
use crate::setup::parts::Part;
use crate::setup::place::{System, start_links};
use crate::setup::runner::Ran;
use crate::setup::tree::Node;

pub(super) fn plan(planner: &mut Planner<'_>) {
    for rival in planner.place.rivals.clone() {
        let links = start_links(planner.tree, &planner.place.system, rival.service);
        let (service, unit) = (rival.service, format!("{}.service", rival.service));
        let script = format!("/etc/init.d/{service}");
        let (stop, start, state) = match planner.place.system {
            System::OpenWrt { .. } => {
                (vec![&*script, "stop"], vec![&*script, "start"], vec![&*script, "running"])
            }
            _ => (
                vec!["systemctl", "stop", &*unit],
                vec!["systemctl", "start", &*unit],
                vec!["systemctl", "is-active", "--quiet", &*unit],
            ),
        };
        let runs = matches!((planner.ask)(&state), Ran::Well(_));
        let why = format!("{} would steer the same clock", rival.name);
        // A copy does not run; its links say what would.
        if runs || (!planner.tree.is_live() && links.iter().any(|link| starts(link))) {
            planner.run(Part::Daemons, &stop, &start, &why);
        }
        for link in links {
            planner.put(Part::Daemons, &link, Node::Absent, &format!("{why} after the next boot"));
        }
    }
}

/// Links by which OpenWrt stops a service begin with K.
fn starts(link: &str) -> bool {
    link.rsplit('/').next().is_some_and(|name| !name.starts_with('K'))
}
