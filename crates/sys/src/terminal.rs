//! What a terminal is like. For the command line only.

use std::os::fd::{AsFd, AsRawFd, RawFd};

/// How many columns the terminal behind `stream` has; `None` when there is no terminal, or it does not know.
pub fn columns(stream: &impl AsFd) -> Option<usize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the descriptor is open while `stream` is borrowed, and `size` is what this request fills.
    let error = unsafe { libc::ioctl(stream.as_fd().as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    (error == 0 && size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// A terminal that gives every key at once and shows none by itself, as long as this lives.
pub struct Raw {
    fd: RawFd,
    before: libc::termios,
}

/// Takes the terminal behind `stream` over; `None` when there is none.
pub fn raw(stream: &impl AsFd) -> Option<Raw> {
    let fd = stream.as_fd().as_raw_fd();
    // SAFETY: all zero bytes are a `termios`.
    let mut before: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open while `stream` is borrowed, and `before` is what the call fills.
    if unsafe { libc::tcgetattr(fd, &raw mut before) } != 0 {
        return None;
    }
    let mut wanted = before;
    wanted.c_lflag &= !(libc::ICANON | libc::ECHO | libc::ISIG | libc::IEXTEN);
    wanted.c_iflag &= !(libc::IXON | libc::ICRNL);
    wanted.c_cc[libc::VMIN] = 1;
    wanted.c_cc[libc::VTIME] = 0;
    // SAFETY: likewise; the call only reads `wanted`.
    let set = unsafe { libc::tcsetattr(fd, libc::TCSADRAIN, &raw const wanted) };
    (set == 0).then_some(Raw { fd, before })
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: standard streams stay open as long as the program runs; the call only reads `before`.
        unsafe { libc::tcsetattr(self.fd, libc::TCSADRAIN, &raw const self.before) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_no_columns() {
        let null = std::fs::File::open("/dev/null").expect("on every system");
        assert_eq!(columns(&null), None);
        assert!(raw(&null).is_none());
    }
}
