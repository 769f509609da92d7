//! Notifications of YooKassa, which anybody could send.

use kvit_adapters::yookassa::{MAX_NOTICE_BYTES, YookassaNotices};
use kvit_commands::ports::payment::{NoticeReader as _, NoticeTopic};
use serde_json::Value;

const TYPES: [&str; 6] = [
    "application/json",
    "application/json; charset=utf-8",
    "",
    "application/json; charset=\"windows-1251\"",
    "text/html",
    "application/x-www-form-urlencoded",
];

/// What is taken from a notification stands in it, to another reader as well, and can name nothing but an object.
pub fn holds(data: &[u8]) {
    let Some((content_type, body)) = super::chosen(data, &TYPES) else {
        return;
    };
    let notices = match YookassaNotices.read(content_type, body) {
        Ok(notices) => notices,
        Err(fault) => return super::is_plain(&fault.to_string(), 200),
    };
    assert!(TYPES[..3].contains(&content_type));
    assert!(body.len() <= MAX_NOTICE_BYTES);
    let said: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(said["type"], "notification");
    let object = &said["object"];
    assert!(object.is_object());
    let [notice] = notices.as_slice() else {
        panic!("one notification makes {} notices", notices.len());
    };
    super::is_plain(&notice.event, 64);
    match &notice.topic {
        NoticeTopic::Payment {
            provider_id,
            operation_id,
            ..
        }
        | NoticeTopic::Payout {
            provider_id,
            operation_id,
            reversed: false,
        } => {
            is_id(provider_id, &object["id"]);
            if let Some(name) = operation_id {
                super::is_plain(name, 128);
                assert_eq!(*name, object["metadata"]["operation_id"]);
            }
        }
        NoticeTopic::Refund {
            provider_refund_id,
            provider_payment_id,
        } => {
            is_id(provider_refund_id, &object["id"]);
            is_id(provider_payment_id, &object["payment_id"]);
        }
        NoticeTopic::Other => {}
        other => panic!("YooKassa tells nothing like {other:?}"),
    }
}

fn is_id(id: &str, said: &Value) {
    assert_eq!(*id, *said);
    super::is_plain(id, 64);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    assert!(!id.is_empty() && id.bytes().all(fits), "{id:?}");
}
