//! What a terminal is like. For the command line only.

use std::os::fd::{AsFd, AsRawFd};

/// How many columns the terminal behind `stream` has; `None` when there is no terminal, or it does not know.
pub fn columns(stream: &impl AsFd) -> Option<usize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the descriptor is open while `stream` is borrowed, and `size` is what this request fills.
    let error = unsafe { libc::ioctl(stream.as_fd().as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    (error == 0 && size.ws_col > 0).then_some(usize::from(size.ws_col))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_no_columns() {
        assert_eq!(columns(&std::fs::File::open("/dev/null").expect("on every system")), None);
    }
}
