//! `ntpdata`: the last valid packet of an NTP source, and the packets counted.

use super::{Answer, BadReply, CommandDef, Status};
use crate::config::OpenCommand;
use crate::ids::RefId;
use crate::report::wire::{Reader, Writer, decode};
use crate::report::{
    Address, Cell, Char, LeapStatus, Number, Page, Report, Seconds, Shown, Time, Unit, Value, Visitor, col,
    text,
};
use Unit::{Log2Seconds, None, Seconds as S};

/// The packet tests and properties, 16 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketFlags(pub u16);

impl PacketFlags {
    /// The packet was in interleaved mode.
    pub const INTERLEAVED: u16 = 0x4000;
    /// The packet was authenticated.
    pub const AUTHENTICATED: u16 = 0x8000;

    /// From the results of tests 1, 2, 3, 5, 6, 7, A, B, C, D in this order; true: passed.
    pub fn new(tests: [bool; 10], interleaved: bool, authenticated: bool) -> Self {
        let bits = tests.into_iter().fold(0, |bits, test| bits << 1 | u16::from(test));
        let flag = |set, bit| if set { bit } else { 0 };
        Self(bits | flag(interleaved, Self::INTERLEAVED) | flag(authenticated, Self::AUTHENTICATED))
    }
    /// Was it in interleaved mode?
    pub const fn interleaved(self) -> bool {
        self.0 & Self::INTERLEAVED != 0
    }
    /// Says whether it was in interleaved mode.
    pub fn set_interleaved(&mut self, interleaved: bool) {
        self.0 = if interleaved { self.0 | Self::INTERLEAVED } else { self.0 & !Self::INTERLEAVED };
    }
    /// Says whether it was authenticated.
    pub fn set_authenticated(&mut self, authenticated: bool) {
        self.0 = if authenticated { self.0 | Self::AUTHENTICATED } else { self.0 & !Self::AUTHENTICATED };
    }
    /// Was it authenticated?
    pub const fn authenticated(self) -> bool {
        self.0 & Self::AUTHENTICATED != 0
    }
    /// The ten tests as digits, grouped 3, 3, 4.
    fn tests(self, separator: &str) -> String {
        let [first, second, third] = [self.0 >> 7 & 0b111, self.0 >> 4 & 0b111, self.0 & 0b1111];
        format!("{first:03b}{separator}{second:03b}{separator}{third:04b}")
    }
}

impl Value for PacketFlags {
    fn write(&self, out: &mut Writer<'_>) {
        self.0.write(out);
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        self.0.read(input);
    }
    fn cell(&self) -> Cell {
        Cell::Text(self.tests(" "))
    }
    fn csv(&self, _digits: usize) -> Option<String> {
        Some(self.tests(","))
    }
}

/// Who took a time stamp: `D`, `K`, `H`, or 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StampCode(pub Char);

impl StampCode {
    /// Its word.
    pub const fn text(self) -> &'static str {
        match self.0.0 {
            b'D' => "Daemon",
            b'K' => "Kernel",
            b'H' => "Hardware",
            _ => "Invalid",
        }
    }
}

impl From<crate::engine::StampSource> for StampCode {
    fn from(source: crate::engine::StampSource) -> Self {
        use crate::engine::StampSource::{Daemon, Hardware, Kernel};
        Self(Char(match source {
            Daemon => b'D',
            Kernel => b'K',
            Hardware => b'H',
        }))
    }
}

impl Value for StampCode {
    fn write(&self, out: &mut Writer<'_>) {
        self.0.write(out);
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        self.0.read(input);
    }
    fn cell(&self) -> Cell {
        Cell::Text(self.text().to_owned())
    }
}

/// Mode of the last packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModeCode(pub u8);

impl ModeCode {
    /// Its words.
    pub const fn text(self) -> &'static str {
        match self.0 {
            1 => "Symmetric active",
            2 => "Symmetric passive",
            4 => "Server",
            _ => "Invalid",
        }
    }
}

impl From<crate::wire::Mode> for ModeCode {
    fn from(mode: crate::wire::Mode) -> Self {
        Self(mode as u8)
    }
}

impl Value for ModeCode {
    fn write(&self, out: &mut Writer<'_>) {
        self.0.write(out);
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        self.0.read(input);
    }
    fn cell(&self) -> Cell {
        Cell::Text(self.text().to_owned())
    }
}

/// The last valid packet of an NTP source, and the packets counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NtpData {
    /// The source's address.
    pub remote_address: Address,
    /// Our address; unspecified before the first packet.
    pub local_address: Address,
    /// The source's port.
    pub remote_port: u16,
    /// Leap status in the packet.
    pub leap: LeapStatus,
    /// Protocol version.
    pub version: u8,
    /// Mode.
    pub mode: ModeCode,
    /// Stratum.
    pub stratum: u8,
    /// Poll exponent.
    pub poll: i8,
    /// Precision, log₂ s.
    pub precision: i8,
    /// Root delay.
    pub root_delay: Seconds,
    /// Root dispersion.
    pub root_dispersion: Seconds,
    /// Reference identifier.
    pub ref_id: RefId,
    /// Reference time.
    pub reference_time: Time,
    /// Offset measured; positive: our clock is behind.
    pub offset: Seconds,
    /// Round trip.
    pub peer_delay: Seconds,
    /// Dispersion of the measurement.
    pub peer_dispersion: Seconds,
    /// How long the server took.
    pub response_time: Seconds,
    /// Asymmetry of the path's jitter in use, ±0.5.
    pub jitter_asymmetry: Number,
    /// Packet tests; interleaved; authenticated.
    pub flags: PacketFlags,
    /// Who took the last transmit time stamp.
    pub tx_stamp: StampCode,
    /// Who took the last receive time stamp.
    pub rx_stamp: StampCode,
    /// Packets sent.
    pub total_tx: u32,
    /// Packets received.
    pub total_rx: u32,
    /// Packets that passed tests 1–7 and authentication.
    pub valid_rx: u32,
    /// Packets that passed all tests.
    pub good_rx: u32,
    /// Packets sent with a kernel time stamp.
    pub kernel_tx: Option<u32>,
    /// Packets received with a kernel time stamp.
    pub kernel_rx: Option<u32>,
    /// Packets sent with a hardware time stamp.
    pub hardware_tx: Option<u32>,
    /// Packets received with a hardware time stamp.
    pub hardware_rx: Option<u32>,
}

/// 2ⁿ, limited to 2³¹ as in chronyc.
fn power_of_two(exponent: i8) -> f64 {
    libm::ldexp(1.0, i32::from(exponent).min(31))
}

impl NtpData {
    /// What all layouts of the reply have in common.
    fn head<V: Visitor>(&mut self, v: &mut V) {
        v.field(&col("remote_address", None, "The source's address."), &mut self.remote_address);
        v.field(&col("local_address", None, "Our address."), &mut self.local_address);
        v.derived(
            &col("remote_ref_id", None, "The address as identifier."),
            address_ref_id(self.remote_address),
        );
        v.derived(
            &col("local_ref_id", None, "The address as identifier."),
            address_ref_id(self.local_address),
        );
        v.field(&col("remote_port", None, "The source's port."), &mut self.remote_port);
        v.field(&col("leap", None, "Leap status in the packet."), &mut self.leap);
        v.field(&col("version", None, "Protocol version."), &mut self.version);
        v.field(&col("mode", None, "Mode."), &mut self.mode);
        v.field(&col("stratum", None, "Stratum."), &mut self.stratum);
        v.field(&col("poll", Log2Seconds, "Poll interval."), &mut self.poll);
        v.derived(&col("poll_interval", S, "Poll interval.").digits(0), Seconds(power_of_two(self.poll)));
        v.field(&col("precision", Log2Seconds, "Precision of the server's clock."), &mut self.precision);
        v.derived(&col("clock_precision", S, "The same."), Seconds(power_of_two(self.precision)));
        v.field(&col("root_delay", S, "Root delay.").digits(6), &mut self.root_delay);
        v.field(&col("root_dispersion", S, "Root dispersion.").digits(6), &mut self.root_dispersion);
        v.field(&col("ref_id", None, "Reference identifier."), &mut self.ref_id);
        v.derived(&col("ref_id_text", None, "The same in letters."), Shown::text(self.ref_id_text()));
        v.field(&col("reference_time", S, "When the server's clock was last set."), &mut self.reference_time);
        v.field(&col("offset", S, "Positive: our clock is behind."), &mut self.offset);
        v.field(&col("peer_delay", S, "Round trip."), &mut self.peer_delay);
        v.field(&col("peer_dispersion", S, "Error bound of the reading."), &mut self.peer_dispersion);
        v.field(&col("response_time", S, "Between receiving and answering."), &mut self.response_time);
        v.field(&col("jitter_asymmetry", None, "±0.5.").digits(2), &mut self.jitter_asymmetry);
        v.field(&col("tests", None, "Tests 1 2 3, 5 6 7, A B C D; 1: passed."), &mut self.flags);
        v.derived(&col("interleaved", None, "Interleaved mode."), self.flags.interleaved());
        v.derived(&col("authenticated", None, "Authenticated."), self.flags.authenticated());
        v.field(&col("tx_stamp", None, "Who took the transmit time stamp."), &mut self.tx_stamp);
        v.field(&col("rx_stamp", None, "Who took the receive time stamp."), &mut self.rx_stamp);
        v.field(&col("total_tx", None, "Packets sent."), &mut self.total_tx);
        v.field(&col("total_rx", None, "Packets received."), &mut self.total_rx);
        v.field(&col("valid_rx", None, "Packets that were valid."), &mut self.valid_rx);
        v.field(&col("good_rx", None, "Packets that passed all tests."), &mut self.good_rx);
    }

    /// Letters at stratum 0 and 1, where the identifier is a name; else it is a hash and nothing is shown.
    fn ref_id_text(&self) -> String {
        if self.stratum <= 1 { text::ref_id_text(self.ref_id) } else { String::new() }
    }
}

/// Zero when there is no address.
fn address_ref_id(address: Address) -> RefId {
    address.ip().map_or(RefId::NONE, crate::source::address_refid)
}

impl Report for NtpData {
    fn fields<V: Visitor>(&mut self, v: &mut V) {
        self.head(v);
        v.field(&col("kernel_tx", None, "Packets sent with a kernel time stamp."), &mut self.kernel_tx);
        v.field(&col("kernel_rx", None, "Packets received with a kernel time stamp."), &mut self.kernel_rx);
        v.field(&col("hardware_tx", None, "Packets sent with a hardware time stamp."), &mut self.hardware_tx);
        v.field(
            &col("hardware_rx", None, "Packets received with a hardware time stamp."),
            &mut self.hardware_rx,
        );
        v.wire(&mut [0xffu8; 16]);
    }
}

/// Reply 16, releases 3.5 to 4.5: without the last four counters.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct NtpData1(NtpData);

impl NtpData1 {
    const REPLY: u16 = 16;
}

impl Report for NtpData1 {
    fn fields<V: Visitor>(&mut self, v: &mut V) {
        self.0.head(v);
        v.wire(&mut [0xffu8; 12]);
    }
}

impl Answer for NtpData {
    const REPLY: u16 = 26;

    fn decode(code: u16, body: &[u8]) -> Result<Self, BadReply> {
        match code {
            Self::REPLY => decode(body).ok_or(BadReply::Short),
            NtpData1::REPLY => decode::<NtpData1>(body).map(|old| old.0).ok_or(BadReply::Short),
            code => Err(BadReply::Code(code)),
        }
    }
}

impl Page for NtpData {
    const COLUMNS: &'static [&'static str] = &[
        "remote_address",
        "remote_ref_id",
        "remote_port",
        "local_address",
        "local_ref_id",
        "leap",
        "version",
        "mode",
        "stratum",
        "poll",
        "poll_interval",
        "precision",
        "clock_precision",
        "root_delay",
        "root_dispersion",
        "ref_id",
        "ref_id_text",
        "reference_time",
        "offset",
        "peer_delay",
        "peer_dispersion",
        "response_time",
        "jitter_asymmetry",
        "tests",
        "interleaved",
        "authenticated",
        "tx_stamp",
        "rx_stamp",
        "total_tx",
        "total_rx",
        "valid_rx",
        "good_rx",
        "kernel_tx",
        "kernel_rx",
        "hardware_tx",
        "hardware_rx",
    ];

    /// `name` is not shown.
    fn text(&self, _name: &str, _wide: bool) -> String {
        let mut page = format!(
            "Remote address  : {} ({})\n\
             Remote port     : {}\n\
             Local address   : {} ({})\n\
             Leap status     : {}\n\
             Version         : {}\n\
             Mode            : {}\n\
             Stratum         : {}\n\
             Poll interval   : {} ({:.0} seconds)\n\
             Precision       : {} ({:.9} seconds)\n\
             Root delay      : {:.6} seconds\n\
             Root dispersion : {:.6} seconds\n\
             Reference ID    : {} ({})\n\
             Reference time  : {}\n\
             Offset          : {:+.9} seconds\n\
             Peer delay      : {:.9} seconds\n\
             Peer dispersion : {:.9} seconds\n\
             Response time   : {:.9} seconds\n\
             Jitter asymmetry: {:+.2}\n\
             NTP tests       : {}\n\
             Interleaved     : {}\n\
             Authenticated   : {}\n\
             TX timestamping : {}\n\
             RX timestamping : {}\n\
             Total TX        : {}\n\
             Total RX        : {}\n\
             Total valid RX  : {}\n\
             Total good RX   : {}\n",
            self.remote_address,
            address_ref_id(self.remote_address),
            self.remote_port,
            self.local_address,
            address_ref_id(self.local_address),
            self.leap.text(),
            self.version,
            self.mode.text(),
            self.stratum,
            self.poll,
            power_of_two(self.poll),
            self.precision,
            power_of_two(self.precision),
            self.root_delay.0,
            self.root_dispersion.0,
            self.ref_id,
            self.ref_id_text(),
            text::time(self.reference_time),
            self.offset.0,
            self.peer_delay.0,
            self.peer_dispersion.0,
            self.response_time.0,
            self.jitter_asymmetry.0,
            self.flags.tests(" "),
            text::yes_no(self.flags.interleaved()),
            text::yes_no(self.flags.authenticated()),
            self.tx_stamp.text(),
            self.rx_stamp.text(),
            self.total_tx,
            self.total_rx,
            self.valid_rx,
            self.good_rx,
        );
        let newer = [
            ("Total kernel TX", self.kernel_tx),
            ("Total kernel RX", self.kernel_rx),
            ("Total HW TX", self.hardware_tx),
            ("Total HW RX", self.hardware_rx),
        ];
        for (label, count) in newer {
            if let Some(count) = count {
                page.push_str(&format!("{label:<16}: {count}\n"));
            }
        }
        page
    }
}

/// `ntpdata`
pub const NTPDATA: CommandDef = CommandDef {
    accepted: 152,
    ..CommandDef::report(
        "ntpdata",
        57,
        [40, 172],
        &[OpenCommand::Ntpdata],
        |backend, request, reply| match backend.ntp_data(&request.body.value()) {
            Option::None => Status::NoSuchSource,
            // Clients up to release 4.5 send a shorter request and know only the older reply.
            Some(data) if request.length < 172 => reply.put(NtpData1::REPLY, NtpData1(data)),
            Some(data) => reply.report(data),
        },
        "Shows the last packet of an NTP source.",
    )
};
