//! What a stored button does.

use kvit_bot::Action;

/// An action reads back from its text as itself, and no text is two actions.
pub fn holds(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(action) = serde_json::from_str::<Action>(text) else {
        return;
    };
    let stored = serde_json::to_string(&action).unwrap();
    assert_eq!(serde_json::from_str::<Action>(&stored).unwrap(), action);
    assert!(!stored.contains('\0'), "a text column takes no NUL");
}
