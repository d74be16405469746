use super::file::{KeyFault, line, parse};
use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16).map(|d| d as u8)).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn key(algorithm: Algorithm, secret: &[u8]) -> Key {
    Key::new(KeyId(0x0102_0304), algorithm, secret).expect("a fitting length")
}

#[test]
fn aes_cmac_is_that_of_rfc_4493() {
    let key = key(Algorithm::Aes128, &bytes("2b7e1516 28aed2a6 abf71588 09cf4f3c"));
    let message = bytes("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411");
    let mac = key.sign(4, &message);
    assert_eq!(mac.as_bytes()[..4], [1, 2, 3, 4]);
    assert_eq!(mac.as_bytes()[4..], bytes("dfa66747de9ae63030ca32611497c827"));
    assert_eq!(key.sign(4, b"").as_bytes()[4..], bytes("bb1d6929e95937287fa37d129b756746"));
}

#[test]
fn hashes_run_over_the_key_and_then_the_packet() {
    // The digests of "abc", known from the standards.
    for (algorithm, digest) in [
        (Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
        (Algorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (Algorithm::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (Algorithm::Sha3_256, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
    ] {
        let key = key(algorithm, b"a");
        assert_eq!(key.sign(3, b"bc").as_bytes()[4..], bytes(digest), "{algorithm:?}");
        let cut = bytes(digest).len().min(20);
        assert_eq!(key.sign(4, b"bc").as_bytes()[4..], bytes(digest)[..cut], "{algorithm:?}");
    }
}

#[test]
fn what_is_signed_verifies_and_nothing_else_does() {
    for (algorithm, ..) in Algorithm::ALL {
        let (good, bad) = (key(*algorithm, &[7; 32][..algorithm.key_len().unwrap_or(20)]), [8; 32]);
        let bad = key(*algorithm, &bad[..algorithm.key_len().unwrap_or(20)]);
        for version in 1..=4 {
            let mac = good.sign(version, b"a packet of sorts");
            let digest = &mac.as_bytes()[4..];
            assert_eq!(mac.as_bytes().len(), good.mac_len(version));
            assert!(good.verify(version, b"a packet of sorts", digest));
            assert!(!good.verify(version, b"a packet of sortz", digest));
            assert!(!bad.verify(version, b"a packet of sorts", digest));
            assert!(!good.verify(version, b"a packet of sorts", &digest[1..]));
            assert!(!good.verify(version, b"a packet of sorts", &digest[..digest.len() - 1]), "cut short");
            assert!(!good.verify(version, b"a packet of sorts", &[]));
            for bit in 0..digest.len() * 8 {
                let mut flipped = digest.to_vec();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(!good.verify(version, b"a packet of sorts", &flipped));
            }
        }
        assert_eq!(Algorithm::named(algorithm.name()), Some(*algorithm));
    }
}

#[test]
fn a_key_file_is_read_as_chronyd_reads_it() {
    let text = "\
# comment\n\
! another\n\
\n\
1 secretsecret\n\
2 SHA1 HEX:1DC764e0791B11FA67EFC7ECBC4B0D73F68A070C\n\
3 AES128 HEX:00112233445566778899AABBCCDDEEFF\n\
4 SHA256 ASCII:plain\n\
5 SHA1\n\
  6 MD5 x  \n";
    let (keys, faults) = parse(text);
    assert_eq!(faults, []);
    assert_eq!(keys.len(), 6);
    let of = |id| keys.get(KeyId(id)).map(|key| (key.algorithm(), key.bits()));
    assert_eq!(of(1), Some((Algorithm::Md5, 96)));
    assert_eq!(of(2), Some((Algorithm::Sha1, 160)));
    assert_eq!(of(3), Some((Algorithm::Aes128, 128)));
    assert_eq!(of(4), Some((Algorithm::Sha256, 40)));
    assert_eq!(of(5), Some((Algorithm::Md5, 32)), "two words: an MD5 key");
    assert_eq!(of(6), Some((Algorithm::Md5, 8)));
    assert_eq!(of(7), None);
    assert_eq!(parse(&line(9, Algorithm::Aes128, &[0xab; 16])).0.get(KeyId(9)).unwrap().bits(), 128);
}

#[test]
fn bad_lines_are_told_and_left_out() {
    let text = "1\n\
x MD5 abc\n\
2 MD4 abc\n\
3 SHA1 HEX:abc\n\
4 AES128 HEX:0011\n\
5 MD5 one\n\
5 MD5 two\n\
6 MD5 a b\n\
7 MD5 HEX:\n\
-1 MD5 last\n\
4294967296 MD5 zero\n";
    let (keys, faults) = parse(text);
    assert_eq!(
        faults,
        [
            KeyFault::Line(1),
            KeyFault::Line(2),
            KeyFault::Type(2),
            KeyFault::Undecodable(3),
            KeyFault::Length(4, Algorithm::Aes128, 128),
            KeyFault::Duplicate(5),
            KeyFault::Line(8),
            KeyFault::Undecodable(7),
        ]
    );
    let told: Vec<String> = faults.iter().map(|fault| fault.of("/k").to_string()).collect();
    assert_eq!(told[1], "Could not parse key at line 2 in file /k");
    assert!(told[2].starts_with("Invalid type in key 2; known are MD5 SHA1 "));
    assert_eq!(told[4], "Invalid length of AES128 key 4 (expected 128 bits)");
    assert!(keys.get(KeyId(u32::MAX)).is_some() && keys.get(KeyId(0)).is_none(), "zero is no key");
    let first = keys.get(KeyId(5)).expect("the first holds");
    assert!(first.verify(
        4,
        b"",
        &Key::new(KeyId(5), Algorithm::Md5, b"one").unwrap().sign(4, b"").as_bytes()[4..]
    ));
    assert!(!format!("{keys:?}").contains("one"), "no secrets in logs");
}
