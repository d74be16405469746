use super::*;
use crate::daemon::files::tests::Folder;
use ntp::server::Traffic;

const DAY_ZERO: f64 = 1_700_006_400.0;

fn recorder(folder: &Folder, now: f64) -> Recorder {
    let columns = Columns::new(true);
    let path = folder.file("archive");
    let new = !path.exists();
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap();
    let layout = columns.layout(&[(10, 3600), (60, 7200)], true);
    let archive =
        if new { Archive::create(file, layout).unwrap() } else { Archive::open(file, now).unwrap().unwrap() };
    let event_file = |name| {
        File::options().read(true).write(true).create(true).truncate(false).open(folder.file(name)).unwrap()
    };
    let events = EventLog::open([event_file("events.0"), event_file("events.1")]).unwrap();
    Recorder::new(columns, Some(archive), events, std::process::id(), now)
}

fn snapshot(at: f64, packets: u64) -> Snapshot {
    let mut snapshot = Snapshot {
        at: DAY_ZERO + at,
        monotonic: at,
        traffic: Traffic::from_all(&[packets, 0, packets * 76, 0, packets, 0, packets * 76, 0]),
        ..Snapshot::default()
    };
    snapshot.tracking.stratum = 3;
    snapshot
}

#[test]
fn a_killed_daemon_leaves_a_gap_and_no_spike() {
    let folder = Folder::new("recorder");
    let mut first = recorder(&folder, DAY_ZERO);
    for second in 0..300_u32 {
        first.take(snapshot(f64::from(second) + 0.3, 5_000_000 + u64::from(second) * 1000));
    }
    assert_eq!(first.recent("packets_in"), 1000.0);
    first.flush(DAY_ZERO + 300.0);
    // Killed: no end. The next counts from zero.
    drop(first);
    let mut second = recorder(&folder, DAY_ZERO + 400.0);
    let mut told = Vec::new();
    for number in 0..200_u32 {
        told.extend(second.take(snapshot(400.3 + f64::from(number), u64::from(number) * 500)));
    }
    let kinds: Vec<&str> = told.iter().map(|event| event.kind.word()).collect();
    assert_eq!(kinds[..2], ["stop", "start"], "{told:?}");
    assert!(told[0].what.starts_with("Off for"), "{told:?}");
    let archive = second.archive.as_ref().unwrap();
    let column = archive.layout().column("packets_in").unwrap();
    let answer = archive.query(&[column], DAY_ZERO, DAY_ZERO + 600.0, 60).unwrap();
    let points = &answer.columns[0];
    assert!(points.max.iter().all(|max| max.is_nan() || *max <= 1001.0), "{points:?}");
    assert!(points.mean[1..29].iter().all(|mean| (*mean - 1000.0).abs() < 1.0), "{points:?}");
    assert!(points.mean[30..40].iter().all(|mean| mean.is_nan()), "{points:?}");
    assert!(points.mean[41..59].iter().all(|mean| (*mean - 500.0).abs() < 1.0), "{points:?}");
}

#[test]
fn a_clean_stop_is_told_as_one() {
    let folder = Folder::new("recorder-stop");
    let mut first = recorder(&folder, DAY_ZERO);
    first.take(snapshot(1.0, 0));
    first.end(DAY_ZERO + 2.0, true);
    let mut second = recorder(&folder, DAY_ZERO + 60.0);
    let told = second.take(snapshot(60.0, 0));
    assert_eq!(told[0].kind, Kind::Start, "{told:?}");
    assert!((second.oldest() - DAY_ZERO).abs() < 60.0);
    second.take(snapshot(75.0, 0));
    assert_eq!(second.tick(DAY_ZERO + 400.0), None);
    assert!(second.written_today() > 0);
}

/// However short the first run was, and wherever in a minute or an hour: what lies between the runs is a gap in both.
#[test]
fn the_beginning_of_a_short_run_is_found_again() {
    for begin in (3590..3615).chain(6500..6530).chain(7190..7215) {
        let begin = f64::from(begin) + 0.4;
        let folder = Folder::new("recorder-short");
        let mut first = recorder(&folder, DAY_ZERO + begin);
        for second in 0..25_u32 {
            first.take(snapshot(begin + f64::from(second), u64::from(second) * 100));
        }
        first.flush(DAY_ZERO + begin + 25.0);
        drop(first);
        let second = recorder(&folder, DAY_ZERO + begin + 30.0);
        assert!((second.oldest() - DAY_ZERO - begin).abs() < 11.0, "{begin}: {}", second.oldest() - DAY_ZERO);
    }
}

#[test]
fn a_clock_not_set_yet_writes_nothing_over_the_past() {
    let folder = Folder::new("recorder-past");
    let mut first = recorder(&folder, DAY_ZERO);
    first.take(snapshot(5.0, 0));
    first.end(DAY_ZERO + 6.0, true);
    let mut second = recorder(&folder, DAY_ZERO - 1e6);
    let mut early = snapshot(-1e6, 0);
    early.tracking.stratum = 0;
    second.take(early);
    assert_eq!(second.archive.as_ref().unwrap().waiting(), 0);
}
