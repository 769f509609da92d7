//! API keys as they stand in a header.

use kvit_gateway::auth::token::{TOKEN_BYTES_MAX, Token, format, hash, same_secret};

/// A key has one text, and opens with its own secret alone.
pub fn holds(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Some(token) = Token::parse(&text) else {
        return;
    };
    assert!(text.len() <= TOKEN_BYTES_MAX);
    let secret = &text[text.len() - 64..];
    assert_eq!(format(token.id, secret), text);
    assert!(token.is(&hash(secret)));
    assert!(!token.is(&hash(&secret[1..])) && !token.is(&[0; 32]));
    assert!(same_secret(secret, secret) && !same_secret(secret, token.id));
    for other in [
        format!("{text}0"),
        text.to_uppercase(),
        text[1..].to_owned(),
    ] {
        assert!(Token::parse(&other).is_none(), "{other}");
    }
}
