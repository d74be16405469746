//! The bytes of requests.
//!
//! A request must be at least as long as its reply, so that nobody can use the daemon to amplify
//! traffic: hence the padding.

use ntp::control::{self, REPLY_HEADER, REQUEST_HEADER};
use ntp::report::Address;
use ntp::report::wire::Writer;

use super::arguments::{Selected, Subnet};
use super::client::Request;

/// The bytes of a request after its header.
#[derive(Default)]
pub struct Body(Vec<u8>);

impl Body {
    /// An empty body.
    pub fn new() -> Self {
        Self::default()
    }

    /// A signed or unsigned 32-bit integer.
    #[must_use]
    pub fn integer(mut self, value: i32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// A number in the protocol's own floating-point format.
    #[must_use]
    pub fn float(mut self, value: f64) -> Self {
        self.0.extend_from_slice(&control::float::encode(value).to_be_bytes());
        self
    }

    /// Bytes as they are.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// An address.
    #[must_use]
    pub fn address(self, address: Address) -> Self {
        let mut bytes = [0; 20];
        Writer::new(&mut bytes).value(&address);
        self.bytes(&bytes)
    }

    /// Mask, then address.
    #[must_use]
    pub fn selected(self, selected: Selected) -> Self {
        match selected {
            Selected::All => self.address(Address::Unspecified).address(Address::Unspecified),
            Selected::Masked { address, mask } => {
                self.address(mask.map_or(Address::Unspecified, Address::from)).address(address)
            }
        }
    }

    /// Address, then length of the prefix.
    #[must_use]
    pub fn subnet(self, subnet: Subnet) -> Self {
        self.address(subnet.address.map_or(Address::Unspecified, Address::from)).integer(subnet.prefix)
    }

    /// The request for a report, as long as its newest layout; older daemons answer with theirs.
    pub fn report(self, command: u16) -> Request {
        let reply = control::command(command).map_or(REPLY_HEADER, |command| usize::from(command.total));
        self.padded(command, reply)
    }

    /// The request with this body, whose reply is empty.
    pub fn order(self, command: u16) -> Request {
        self.padded(command, REPLY_HEADER)
    }

    /// Padded for a reply of `reply` bytes.
    fn padded(self, command: u16, reply: usize) -> Request {
        let length = (REQUEST_HEADER + self.0.len()).max(reply);
        Request { command, body: self.0, length }
    }
}

/// An order without a body.
pub fn order(command: u16) -> Request {
    Body::new().order(command)
}
