//! The observer's door for the command line: a Unix socket beside the archive, for those who may read that.
//!
//! One word is asked, one answer is given: `flush` has the archive written out, so that the file is all there is to know;
//! `clients` tells what `/api/clients` does. Who asks is served one after the other, each for a second at most.

use super::Plan;
use super::api;
use super::observer::{Shared, now};
use crate::daemon::logger;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// The name of the socket in the archive's folder.
const DOOR: &str = "ask";
/// How long one who asks may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long an answer is waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Opens the door. The archive's lock must be held: a socket that is there already belongs to nobody then.
pub fn open(plan: &Plan) -> Option<UnixListener> {
    let path = plan.folder.as_ref()?.join(DOOR);
    let made = || -> io::Result<UnixListener> {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o660))?;
        if let Some(user) = &plan.user {
            chown(&path, Some(user.uid), Some(user.gid))?;
        }
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    let made = made();
    if let Err(error) = &made {
        logger::warning(&format!(
            "graph and export will not see the last minutes : {} : {error}",
            path.display()
        ));
    }
    made.ok()
}

/// Answers whoever comes, for ever.
pub async fn serve(listener: UnixListener, shared: Rc<Shared>) {
    let Ok(listener) = tokio::net::UnixListener::from_std(listener) else { return };
    loop {
        match listener.accept().await {
            // Too slow, or gone: there is nobody to tell.
            Ok((stream, _)) => drop(tokio::time::timeout(PATIENCE, answer(&stream, &shared)).await),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn answer(stream: &tokio::net::UnixStream, shared: &Shared) -> io::Result<()> {
    let mut buffer = [0; 16];
    let length = loop {
        stream.readable().await?;
        match stream.try_read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            other => break other?,
        }
    };
    let reply = match buffer[..length].trim_ascii_end() {
        b"flush" => {
            let mut recorder = shared.recorder.borrow_mut();
            recorder.flush(now());
            serde_json::json!({"problem": recorder.problem})
        }
        b"clients" => {
            let asked = api::Asked { now: now(), public: false, query: "", host: &shared.host };
            api::clients(&shared.recorder.borrow(), &asked)
                .unwrap_or_else(|(_, text)| serde_json::json!({"error": text}))
        }
        _ => serde_json::json!({"error": "flush or clients"}),
    };
    let reply = reply.to_string();
    let mut rest = reply.as_bytes();
    while !rest.is_empty() {
        stream.writable().await?;
        match stream.try_write(rest) {
            Ok(length) => rest = &rest[length..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What the observer that records in `folder` answers to `word`; `None`: there is none, or it may not be asked.
pub fn ask(folder: &Path, word: &str) -> Option<serde_json::Value> {
    let mut stream = UnixStream::connect(folder.join(DOOR)).ok()?;
    stream.set_read_timeout(Some(LONGEST_WAIT)).ok()?;
    stream.set_write_timeout(Some(LONGEST_WAIT)).ok()?;
    stream.write_all(word.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let answer: serde_json::Value = serde_json::from_str(&text).ok()?;
    answer.get("error").is_none().then_some(answer)
}
