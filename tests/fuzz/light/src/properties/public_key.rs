//! Public keys as an auditor pastes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kvit_verify::PublicKey;

/// A key that is accepted is the same key in each of its spellings, and signs nothing by itself.
pub fn holds(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(key) = PublicKey::parse(text) else {
        return;
    };
    let printed = key.to_string();
    assert_eq!(PublicKey::parse(&printed), Ok(key));
    let bytes = hex::decode(&printed).unwrap();
    assert_eq!(PublicKey::parse(&STANDARD.encode(&bytes)), Ok(key));
    let mut spki = hex::decode("302a300506032b6570032100").unwrap();
    spki.extend(&bytes);
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(spki)
    );
    assert_eq!(PublicKey::parse(&pem), Ok(key));
    // A weak key would accept signatures that nobody made.
    let mut forged = [0; 64];
    assert!(!key.has_signed(data, &forged));
    forged[..32].copy_from_slice(&bytes);
    assert!(!key.has_signed(data, &forged));
}
