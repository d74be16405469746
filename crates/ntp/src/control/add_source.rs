//! The body of `add`: every option of a source.

use super::Status;
use crate::config::{Family, SourceConfig, SourceKind};
use crate::report::wire::{Reader, Writer};
use crate::report::{Number, SelectOptions, SourceName};

const ONLINE: u32 = 0x1;
const AUTO_OFFLINE: u32 = 0x2;
const IBURST: u32 = 0x4;
const XLEAVE: u32 = 0x80;
const BURST: u32 = 0x100;
const NTS: u32 = 0x200;
const COPY: u32 = 0x400;
/// Two bits: extension fields F323 and 10A.
const EXT_FIELDS_SHIFT: u32 = 11;
const IPV4: u32 = 0x2000;
const IPV6: u32 = 0x4000;

/// The source described by a request's body, or the status that refuses it.
///
/// Ports that are none and an empty name are refused, where chronyd says it accepted them.
pub fn read(body: &mut Reader<'_>) -> Result<SourceConfig, Status> {
    let kind = match body.value() {
        1u32 => SourceKind::Server,
        2 => SourceKind::Peer,
        3 => SourceKind::Pool,
        _ => return Err(Status::Invalid),
    };
    let name = read_name(body)?;
    let mut source = SourceConfig::new(kind, &name);
    source.port = port(body)?;
    source.minpoll = body.value();
    source.maxpoll = body.value();
    source.presend = body.value();
    source.min_stratum = count(body);
    source.poll_target = count(body);
    source.version = u8::try_from(body.value::<u32>()).map_err(|_| Status::Invalid)?;
    source.max_sources = count(body);
    source.min_samples = body.value();
    source.max_samples = body.value();
    source.key = body.value();
    source.nts_port = port(body)?;
    source.max_delay = real(body);
    source.max_delay_ratio = real(body);
    source.max_delay_dev_ratio = real(body);
    source.min_delay = real(body);
    source.asymmetry = real(body);
    source.offset = real(body);
    set_flags(&mut source, body.value());
    source.filter = body.value();
    source.cert_set = body.value();
    source.max_delay_quant = real(body);
    source.max_unreach = body.value();
    Ok(source)
}

/// Appends the body of the request that adds `source`.
pub fn write(source: &SourceConfig, out: &mut Writer<'_>) {
    out.value(&match source.kind {
        SourceKind::Server => 1u32,
        SourceKind::Peer => 2,
        SourceKind::Pool => 3,
    });
    out.value(&SourceName(source.name.clone()));
    out.value(&u32::from(source.port));
    out.value(&source.minpoll);
    out.value(&source.maxpoll);
    out.value(&source.presend);
    out.value(&source.min_stratum);
    out.value(&source.poll_target);
    out.value(&u32::from(source.version));
    out.value(&source.max_sources);
    out.value(&source.min_samples);
    out.value(&source.max_samples);
    out.value(&source.key);
    out.value(&u32::from(source.nts_port));
    out.value(&Number(source.max_delay));
    out.value(&Number(source.max_delay_ratio));
    out.value(&Number(source.max_delay_dev_ratio));
    out.value(&Number(source.min_delay));
    out.value(&Number(source.asymmetry));
    out.value(&Number(source.offset));
    out.value(&flags(source));
    out.value(&source.filter);
    out.value(&source.cert_set);
    out.value(&Number(source.max_delay_quant));
    out.value(&source.max_unreach);
}

/// A name must end within its 256 bytes and hold no blank; the rest of its bytes do not matter.
fn read_name(body: &mut Reader<'_>) -> Result<String, Status> {
    let bytes: [u8; SourceName::WIRE] = body.take();
    let name = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    if name.len() == bytes.len() || name.is_empty() || name.iter().any(u8::is_ascii_whitespace) {
        return Err(Status::InvalidName);
    }
    core::str::from_utf8(name).map(str::to_owned).map_err(|_| Status::InvalidName)
}

fn port(body: &mut Reader<'_>) -> Result<u16, Status> {
    u16::try_from(body.value::<u32>()).map_err(|_| Status::Invalid)
}

/// An unsigned number that the configuration keeps with a sign.
fn count(body: &mut Reader<'_>) -> i32 {
    i32::try_from(body.value::<u32>()).unwrap_or(i32::MAX)
}

fn real(body: &mut Reader<'_>) -> f64 {
    body.value::<Number>().0
}

fn set_flags(source: &mut SourceConfig, flags: u32) {
    let has = |flag| flags & flag != 0;
    source.online = has(ONLINE);
    source.auto_offline = has(AUTO_OFFLINE);
    source.iburst = has(IBURST);
    source.xleave = has(XLEAVE);
    source.burst = has(BURST);
    source.nts = has(NTS);
    source.copy = has(COPY);
    source.ext_fields = flags >> EXT_FIELDS_SHIFT & 3;
    source.family = match (has(IPV4), has(IPV6)) {
        (true, false) => Family::V4,
        (false, true) => Family::V6,
        _ => Family::Any,
    };
    let options = SelectOptions::from_request_bits(flags);
    source.prefer = options.prefer;
    source.noselect = options.noselect;
    source.trust = options.trust;
    source.require = options.require;
}

fn flags(source: &SourceConfig) -> u32 {
    let flag = |set, flag| if set { flag } else { 0 };
    let options = SelectOptions {
        noselect: source.noselect,
        prefer: source.prefer,
        trust: source.trust,
        require: source.require,
    };
    flag(source.online, ONLINE)
        | flag(source.auto_offline, AUTO_OFFLINE)
        | flag(source.iburst, IBURST)
        | flag(source.xleave, XLEAVE)
        | flag(source.burst, BURST)
        | flag(source.nts, NTS)
        | flag(source.copy, COPY)
        | (source.ext_fields & 3) << EXT_FIELDS_SHIFT
        | flag(source.family == Family::V4, IPV4)
        | flag(source.family == Family::V6, IPV6)
        | options.request_bits()
}
