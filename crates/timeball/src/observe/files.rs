//! The page: files packed into the program when it is built.

/// A file of the page.
#[derive(Debug)]
pub struct File {
    /// Its name.
    pub name: &'static str,
    /// Its media type.
    pub kind: &'static str,
    /// What changes when it changes, as an entity tag.
    pub tag: &'static str,
    /// Its bytes, compressed by gzip.
    pub packed: &'static [u8],
}

/// All of them.
pub const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/dashboard.rs"));

/// The file behind a path.
pub fn find(path: &str) -> Option<&'static File> {
    let name = if path == "/" { "index.html" } else { path.strip_prefix('/')? };
    FILES.iter().find(|file| file.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_there_and_small() {
        let page = find("/").expect("a page");
        assert_eq!((page.name, page.kind), ("index.html", "text/html; charset=utf-8"));
        for file in FILES {
            assert_eq!(file.packed[..2], [0x1f, 0x8b], "{} is not packed", file.name);
            assert!(file.tag.len() == 18 && find(&format!("/{}", file.name)).is_some(), "{file:?}");
        }
        let all: usize = FILES.iter().map(|file| file.packed.len()).sum();
        assert!(all < 150_000, "{all} bytes");
        assert!(find("/../Cargo.toml").is_none() && find("").is_none() && find("//index.html").is_none());
    }
}
