//! Cursors of lists, which come back from callers.

use kvit_gateway::http::cursor::Listing;

/// A cursor that opens is the one text that its list makes for the place, and opens no other list.
pub fn holds(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let lists = [
        Listing::new("/v1/receipts"),
        Listing::new("/v1/receipts").filter("state", Some(&"accepted")),
        Listing::new("/v1/payouts"),
    ];
    let mut opened = 0;
    for list in &lists {
        match list.open(Some(text)) {
            Ok(place) => {
                let place = place.expect("a cursor was given");
                assert_eq!(list.seal(&place), text);
                super::is_plain(&place, 1_000);
                opened += 1;
            }
            Err(problem) => assert_eq!(problem.code(), "invalid_cursor"),
        }
        // As a place it goes through unchanged, or is refused, never anything else.
        let place = String::from_utf8_lossy(data);
        match list.open(Some(&list.seal(&place))) {
            Ok(again) => assert_eq!(again.as_deref(), Some(&*place)),
            Err(_) => assert!(place.len() > 700 || place.chars().any(char::is_control)),
        }
        assert!(list.next(&place, 20).is_ascii());
    }
    assert!(opened <= 1, "one cursor opens two lists");
}
