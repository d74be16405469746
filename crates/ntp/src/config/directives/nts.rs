//! Network Time Security (RFC 8915), client and server.

use super::prelude::*;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new(
        "maxntsconnections",
        "N",
        "100",
        "How many key establishments each helper process serves at a time.",
        Exactly(1),
        |c, w| w.int(1, MAX).map(|v| c.nts.max_connections = v),
    )
    .not_yet(),
    Directive::new(
        "nocerttimecheck",
        "N",
        "0",
        "The times of certificates do not count before the clock was updated N times; for machines that start with a wrong clock.",
        Exactly(1),
        |c, w| w.int(0, MAX).map(|v| c.nts.no_cert_time_check = v),
    )
    .not_yet(),
    Directive::new(
        "nosystemcert",
        "",
        "they are trusted",
        "The system's certificate authorities are not trusted.",
        Exactly(0),
        |c, _| {
            c.nts.no_system_cert = true;
            Ok(())
        },
    )
    .not_yet(),
    Directive::new(
        "ntsaeads",
        "[ID...]",
        "30 15",
        "Authenticated encryption algorithms, best first: 15 is AES-SIV-CMAC-256, 30 is AES-128-GCM-SIV.",
        Own,
        |c, w| {
            let mut aeads = Vec::new();
            while !w.is_empty() {
                aeads.push(u16::try_from(w.int(0, MAX)?).unwrap_or(u16::MAX));
            }
            c.nts.aeads = aeads;
            Ok(())
        },
    )
    .not_yet(),
    Directive::new(
        "ntscachedir",
        "FOLDER",
        "",
        "Old name of ntsdumpdir.",
        Exactly(1),
        |c, w| path(w).map(|v| c.nts.dump_dir = Some(v)),
    )
    .not_yet(),
    Directive::new(
        "ntsdumpdir",
        "FOLDER",
        "keys and cookies are not kept",
        "Folder in which the client's cookies and the server's keys are kept over a restart.",
        Exactly(1),
        |c, w| path(w).map(|v| c.nts.dump_dir = Some(v)),
    )
    .not_yet(),
    Directive::new(
        "ntsntpserver",
        "HOST",
        "this machine",
        "NTP server that clients of the key server are sent to.",
        Exactly(1),
        |c, w| w.word().map(|v| c.nts.ntp_server = Some(v.to_owned())),
    )
    .not_yet(),
    Directive::new(
        "ntsport",
        "PORT",
        "4460",
        "TCP port of the key server.",
        Exactly(1),
        |c, w| port(w).map(|v| c.nts.port = v),
    )
    .not_yet(),
    Directive::new(
        "ntsprocesses",
        "N",
        "1",
        "How many helper processes serve key establishments.",
        Exactly(1),
        |c, w| w.int(0, 1000).map(|v| c.nts.processes = v),
    )
    .not_yet(),
    Directive::new(
        "ntsratelimit",
        "[interval POLL] [burst N] [leak POLL]",
        "off; 6, 8, 2",
        "Limits how often one address may establish keys. See ratelimit.",
        Own,
        |c, w| super::ratelimit::read(c.nts.rate_limit, 6, false, w).map(|v| c.nts.rate_limit = Some(v)),
    )
    .not_yet(),
    Directive::new(
        "ntsrefresh",
        "SECONDS",
        "2419200 (4 weeks)",
        "How old the client's keys may become before new ones are established.",
        Exactly(1),
        |c, w| w.int(0, MAX).map(|v| c.nts.refresh = v),
    )
    .not_yet(),
    Directive::new(
        "ntsrotate",
        "SECONDS",
        "604800 (a week)",
        "How often the server's key is changed; 0 leaves that to another program that writes the file of keys.",
        Exactly(1),
        |c, w| w.int(0, MAX).map(|v| c.nts.rotate = v),
    )
    .not_yet(),
    Directive::new(
        "ntsservercert",
        "FILE",
        "no key server",
        "Certificate of the key server (PEM); one for each ntsserverkey.",
        Exactly(1),
        |c, w| path(w).map(|v| c.nts.server_certs.push(v)),
    )
    .not_yet(),
    Directive::new(
        "ntsserverkey",
        "FILE",
        "no key server",
        "Private key of the key server (PEM); one for each ntsservercert.",
        Exactly(1),
        |c, w| path(w).map(|v| c.nts.server_keys.push(v)),
    )
    .not_yet(),
    Directive::new(
        "ntstrustedcerts",
        "[SET] PATH",
        "the system's",
        "File or folder of certificates that are trusted, in set SET (0 if not given; see the option certset).",
        Own,
        |c, w| {
            let set = match w.left() {
                0 => return Err(WrongKind::Missing.into()),
                1 => 0,
                2 => {
                    let value = w.option_unsigned();
                    value.map_err(|wrong| Wrong { kind: WrongKind::Unparsable, ..wrong })?
                }
                _ => return Err(WrongKind::TooMany.into()),
            };
            path(w).map(|v| c.nts.trusted_certs.push((set, v)))
        },
    )
    .not_yet(),
];
