//! The clock that runs while the machine is off.

use super::prelude::*;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new(
        "hwclockfile",
        "FILE",
        "none",
        "File of hwclock(8) that says whether the real-time clock keeps UTC or local time, usually /etc/adjtime.",
        Exactly(1),
        |c, w| path(w).map(|v| c.rtc.hwclock_file = Some(v)),
    ),
    Directive::new(
        "rtcautotrim",
        "SECONDS",
        "0",
        "Sets the real-time clock when it is wrong by more than this; 0 is never.",
        Exactly(1),
        |c, w| w.number().map(|v| c.rtc.auto_trim = v),
    ),
    Directive::new(
        "rtcdevice",
        "FILE",
        "/dev/rtc",
        "Device of the real-time clock; /dev/rtc0 where the default is not there.",
        Exactly(1),
        |c, w| path(w).map(|v| c.rtc.device = Some(v)),
    ),
    Directive::new(
        "rtcfile",
        "FILE",
        "off",
        "Follows the error of the real-time clock and keeps it in this file. Excludes rtcsync.",
        Exactly(1),
        |c, w| path(w).map(|v| c.rtc.file = Some(v)),
    ),
    Directive::new("rtconutc", "", "local time", "The real-time clock keeps UTC.", Exactly(0), |c, _| {
        c.rtc.utc = true;
        Ok(())
    }),
    Directive::new(
        "rtcsync",
        "",
        "off",
        "The kernel copies the system clock to the real-time clock every 11 minutes while it is synchronised.",
        Exactly(0),
        |c, _| {
            c.clock.rtc_sync = true;
            Ok(())
        },
    ),
];
