//! How updates come in: asked for, or brought. Either way they are stored before they are acknowledged.

pub(crate) mod polling;
pub(crate) mod webhook;

use kvit_commands::ports::messages::NewUpdate;
use serde_json::Value;

/// Reads the little that storing needs out of a raw update. `None` when it has no id, so it cannot be Telegram's.
fn as_new(update: &Value) -> Option<NewUpdate> {
    let update_id = update.get("update_id")?.as_i64()?;
    let body = update
        .as_object()?
        .iter()
        .find(|(name, _)| *name != "update_id")
        .map(|(_, body)| body);
    let at = |path: &str| {
        body.and_then(|body| body.pointer(path))
            .and_then(Value::as_i64)
    };
    // A button's message may be missing, but who pressed it never is; in a private chat both are the same.
    let order_key = at("/chat/id")
        .or_else(|| at("/message/chat/id"))
        .or_else(|| at("/from/id"))
        .unwrap_or_default();
    Some(NewUpdate {
        update_id,
        order_key,
        payload: update.to_string(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::as_new;

    #[test]
    fn updates_of_one_chat_share_their_order_whatever_their_kind() {
        let message = json!({"update_id": 1, "message": {"chat": {"id": 42}, "from": {"id": 7}}});
        let button = json!({"update_id": 2, "callback_query": {"from": {"id": 42}, "message": {"chat": {"id": 42}}}});
        let alone = json!({"update_id": 3, "callback_query": {"from": {"id": 42}}});
        for update in [message, button, alone] {
            assert_eq!(as_new(&update).unwrap().order_key, 42);
        }
        assert_eq!(
            as_new(&json!({"update_id": 4, "unheard_of": 5}))
                .unwrap()
                .order_key,
            0
        );
        for bad in [json!({}), json!([]), json!("x"), json!({"update_id": "1"})] {
            assert!(as_new(&bad).is_none(), "{bad}");
        }
    }
}
