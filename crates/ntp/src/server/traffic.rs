//! Packets and bytes served, as a counter of the firewall would see them: with the headers of IP and UDP.

/// Bytes of the headers of IP and UDP: IPv4, IPv6.
const HEADERS: [u64; 2] = [28, 48];

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams that came: IPv4, IPv6.
    pub packets_in: [u64; 2],
    /// Their bytes, with headers.
    pub bytes_in: [u64; 2],
    /// Replies.
    pub packets_out: [u64; 2],
    /// Their bytes, with headers.
    pub bytes_out: [u64; 2],
}

impl Traffic {
    /// A datagram with a payload of `length` bytes came.
    pub(super) fn count_in(&mut self, v6: bool, length: usize) {
        count(&mut self.packets_in, &mut self.bytes_in, v6, length);
    }

    /// A reply with a payload of `length` bytes was given.
    pub(super) fn count_out(&mut self, v6: bool, length: usize) {
        count(&mut self.packets_out, &mut self.bytes_out, v6, length);
    }

    /// Adds another's totals.
    pub fn add(&mut self, other: &Self) {
        let (mine, theirs) = (self.all(), other.all());
        let mut sum = mine;
        sum.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine = mine.wrapping_add(theirs));
        *self = Self::from_all(&sum);
    }

    /// All counters in a row.
    pub const fn all(&self) -> [u64; 8] {
        let ([a, b], [c, d]) = (self.packets_in, self.bytes_in);
        let ([e, f], [g, h]) = (self.packets_out, self.bytes_out);
        [a, b, c, d, e, f, g, h]
    }

    /// From the counters in a row; those missing are 0.
    pub fn from_all(all: &[u64]) -> Self {
        let at = |index: usize| all.get(index).copied().unwrap_or(0);
        Self {
            packets_in: [at(0), at(1)],
            bytes_in: [at(2), at(3)],
            packets_out: [at(4), at(5)],
            bytes_out: [at(6), at(7)],
        }
    }
}

fn count(packets: &mut [u64; 2], bytes: &mut [u64; 2], v6: bool, length: usize) {
    let family = usize::from(v6);
    if let (Some(packets), Some(bytes), Some(headers)) =
        (packets.get_mut(family), bytes.get_mut(family), HEADERS.get(family))
    {
        *packets = packets.wrapping_add(1);
        *bytes = bytes.wrapping_add(headers.wrapping_add(length as u64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_count_and_sums_add_up() {
        let mut traffic = Traffic::default();
        traffic.count_in(false, 48);
        traffic.count_in(true, 52);
        traffic.count_out(true, 48);
        assert_eq!((traffic.packets_in, traffic.bytes_in), ([1, 1], [76, 100]));
        assert_eq!((traffic.packets_out, traffic.bytes_out), ([0, 1], [0, 96]));
        let mut twice = traffic;
        twice.add(&traffic);
        assert_eq!(twice.all(), traffic.all().map(|n| 2 * n));
        assert_eq!(Traffic::from_all(&twice.all()), twice);
    }
}
