//! The extension field 10A, the network correction (`extfield 10A`): a server that knows it answers with what transparent
//! clocks on the way of a PTP message said of the request. Where no card stamps packets that is nothing, and so it is sent and
//! accepted, but not applied.

/// Field type.
pub const KIND: u16 = 0x010A;
/// Length of the field, type and length included, bytes.
pub const LEN: usize = 28;

/// The field of a request: a correction of zero, and padding.
pub fn request() -> [u8; LEN] {
    let mut bytes = [0; LEN];
    let start = KIND.to_be_bytes().into_iter().chain((LEN as u16).to_be_bytes());
    bytes.iter_mut().zip(start).for_each(|(to, from)| *to = from);
    bytes
}
