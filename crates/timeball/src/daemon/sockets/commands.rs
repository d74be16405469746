//! The sockets that take commands.

use crate::daemon::files::{SocketPath, reason};
use crate::daemon::folders::{self, Owner};
use ntp::config::{ControlConfig, Family};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;
use sys::errno;
use sys::socket::{Family as Domain, Socket};

/// The sockets that take commands.
#[derive(Debug, Default)]
pub struct CommandSockets {
    udp: [Option<Socket>; 2],
    unix: Option<(SocketPath, Socket)>,
}

impl CommandSockets {
    /// Opens the UDP sockets of the configuration. What cannot be had is said, and life goes on.
    pub fn open_udp(config: &ControlConfig, family: Family, mut say: impl FnMut(String)) -> Self {
        let mut sockets = Self::default();
        if config.port == 0 {
            return sockets;
        }
        for &ip in config.bind.iter().filter(|&&ip| family.accepts(ip)) {
            match open_command(config, ip) {
                Ok(socket) => sockets.udp[usize::from(ip.is_ipv6())] = Some(socket),
                Err(error) if missing_loopback(ip, &error) => {}
                Err(error) => say(format!(
                    "Could not open command socket on {} : {}",
                    SocketAddr::new(ip, config.port),
                    reason(&error)
                )),
            }
        }
        sockets
    }

    /// Opens the Unix socket at `path`, in a folder that only `owner` and its group may enter.
    pub fn open_unix(&mut self, path: &Path, owner: Owner) -> Result<(), String> {
        if let Some(folder) = path.parent().filter(|folder| folder.parent().is_some()) {
            folders::make_private(folder, owner)?;
        }
        let fail = |error: io::Error| {
            format!("Could not open command socket {} : {}", path.display(), reason(&error))
        };
        let answers = |path: &Path| Socket::unix().and_then(|probe| probe.connect_unix(path)).is_ok();
        SocketPath::clear(path, answers).map_err(fail)?;
        let socket = Socket::unix().map_err(fail)?;
        socket.bind_unix(path).map_err(fail)?;
        let path = SocketPath::bound(path).map_err(fail)?;
        self.unix = Some((path, socket));
        Ok(())
    }

    /// Where the Unix socket is.
    pub fn path(&self) -> Option<&Path> {
        self.unix.as_ref().map(|(path, _)| path.path())
    }

    /// The UDP sockets: at most two.
    pub fn udp(&self, index: usize) -> Option<&Socket> {
        self.udp.get(index)?.as_ref()
    }

    /// The Unix socket.
    pub fn unix(&self) -> Option<&Socket> {
        self.unix.as_ref().map(|(_, socket)| socket)
    }
}

/// A machine without IPv6, asked only for its default loopback address.
fn missing_loopback(ip: IpAddr, error: &io::Error) -> bool {
    ip == IpAddr::V6(Ipv6Addr::LOCALHOST)
        && matches!(error.raw_os_error(), Some(errno::EAFNOSUPPORT | errno::EADDRNOTAVAIL))
}

fn open_command(config: &ControlConfig, ip: IpAddr) -> io::Result<Socket> {
    let address = SocketAddr::new(ip, config.port);
    let socket = Socket::udp(Domain::of(&address))?;
    socket.set_only_v6()?;
    if let Some(device) = &config.device {
        socket.set_device(device)?;
    }
    let _ = socket.set_free_bind();
    let _ = socket.set_packet_info();
    socket.bind(address)?;
    Ok(socket)
}
