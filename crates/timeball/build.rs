//! Packs the page's files (`src/observe/dashboard`) into the program: every file of that folder, compressed; `app.js` is the
//! parts of its folder `app`, joined in the order of their names.
//!
//! Writes a table of names, types, bytes and tags, which `src/observe/files.rs` includes.
//!
//! And says how the program is linked: the addresses in its tables are written compactly (RELR) where the C library understands
//! that, as glibc does from 2.36 on. That is 0.12 MB less. And a program without names of functions, as it is built for use, has no
//! tables of its stack frames either (`release.ld`): a panic says what and where and ends the program as ever; only its backtrace,
//! which would name nothing, is empty (0.36 MB).

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    // Only for the machine that builds: of another's C library nothing is known.
    let is_here = variable("TARGET") == variable("HOST") && variable("CARGO_CFG_TARGET_ENV") == "gnu";
    let is_static = variable("CARGO_CFG_TARGET_FEATURE").split(',').any(|feature| feature == "crt-static");
    if is_here && !is_static && glibc() >= Some((2, 36)) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    // The linkers of other targets are called without a compiler and do not know this form.
    if is_here && variable("PROFILE") == "release" {
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    }
    if variable("CARGO_CFG_TARGET_OS") == "linux" && variable("PROFILE") == "release" && reads_scripts() {
        println!("cargo::rerun-if-changed=release.ld");
        println!("cargo::rustc-link-arg-bins=-T{}/release.ld", variable("CARGO_MANIFEST_DIR"));
    }
    page()
}

/// Whether the linker reads scripts. Those of GNU and LLVM do, which are asked for unless somebody names another.
fn reads_scripts() -> bool {
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    let told = ["CARGO_ENCODED_RUSTFLAGS", "RUSTC_LINKER"]
        .map(|name| std::env::var(name).unwrap_or_default())
        .join(" ");
    !["mold", "gold", "wild"].iter().any(|name| told.contains(name))
}

/// The version of this machine's glibc.
fn glibc() -> Option<(u32, u32)> {
    let output = std::process::Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}

#[cfg(not(feature = "web"))]
fn page() -> std::io::Result<()> {
    Ok(())
}

#[cfg(feature = "web")]
fn page() -> std::io::Result<()> {
    use std::fs;
    use std::path::{Path, PathBuf};
    let folder = Path::new("src/observe/dashboard");
    let target = PathBuf::from(std::env::var_os("OUT_DIR").expect("set by cargo"));
    let mut table = "&[\n".to_owned();
    for path in files(folder)? {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name in ASCII").to_owned();
        table.push_str(&pack(&target, &name, &fs::read(&path)?)?);
    }
    let mut script = Vec::new();
    for part in files(&folder.join("app"))? {
        script.extend(fs::read(part)?);
        script.push(b'\n');
    }
    table.push_str(&pack(&target, "app.js", &script)?);
    table.push(']');
    fs::write(target.join("dashboard.rs"), table)
}

/// The files of a folder, by name; cargo looks after them.
#[cfg(feature = "web")]
fn files(folder: &std::path::Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let entries = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut files: Vec<_> = entries.collect::<std::io::Result<_>>()?;
    files.retain(|path| path.is_file());
    files.sort();
    files.iter().for_each(|path| println!("cargo::rerun-if-changed={}", path.display()));
    Ok(files)
}

/// Compresses one file; its line of the table. Licences and notes are not served: no line.
#[cfg(feature = "web")]
fn pack(target: &std::path::Path, name: &str, bytes: &[u8]) -> std::io::Result<String> {
    use std::io::Write;
    let kind = match name.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "webmanifest") => "application/json",
        Some("png") => "image/png",
        Some("txt") => "text/plain; charset=utf-8",
        _ => return Ok(String::new()),
    };
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(bytes)?;
    let packed = packer.finish()?;
    // FNV-1a: it only has to change when the file does.
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let tag = packed.iter().fold(0xcbf2_9ce4_8422_2325, mix);
    let path = target.join(format!("{name}.gz"));
    std::fs::write(&path, &packed)?;
    Ok(format!(
        "    File {{ name: {name:?}, kind: {kind:?}, tag: \"\\\"{tag:016x}\\\"\", packed: include_bytes!({path:?}) }},\n"
    ))
}
