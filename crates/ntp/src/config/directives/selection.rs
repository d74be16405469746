//! Which sources are believed.

use super::prelude::*;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new(
        "authselectmode",
        "require|prefer|mix|ignore",
        "mix",
        "How authenticated and other sources live together: require selects authenticated ones only, prefer selects others only while there are none, mix takes authenticated ones as trusted and required, ignore makes no difference.",
        Own,
        |c, w| {
            let modes = [
                ("require", AuthSelectMode::Require),
                ("prefer", AuthSelectMode::Prefer),
                ("mix", AuthSelectMode::Mix),
                ("ignore", AuthSelectMode::Ignore),
            ];
            choice(w, &modes).map(|v| c.selection.auth_mode = v)
        },
    ),
    Directive::new(
        "combinelimit",
        "RATIO",
        "3",
        "Sources whose distance is within this multiple of the best one's are combined with it; 0 follows the best one alone.",
        Exactly(1),
        |c, w| w.number().map(|v| c.selection.combine_limit = v),
    ),
    Directive::new(
        "maxdistance",
        "SECONDS",
        "3",
        "Largest root distance of a source that may be selected, and of our own clock while nobody is heard: beyond it clients are told that the time is not known.",
        Exactly(1),
        |c, w| w.number().map(|v| c.selection.max_distance = v),
    ),
    Directive::new(
        "maxjitter",
        "SECONDS",
        "1",
        "Largest jitter of a source that may be selected.",
        Exactly(1),
        |c, w| w.number().map(|v| c.selection.max_jitter = v),
    ),
    Directive::new(
        "maxstratum",
        "STRATUM",
        "15",
        "Largest stratum of a source that may be selected.",
        Exactly(1),
        |c, w| w.int(0, MAX).map(|v| c.selection.max_stratum = v),
    ),
    Directive::new(
        "minsources",
        "SOURCES",
        "1",
        "The clock is not corrected before this many sources agree.",
        Exactly(1),
        |c, w| w.int(1, MAX).map(|v| c.selection.min_sources = v),
    ),
    Directive::new(
        "minstratum",
        "STRATUM",
        "0",
        "Smallest stratum of a source that may be selected.",
        Exactly(1),
        |c, w| w.int(0, MAX).map(|v| c.selection.min_stratum = v),
    ),
    Directive::new(
        "reselectdist",
        "SECONDS",
        "1e-4",
        "Added to the distance of sources that are not selected, so that the choice does not flutter.",
        Exactly(1),
        |c, w| w.number().map(|v| c.selection.reselect_dist = v),
    ),
    Directive::new(
        "stratumweight",
        "SECONDS",
        "1e-3",
        "Added to the distance of a source for each stratum.",
        Exactly(1),
        |c, w| w.number().map(|v| c.selection.stratum_weight = v),
    ),
];
