//! What has to be done: a list of [`Step`]s from what a system is and what is wanted of it.
//!
//! Planning changes nothing and asks nobody. It looks at what is there and names only what is missing, so that a second
//! set-up has nothing to do. Each part is a function in a file of this folder.

mod config;
mod daemons;
mod firewall;
mod lan;
pub mod notrack;
mod service;

use super::interfaces::Interface;
use super::journal::{Action, Step};
use super::parts::Part;
use super::place::{self, Place, System};
use super::runner::Ran;
use super::translate;
use super::tree::{Node, Tree};
use super::uci::Document;
use std::collections::BTreeMap;

/// Whom the machine is to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The world: a server of the pool.
    Public,
    /// The networks next to it.
    Lan,
    /// Nobody.
    Client,
}

impl Profile {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Lan => "lan",
            Self::Client => "client",
        }
    }

    /// The profile of that name.
    pub fn named(word: &str) -> Option<Self> {
        [Self::Public, Self::Lan, Self::Client].into_iter().find(|profile| profile.name() == word)
    }
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Whom to serve.
    pub profile: Profile,
    /// These parts; all if empty.
    pub only: Vec<Part>,
    /// Where to keep the state, if that was said.
    pub state: Option<String>,
    /// Where the program is.
    pub program: String,
    /// Memory of the machine, bytes, if known.
    pub memory: Option<u64>,
}

/// What came of planning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is to be done, in this order.
    pub steps: Vec<Step>,
    /// What the operator should know or do.
    pub notes: Vec<String>,
    /// Why nothing may be done.
    pub errors: Vec<String>,
    /// Folders in which the state could be kept, the best first.
    pub state_folders: Vec<String>,
}

/// Collects steps.
pub struct Planner<'a> {
    tree: &'a Tree,
    place: &'a Place,
    interfaces: &'a [Interface],
    wish: &'a Wish,
    /// Asks a running service; answers of a copy are `Would`.
    ask: &'a dyn Fn(&[&str]) -> Ran,
    /// What paths will be.
    nodes: BTreeMap<String, Node>,
    /// Commands that come after everything else.
    late: Vec<Step>,
    plan: Plan,
}

/// Makes the plan. `ask` runs commands that change nothing.
pub fn plan(
    tree: &Tree,
    place: &Place,
    interfaces: &[Interface],
    wish: &Wish,
    ask: &dyn Fn(&[&str]) -> Ran,
) -> Plan {
    let mut planner = Planner {
        tree,
        place,
        interfaces,
        wish,
        ask,
        nodes: BTreeMap::new(),
        late: Vec::new(),
        plan: Plan::default(),
    };
    for part in Part::ALL {
        if wish.only.is_empty() || wish.only.contains(&part) {
            planner.part(part);
        }
    }
    planner.validate();
    let Planner { mut plan, late, .. } = planner;
    plan.steps.extend(late);
    plan
}

impl Planner<'_> {
    fn part(&mut self, part: Part) {
        match part {
            Part::Daemons => daemons::plan(self),
            Part::Service => service::plan(self),
            Part::Config => config::plan(self),
            Part::Storage => config::storage(self),
            Part::Priority => config::priority(self),
            Part::Firewall => firewall::plan(self),
            Part::Notrack => notrack::plan(self),
            Part::Conntrack => notrack::conntrack(self),
            Part::Dhcp => lan::dhcp(self),
            Part::Hotplug => lan::hotplug(self),
            Part::Keep => lan::keep(self),
            Part::Network => lan::network(self),
        }
    }

    fn is_openwrt(&self) -> bool {
        matches!(self.place.system, System::OpenWrt { .. })
    }

    /// What a path will be, after the steps so far.
    fn node(&self, path: &str) -> Node {
        self.nodes.get(path).cloned().unwrap_or_else(|| self.tree.node(path).unwrap_or(Node::Absent))
    }

    /// The text that a file will have; `None` if it will not be there or is no text.
    fn text(&self, path: &str) -> Option<String> {
        match self.nodes.get(path) {
            Some(Node::Absent) => None,
            Some(node) => node.text().map(str::to_owned),
            None => self.tree.text(path),
        }
    }

    /// Makes a path be something, if it is not. Folders above it that are missing come first.
    fn put(&mut self, part: Part, path: &str, after: Node, why: &str) {
        // A link to the file that is meant stays.
        let path = match (&after, self.node(path)) {
            (Node::File(_), Node::Link(_)) => self.tree.resolve(path),
            _ => path.to_owned(),
        };
        let before = self.node(&path);
        if before == after {
            return;
        }
        let above = path.rsplit_once('/').map_or("", |(above, _)| above).to_owned();
        // The journal's own folder is the journal's.
        if after != Node::Absent
            && !above.is_empty()
            && above != "/etc/timeball"
            && self.node(&above) == Node::Absent
            && !self.tree.exists(&above)
        {
            self.put(part, &above, Node::Folder(0o755), "a folder for what follows");
        }
        self.nodes.insert(path.clone(), after.clone());
        let action = Action::Change { path, before, after };
        self.plan.steps.push(Step { part, why: why.to_owned(), action });
    }

    /// Gives a file this text, keeping its permissions and owner.
    fn put_text(&mut self, part: Part, path: &str, text: &str, why: &str) {
        let after = match self.node(path) {
            Node::File(mut content) => {
                // The time of the change is the time of the change.
                if content.bytes != text.as_bytes() {
                    content.origin = None;
                }
                content.bytes = text.into();
                Node::File(content)
            }
            _ => Node::file(text, 0o644),
        };
        self.put(part, path, after, why);
    }

    /// Edits one of OpenWrt's files.
    fn edit(&mut self, part: Part, name: &str, why: &str, edit: impl FnOnce(&mut Document)) {
        let path = format!("/etc/config/{name}");
        let Some(text) = self.text(&path) else { return };
        match Document::parse(&text) {
            Ok(mut document) => {
                edit(&mut document);
                self.put_text(part, &path, &document.to_string(), why);
            }
            Err(error) => self.plan.errors.push(format!("{path}: {error}")),
        }
    }

    /// One of OpenWrt's files as it will be; empty if it is not there or wrong.
    fn uci(&self, name: &str) -> Document {
        let text = self.text(&format!("/etc/config/{name}")).unwrap_or_default();
        Document::parse(&text).unwrap_or_default()
    }

    /// A command that follows the changes which `change` plans, on the way there and on the way back.
    fn followed_by(&mut self, part: Part, command: &[&str], why: &str, change: impl FnOnce(&mut Self)) {
        let before = self.plan.steps.len();
        change(self);
        if self.plan.steps.len() > before {
            let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
            let back = Action::Run { apply: Vec::new(), revert: command.clone() };
            let step = |action| Step { part, why: why.to_owned(), action };
            self.plan.steps.insert(before, step(back));
            self.plan.steps.push(step(Action::Run { apply: command, revert: Vec::new() }));
        }
    }

    /// A command.
    fn run(&mut self, part: Part, apply: &[&str], revert: &[&str], why: &str) {
        let step = command(part, apply, revert, why);
        self.plan.steps.push(step);
    }

    /// A command after everything else.
    fn run_late(&mut self, part: Part, apply: &[&str], revert: &[&str], why: &str) {
        let step = command(part, apply, revert, why);
        self.late.push(step);
    }

    fn note(&mut self, text: impl Into<String>) {
        self.plan.notes.push(text.into());
    }

    /// Nothing is done if what comes of it cannot be run.
    fn validate(&mut self) {
        let mut tree = self.tree.clone();
        for path in ["/etc/config/timeball", "/etc/timeball/timeball.conf"] {
            if let Some(text) = self.nodes.get(path).and_then(|node| node.text()) {
                tree = tree.with(path, text);
            }
        }
        let translated = if self.is_openwrt() {
            translate::translate(&tree, self.interfaces)
        } else {
            translate::own_file(&tree)
        };
        self.plan.errors.extend(translated.errors);
    }

    /// Networks of interfaces that people are behind: neither loopback nor the way to the world.
    fn local_interfaces(&self) -> Vec<Interface> {
        let world = self.world_networks();
        let is_local =
            |interface: &&Interface| interface.name != "loopback" && !world.contains(&interface.name);
        self.interfaces
            .iter()
            .filter(is_local)
            .filter(|interface| interface.v4().is_some())
            .cloned()
            .collect()
    }

    /// The names of networks in zones that lead to the world.
    fn world_networks(&self) -> Vec<String> {
        let firewall = place::uci(self.tree, "firewall").unwrap_or_default();
        let zones = firewall.of_kind("zone").filter(firewall::is_world);
        let mut names: Vec<String> = zones.flat_map(|zone| zone.list("network")).map(str::to_owned).collect();
        names.extend(["wan", "wan6"].map(str::to_owned));
        names
    }
}

fn command(part: Part, apply: &[&str], revert: &[&str], why: &str) -> Step {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Step { part, why: why.to_owned(), action: Action::Run { apply: words(apply), revert: words(revert) } }
}

#[cfg(test)]
mod tests;
