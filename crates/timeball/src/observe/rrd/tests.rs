use super::super::archive::{Column, Layout, Ring};
use super::*;
use crate::daemon::files::tests::Folder;
use std::fs::{self, File};
use std::process::Command;

const BEGIN: f64 = 1_700_006_400.0;

fn archive(folder: &Folder, name: &str) -> Archive<File> {
    let file =
        File::options().read(true).write(true).create(true).truncate(true).open(folder.file(name)).unwrap();
    let column = |name: &str| Column { name: name.to_owned(), state: false };
    let names = SERIES.iter().map(|(name, ..)| column(name)).collect();
    let rings = vec![Ring { step: 10, rows: 300 }, Ring { step: 60, rows: 100 }];
    Archive::create(file, Layout { rings, columns: names, slots: Vec::new() }).unwrap()
}

fn filled(folder: &Folder, name: &str) -> Archive<File> {
    let mut archive = archive(folder, name);
    let width = archive.layout().columns.len();
    for second in 0..1800_u32 {
        let value = if (600..660).contains(&second) { f64::NAN } else { f64::from(second) * 1e-6 - 3e-4 };
        archive.push(BEGIN + f64::from(second) + 1.0, 1.0, &vec![Cell::of(value); width]);
    }
    archive.close_rows();
    archive.flush().unwrap();
    archive
}

fn rrdtool(words: &[&str]) -> Option<String> {
    let output = match Command::new("rrdtool").args(words).output() {
        Err(_) => {
            println!("SKIPPED what rrdtool says: it is not installed");
            return None;
        }
        Ok(output) => output,
    };
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn means<S: Storage>(archive: &Archive<S>, name: &str) -> Vec<f32> {
    let column = archive.layout().column(name).unwrap();
    archive.query(&[column], BEGIN, BEGIN + 1800.0, 180).unwrap().columns[0].mean.clone()
}

#[test]
fn rrdtool_restores_draws_and_dumps_what_was_exported() {
    let folder = Folder::new("rrd-export");
    let first = filled(&folder, "first");
    let columns = [first.layout().column("offset").unwrap(), first.layout().column("cpu_user").unwrap()];
    let mut xml = Vec::new();
    export(&first, &columns, &mut xml).unwrap();
    let xml = String::from_utf8(xml).unwrap();
    let own = parse(&xml).unwrap();
    assert_eq!(
        (own.names.as_slice(), own.resolutions.len()),
        (&["offset".to_owned(), "cpu_user".to_owned()][..], 6)
    );
    let (path, rrd, png) = (folder.file("x.xml"), folder.file("x.rrd"), folder.file("x.png"));
    fs::write(&path, &xml).unwrap();
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let Some(_) = rrdtool(&["restore", &text(&path), &text(&rrd)]) else { return };
    let (start, end) = (format!("{BEGIN}"), format!("{}", BEGIN + 1800.0));
    let fetched = rrdtool(&["fetch", &text(&rrd), "AVERAGE", "-r", "10", "-s", &start, "-e", &end]).unwrap();
    let fetched: Vec<f64> =
        fetched.lines().filter_map(|line| line.split_once(": ")?.1.split(' ').next()?.parse().ok()).collect();
    let ours = means(&first, "offset");
    for (at, mean) in ours.iter().enumerate() {
        // rrdtool names a row by its end, and begins with the row after the start.
        let theirs = fetched[at];
        assert!(
            (theirs - f64::from(*mean)).abs() < 1e-10 || theirs.is_nan() && mean.is_nan(),
            "row {at}: {theirs} {mean}"
        );
    }
    let definition = format!("DEF:o={}:offset:AVERAGE", text(&rrd));
    rrdtool(&["graph", &text(&png), "-s", &start, "-e", &end, &definition, "LINE1:o#0000ff"]).unwrap();
    assert!(fs::read(&png).unwrap().starts_with(b"\x89PNG"));
    // And back again.
    let dumped = rrdtool(&["dump", &text(&rrd)]).unwrap();
    let mut second = archive(&folder, "second");
    assert_eq!(
        import(&mut second, &parse(&dumped).unwrap()).unwrap(),
        ["offset as offset", "cpu_user as cpu_user"]
    );
    let back = means(&second, "offset");
    assert!(
        ours.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-9 || a.is_nan() && b.is_nan()),
        "{ours:?} {back:?}"
    );
}

#[test]
fn the_seventeen_series_of_an_rrdtool_page_are_imported() {
    let folder = Folder::new("rrd-import");
    let rrd = folder.file("ntp.rrd").to_string_lossy().into_owned();
    let names = "utime stime received dropped packets_in packets_out bytes_in bytes_out system_time last_offset rms_offset frequency \
                 residual_freq skew root_delay root_disp update_interval";
    let names: Vec<&str> = names.split_whitespace().collect();
    let mut words = vec![
        "create".to_owned(),
        rrd.clone(),
        "--step".into(),
        "60".into(),
        "--start".into(),
        format!("{}", BEGIN - 60.0),
    ];
    for (at, name) in names.iter().enumerate() {
        words.push(format!("DS:{name}:{}:180:U:U", if at < 8 { "COUNTER" } else { "GAUGE" }));
    }
    words.push("RRA:AVERAGE:0.5:1:4320".into());
    let Some(_) = rrdtool(&words.iter().map(String::as_str).collect::<Vec<_>>()) else { return };
    let mut words = vec!["update".to_owned(), rrd.clone()];
    for minute in 0..40_u32 {
        let counters = (0..8).map(|series| (1000 + minute * 60 * (series + 1) * 7).to_string());
        let gauges = (8..17).map(|series| format!("{}", f64::from(series) * 0.125));
        let values: Vec<String> = counters.chain(gauges).collect();
        words.push(format!("{}:{}", BEGIN + f64::from(minute) * 60.0, values.join(":")));
    }
    rrdtool(&words.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    let database = parse(&rrdtool(&["dump", &rrd]).unwrap()).unwrap();
    let mut archive = archive(&folder, "archive");
    assert_eq!(import(&mut archive, &database).unwrap().len(), 17);
    let value = |name: &str| {
        let column = archive.layout().column(name).unwrap();
        f64::from(archive.query(&[column], BEGIN + 600.0, BEGIN + 1200.0, 10).unwrap().columns[0].mean[5])
    };
    for (name, expected) in [
        ("cpu_user", 0.07),
        ("cpu_system", 0.14),
        ("received", 21.0),
        ("limited", 28.0),
        ("packets_in", 35.0),
        ("bytes_out", 56.0),
        ("offset", -1.0),
        ("rms_offset", 1.25),
        ("frequency", 1.375e-6),
        ("skew", 1.625e-6),
        ("root_dispersion", 1.875),
        ("update_interval", 2.0),
    ] {
        assert!((value(name) / expected - 1.0).abs() < 1e-5, "{name}: {} {expected}", value(name));
    }
}

#[test]
fn nothing_that_is_known_is_written_over_and_nonsense_is_refused() {
    let folder = Folder::new("rrd-keep");
    let mut archive = filled(&folder, "kept");
    let before = means(&archive, "skew");
    let row = vec![7.0; 17];
    let database = Database {
        last: BEGIN as u64 + 1200,
        names: (0..17).map(|at| format!("x{at}")).collect(),
        resolutions: vec![Resolution { step: 10, kind: "AVERAGE".into(), rows: vec![row; 240] }],
    };
    assert_eq!(import(&mut archive, &database).unwrap().len(), 17, "by their order");
    assert!(means(&archive, "skew").iter().zip(&before).all(|(a, b)| a == b || a.is_nan() && b.is_nan()));
    let column = archive.layout().column("root_delay").unwrap();
    let older = archive.query(&[column], BEGIN - 1100.0, BEGIN, 110).unwrap();
    assert!(older.columns[0].mean.iter().all(|mean| *mean == 7.0), "{older:?}");
    for nonsense in [
        "",
        "<rrd>",
        "<a></b>",
        "<rrd><ds><name>x</name></ds></rrd>",
        "<!-- never ends",
        "<rrd><step>x</step></rrd>",
    ] {
        assert!(parse(nonsense).is_err(), "{nonsense}");
    }
}
