//! Reads the provider's notifications. They carry no signature and no id, so all that is taken from one is what to ask about.

use kvit_commands::ports::payment::{Notice, NoticeFault, NoticeReader, NoticeTopic};
use kvit_domain::ledger::ProviderName;

use super::line::word;
use super::node::Node;
use super::objects::{is_id, metadata};

/// Longest body that is read; a real one has some kilobytes.
pub const MAX_NOTICE_BYTES: usize = 256 * 1024;

/// The reader.
#[derive(Debug, Clone, Copy, Default)]
pub struct YookassaNotices;

fn fault(why: &str) -> NoticeFault {
    NoticeFault(why.to_owned())
}

/// JSON, or nothing said at all.
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.eq_ignore_ascii_case("charset")
            .then(|| value.trim_matches('"'))
    });
    (media.is_empty() || media.eq_ignore_ascii_case("application/json"))
        && charset.is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8"))
}

impl NoticeReader for YookassaNotices {
    fn provider(&self) -> ProviderName {
        ProviderName::Yookassa
    }

    fn read(&self, content_type: &str, body: &[u8]) -> Result<Vec<Notice>, NoticeFault> {
        if body.len() > MAX_NOTICE_BYTES {
            return Err(fault("too long"));
        }
        if !is_json(content_type) {
            return Err(fault("not of the media type application/json"));
        }
        let node = Node::read(body).map_err(|_| fault("not a well-formed document"))?;
        if node.at("type").text() != Some("notification") {
            return Err(fault("not in the envelope of a notification"));
        }
        let event = node.at("event").text().map(word).unwrap_or_default();
        if event.is_empty() {
            return Err(fault("no event"));
        }
        let object = node.at("object");
        if !object.is_map() {
            return Err(fault("no object"));
        }
        let id = |name: &str| {
            let id = object.at(name).text().filter(|id| is_id(id));
            id.map(str::to_owned)
                .ok_or_else(|| fault("the object's id is absent or not one"))
        };
        let topic = match event.as_str() {
            "payment.waiting_for_capture" | "payment.succeeded" | "payment.canceled" => {
                NoticeTopic::Payment {
                    provider_id: id("id")?,
                    operation_id: metadata(object, "operation_id"),
                    paid: event == "payment.succeeded",
                }
            }
            "refund.succeeded" => NoticeTopic::Refund {
                provider_refund_id: id("id")?,
                provider_payment_id: id("payment_id")?,
            },
            "payout.succeeded" | "payout.canceled" => NoticeTopic::Payout {
                provider_id: id("id")?,
                operation_id: metadata(object, "operation_id"),
                // The provider's payouts end once; it has no word for one that came back.
                reversed: false,
            },
            _ => NoticeTopic::Other,
        };
        Ok(vec![Notice { event, topic }])
    }
}

#[cfg(test)]
#[path = "notices_tests.rs"]
mod tests;
