//! `authdata`: how the packets of an NTP source are authenticated.

use super::{Answer, CommandDef, Status};
use crate::config::OpenCommand;
use crate::report::wire::{Reader, Writer};
use crate::report::{Cell, Interval, Page, Report, Unit, Value, Visitor, col, text};
use Unit::{None, Seconds as S};

/// How packets are authenticated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMode {
    /// Not at all.
    #[default]
    None,
    /// With a symmetric key.
    Symmetric,
    /// With Network Time Security.
    Nts,
    /// A number of a newer daemon.
    Unknown(u16),
}

impl AuthMode {
    /// Its letters in the table.
    pub const fn text(self) -> &'static str {
        match self {
            Self::None => "-",
            Self::Symmetric => "SK",
            Self::Nts => "NTS",
            Self::Unknown(_) => "?",
        }
    }
}

impl Value for AuthMode {
    fn write(&self, out: &mut Writer<'_>) {
        out.value(&match *self {
            Self::None => 0u16,
            Self::Symmetric => 1,
            Self::Nts => 2,
            Self::Unknown(code) => code,
        });
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        *self = match input.value() {
            0u16 => Self::None,
            1 => Self::Symmetric,
            2 => Self::Nts,
            code => Self::Unknown(code),
        };
    }
    fn cell(&self) -> Cell {
        Cell::Text(self.text().to_owned())
    }
}

/// Authentication of one NTP source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuthData {
    /// How.
    pub mode: AuthMode,
    /// Type of the key.
    pub key_type: u16,
    /// Symmetric: number of the key. NTS: count of key establishments.
    pub key_id: u32,
    /// Bits of the key.
    pub key_bits: u16,
    /// NTS-KE attempts since the last success.
    pub ke_attempts: u16,
    /// Since the last NTS-KE that succeeded; never without NTS.
    pub last_ke: Interval,
    /// Cookies left.
    pub cookies: u16,
    /// Length of a cookie in bytes.
    pub cookie_length: u16,
    /// Was the last NTS request refused?
    pub nak: u16,
}

impl Report for AuthData {
    fn fields<V: Visitor>(&mut self, v: &mut V) {
        v.field(&col("mode", None, "None, symmetric key or NTS."), &mut self.mode);
        v.field(&col("key_type", None, "Type of the key."), &mut self.key_type);
        v.field(&col("key_id", None, "Number of the key."), &mut self.key_id);
        v.field(&col("key_bits", None, "Bits of the key."), &mut self.key_bits);
        v.field(&col("ke_attempts", None, "NTS-KE attempts since the last success."), &mut self.ke_attempts);
        v.field(&col("last_ke", S, "Since the last NTS-KE that succeeded."), &mut self.last_ke);
        v.field(&col("cookies", None, "Cookies left."), &mut self.cookies);
        v.field(&col("cookie_length", None, "Bytes of a cookie."), &mut self.cookie_length);
        v.field(&col("nak", None, "Was the last NTS request refused?"), &mut self.nak);
        v.wire(&mut [0u8; 2]);
    }
}

impl Answer for AuthData {
    const REPLY: u16 = 20;
}

impl Page for AuthData {
    const COLUMNS: &'static [&'static str] = &[
        "name",
        "mode",
        "key_id",
        "key_type",
        "key_bits",
        "last_ke",
        "ke_attempts",
        "nak",
        "cookies",
        "cookie_length",
    ];

    const LEGEND: &'static str = "\
Mode   SK symmetric key, NTS Network Time Security, - none
KeyID  number of the key (NTS: of the key establishment)   Type, KLen  its type and bits
Last   age of the last NTS key establishment   Atmp  attempts since then
NAK    last request refused by the server      Cook, CLen  cookies left and their length

";

    fn heading(wide: bool) -> String {
        let line = "Name/IP address             Mode KeyID Type KLen Last Atmp  NAK Cook CLen";
        text::heading(line, 15, 73, wide)
    }

    fn text(&self, name: &str, wide: bool) -> String {
        format!(
            "{name:<width$} {:>4} {:5} {:4} {:4} {} {:4} {:4} {:4} {:4}\n",
            self.mode.text(),
            self.key_id,
            self.key_type,
            self.key_bits,
            text::interval(self.last_ke),
            self.ke_attempts,
            self.nak,
            self.cookies,
            self.cookie_length,
            width = text::name_width(27, wide),
        )
    }
}

/// `authdata`
pub const AUTHDATA: CommandDef = CommandDef::report(
    "authdata",
    67,
    [40, 52],
    &[OpenCommand::Authdata],
    |backend, request, reply| {
        let source = request.body.value();
        reply.report_or(backend.auth_data(&source), Status::NoSuchSource)
    },
    "Shows how the NTP sources are authenticated.",
);
