//! Symmetric keys of sources: requests signed, responses verified, warnings said.

use super::{Actions, Engine, PacketBuf, Severity};
use crate::auth::{Keys, SHORT_KEY_BITS};
use crate::config::SourceConfig;
use crate::control::authdata::{AuthData, AuthMode};
use crate::ids::KeyId;
use crate::report::Interval;
use crate::server::ServeConfig;
use crate::source::Source;
use crate::wire::correction;
use crate::wire::extension::{Mac, Tail};
use crate::wire::header::HEADER_LEN;
use crate::wire::root::Root;
use std::sync::Arc;

/// NTPv4 cuts longer digests (RFC 7822 §3): towards such a key requests are NTPv3, which does not.
const NTPV4_WHOLE_DIGEST: usize = 20;

impl Engine {
    /// The key file as read, at the start and again on `rekey`. Says which keys of sources are missing or too short.
    pub fn set_keys(&mut self, keys: Keys, out: &mut Actions) {
        let config = ServeConfig { keys: Arc::new(keys), ..(**self.shards.config()).clone() };
        self.shards.set_config(config);
        // In the order of the sources, each key once.
        let mut said: Vec<u32> = Vec::new();
        for key in self.sources.iter().map(|source| source.config.key).filter(|key| *key != 0) {
            if !said.contains(&key) {
                said.push(key);
                judge(&self.shards.config().keys, key, out);
            }
        }
    }

    /// Says what is wrong with the key of a source that is added now.
    pub(super) fn judge_key(&self, config: &SourceConfig, out: &mut Actions) {
        if config.key != 0 {
            judge(&self.shards.config().keys, config.key, out);
        }
    }

    /// The version in which a source is asked.
    pub(super) fn request_version(&self, config: &SourceConfig) -> u8 {
        let key = self.shards.config().keys.get(KeyId(config.key));
        let cut = key.is_some_and(|key| key.algorithm().digest_len() > NTPV4_WHOLE_DIGEST);
        match config.version {
            // What only NTPv4 has comes before a whole digest.
            0 if cut && !config.xleave && config.ext_fields == 0 => 3,
            0 => 4,
            version => version,
        }
    }

    /// A request to a source, with its MAC; `None`: its key is missing, and unsigned it is not asked.
    pub(super) fn sealed(
        &self,
        config: &SourceConfig,
        version: u8,
        packet: &[u8; HEADER_LEN],
    ) -> Option<PacketBuf> {
        if config.key == 0 {
            let mut bytes = PacketBuf::new(packet);
            if super::responses::asks_fine_root(config) {
                bytes.append(&Root::default().emit());
            }
            if super::responses::asks_correction(config) {
                bytes.append(&correction::request());
            }
            return Some(bytes);
        }
        let key = self.shards.config().keys.get(KeyId(config.key))?;
        let mut bytes = PacketBuf::new(packet);
        bytes.append(key.sign(version, packet).as_bytes());
        Some(bytes)
    }

    /// Is `bytes`, of NTP version `version`, from the holder of the source's key? True for a source without one; NTS
    /// cannot be verified, so a source that asks for it is not used without.
    pub(super) fn is_authentic(&self, source: &Source, version: u8, bytes: &[u8]) -> bool {
        let config = &source.config;
        if config.nts {
            return false;
        }
        if config.key == 0 {
            return true;
        }
        let Ok(tail) = Tail::parse(version, bytes) else { return false };
        let Mac::Present { key, digest } = tail.mac else { return false };
        let signed = bytes.get(..tail.authenticated_len()).unwrap_or(&[]);
        // No other key of the file will do: its holder is another server.
        key.0 == config.key
            && self.shards.config().keys.get(key).is_some_and(|key| key.verify(version, signed, digest))
    }

    /// How a source is authenticated.
    pub fn auth_data(&self, index: usize) -> Option<AuthData> {
        let config = &self.sources.get(index)?.config;
        let none = AuthData { last_ke: Interval::NEVER, ..AuthData::default() };
        if config.key == 0 {
            return Some(none);
        }
        let key = self.shards.config().keys.get(KeyId(config.key));
        Some(AuthData {
            mode: AuthMode::Symmetric,
            key_id: config.key,
            key_type: key.map_or(0, |key| key.algorithm().number()),
            key_bits: key.map_or(0, |key| key.bits().min(usize::from(u16::MAX)) as u16),
            ..none
        })
    }
}

fn judge(keys: &Keys, key: u32, out: &mut Actions) {
    match keys.get(KeyId(key)) {
        None => out.log(Severity::Warning, format!("Key {key} is missing")),
        Some(known) if known.bits() < SHORT_KEY_BITS => {
            out.log(Severity::Warning, format!("Key {key} is too short"));
        }
        Some(_) => {}
    }
}
