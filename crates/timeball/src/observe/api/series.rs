//! `/api/series`: what the archive knows of a range.

use super::super::archive::{Answer, Points};
use super::super::plots;
use super::super::recorder::Recorder;
use super::{Asked, Refusal};
use ntp::metrics::{METRICS, Metric};
use serde_json::json;
use std::fmt::Write;

/// Values in one answer: names × points.
const MOST_VALUES: usize = 50_000;
/// Names in one question.
const MOST_NAMES: usize = 64;

/// The columns a question names: metric names, and for sources `name@s3`.
fn columns(recorder: &Recorder, names: &[String]) -> Result<Vec<(&'static Metric, Option<usize>)>, Refusal> {
    let layout = recorder.archive.as_ref().map(|archive| archive.layout());
    let column = |name: &String| {
        let bare = name.split_once('@').map_or(name.as_str(), |(bare, _)| bare);
        let metric = METRICS.iter().find(|metric| metric.name == bare);
        let valid = metric.filter(|metric| metric.is_per_source() == name.contains('@'));
        let metric = valid.ok_or_else(|| {
            (404, format!("there is no series \"{}\"", name.chars().take(60).collect::<String>()))
        })?;
        Ok((metric, layout.and_then(|layout| layout.column(name))))
    };
    names.iter().map(column).collect()
}

/// A range of time in a question.
fn range(asked: &Asked<'_>) -> Result<(f64, f64), Refusal> {
    let to = asked.number("to")?.unwrap_or(asked.now);
    let to = if to <= 0.0 { asked.now + to } else { to };
    let from = asked.number("from")?.unwrap_or(-86_400.0);
    let from = if from < 0.0 { to + from } else { from };
    if from < to { Ok((from, to)) } else { Err((400, "from is not before to".to_owned())) }
}

/// `/api/series`: the media type and the text.
pub fn series(recorder: &Recorder, asked: &Asked<'_>) -> Result<(&'static str, String), Refusal> {
    let names = asked.text("series").unwrap_or_default();
    let names: Vec<String> = names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.is_empty() || names.len() > MOST_NAMES {
        return Err((400, format!("series= wants 1 to {MOST_NAMES} names, with commas between them")));
    }
    let wanted = columns(recorder, &names)?;
    let (from, to) = range(asked)?;
    let points = asked.number("points")?.unwrap_or(720.0).clamp(1.0, 2000.0) as usize;
    let points = points.min(MOST_VALUES / names.len());
    let archive = recorder.archive.as_ref().ok_or((503, "nothing is recorded".to_owned()))?;
    let present: Vec<usize> = wanted.iter().filter_map(|(_, column)| *column).collect();
    let answer = archive
        .query(&present, from, to, points)
        .map_err(|error| (503, format!("the archive cannot be read: {error}")))?;
    let mut found = answer.columns.iter();
    let all: Vec<(&String, &Metric, Option<&Points>)> = names
        .iter()
        .zip(&wanted)
        .map(|(name, (metric, column))| (name, *metric, column.and_then(|_| found.next())))
        .collect();
    if asked.text("format").as_deref() == Some("csv") {
        return Ok(("text/csv; charset=utf-8", csv(&answer, &all)));
    }
    let mut out = String::with_capacity(64 + points * names.len() * 30);
    let _ = write!(
        out,
        "{{\"from\":{from},\"to\":{to},\"start\":{},\"step\":{},\"series\":{{",
        answer.start, answer.step
    );
    for (at, (name, metric, points)) in all.iter().enumerate() {
        let _ = write!(
            out,
            "{}{}:{{\"unit\":{}",
            if at > 0 { "," } else { "" },
            json!(name),
            json!(plots::unit(metric.unit))
        );
        let empty = vec![f32::NAN; answer.covered.len()];
        let lists = points.map_or([&empty; 3], |points| [&points.mean, &points.min, &points.max]);
        for (word, list) in ["mean", "min", "max"].into_iter().zip(lists) {
            let _ = write!(out, ",\"{word}\":[");
            for (at, value) in list.iter().enumerate() {
                let comma = if at > 0 { "," } else { "" };
                // Writing to a string cannot fail.
                let _ = if value.is_finite() {
                    write!(out, "{comma}{value:?}")
                } else {
                    write!(out, "{comma}null")
                };
            }
            out.push(']');
        }
        out.push('}');
    }
    let gaps = gaps(&answer, asked.now, recorder.oldest());
    let _ = write!(out, "}},\"covered\":{},\"gaps\":{}}}", json!(answer.covered), json!(gaps));
    Ok(("application/json", out))
}

/// Stretches in which nothing was recorded, from the beginning of the archive to now.
fn gaps(answer: &Answer, now: f64, oldest: f64) -> Vec<[f64; 2]> {
    let mut gaps: Vec<[f64; 2]> = Vec::new();
    for (at, seconds) in answer.covered.iter().enumerate() {
        let begin = answer.start as f64 + at as f64 * f64::from(answer.step);
        let end = begin + f64::from(answer.step);
        let ours = begin >= oldest && end <= now - f64::from(answer.step);
        if *seconds > 0.0 || !ours {
            continue;
        }
        match gaps.last_mut() {
            Some(last) if last[1] == begin => last[1] = end,
            _ => gaps.push([begin, end]),
        }
    }
    gaps
}

fn csv(answer: &Answer, all: &[(&String, &Metric, Option<&Points>)]) -> String {
    let mut out = "time".to_owned();
    for (name, ..) in all {
        let _ = write!(out, ",{name}_mean,{name}_min,{name}_max");
    }
    out.push('\n');
    for at in 0..answer.covered.len() {
        let _ = write!(out, "{}", answer.start + at as u64 * u64::from(answer.step));
        for (_, _, points) in all {
            for list in
                points.map_or([None; 3], |points| [Some(&points.mean), Some(&points.min), Some(&points.max)])
            {
                match list.map(|list| list[at]).filter(|value| value.is_finite()) {
                    Some(value) => {
                        let _ = write!(out, ",{value:?}");
                    }
                    None => out.push(','),
                }
            }
        }
        out.push('\n');
    }
    out
}
