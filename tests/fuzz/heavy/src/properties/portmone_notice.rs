//! Notifications of Portmone, which anybody could send: JSON, XML, and XML in a form.

use kvit_adapters::portmone::notification::{
    MAX_NOTIFICATION_BYTES, PortmoneNotices, parse_notification,
};
use kvit_adapters::portmone::{
    BillNotice, Kopecks, Movement, PortmoneNotification, acknowledgement,
};
use kvit_commands::ports::payment::NoticeReader as _;

const TYPES: [&str; 8] = [
    "text/xml",
    "application/json",
    "application/x-www-form-urlencoded",
    "",
    "application/xml; charset=UTF-8",
    "text/xml; charset=windows-1251",
    "text/html",
    "application/octet-stream",
];

/// What is taken out is bounded and plain, no amount is nothing, sums do not wrap, and what we answer stays our own words.
pub fn holds(data: &[u8]) {
    let Some((content_type, body)) = super::chosen(data, &TYPES) else {
        return;
    };
    let read = match parse_notification(content_type, body) {
        Ok(read) => read,
        Err(error) => {
            super::is_plain(&error.to_string(), 300);
            assert!(PortmoneNotices.read(content_type, body).is_err());
            return;
        }
    };
    assert!(body.len() <= MAX_NOTIFICATION_BYTES && TYPES[..5].contains(&content_type));
    assert_eq!(parse_notification(content_type, body).as_ref(), Ok(&read));
    holds_nothing_forbidden(content_type, body);
    is_sound(&read);
    for notice in PortmoneNotices.read(content_type, body).unwrap() {
        super::is_plain(&notice.event, 2_200);
    }
    let answer = acknowledgement(&read, "r-1\"<&>\u{0}");
    if answer.content_type == "application/json" {
        let said: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(said["responseId"], "r-1");
    } else {
        // Whatever stood in the question: the answer has as many elements as its own form.
        let payers = match &read {
            PortmoneNotification::Requests(query) => query.payers.len(),
            _ => 0,
        };
        assert_eq!(answer.body.matches("<REJECT>").count(), payers);
        assert_eq!(answer.body.matches("<!").count(), 0);
        assert_eq!(answer.body.matches("<?").count(), 1);
    }
}

/// A document type ends the reading, so neither an entity nor a file of ours can come out of it.
fn holds_nothing_forbidden(content_type: &str, body: &[u8]) {
    let text = String::from_utf8_lossy(body);
    let is_xml = text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('<');
    let is_quoted = text.contains("<!--") || text.contains("<![CDATA[");
    if is_xml && !is_quoted && content_type != "application/json" {
        assert!(!text.contains("<!"), "a declaration was accepted");
    }
}

fn is_sound(read: &PortmoneNotification) {
    match read {
        PortmoneNotification::Payment(payment) => {
            is_id(&payment.shop_order_number);
            is_id(&payment.shop_bill_id);
            are_words(&[&payment.status, &payment.payee_id]);
            if let Some(movement) = payment.amount {
                assert!(movement.amount().minor() > 0);
            }
        }
        PortmoneNotification::Bills(bills) => {
            assert!(!bills.is_empty());
            bills.iter().for_each(is_sound_bill);
        }
        PortmoneNotification::Settlement(orders) => {
            assert!(!orders.is_empty());
            for order in orders {
                is_id(&order.id);
                are_words(&[&order.number, &order.payee_code]);
                assert!(!order.bills.is_empty());
                order.bills.iter().for_each(is_sound_bill);
                let sums = order
                    .sums()
                    .expect("amounts are bounded, so are their sums");
                assert!(sums.fit().is_some());
                assert!(sums.paid >= 0 && sums.reversed >= 0);
            }
        }
        PortmoneNotification::Requests(query) => {
            assert!(!query.payers.is_empty());
            are_words(&[&query.payee]);
            for payer in &query.payers {
                is_id(&payer.contract_number);
                payer.attributes.iter().for_each(|word| are_words(&[word]));
            }
        }
    }
}

fn is_sound_bill(bill: &BillNotice) {
    is_id(&bill.bill_id);
    let amount = match bill.movement {
        Movement::Forward(amount) | Movement::Back(amount) => amount,
    };
    assert!(amount.minor() > 0);
    assert!(
        bill.commission
            .is_none_or(|fee| fee >= Kopecks::new(0).unwrap())
    );
    are_words(&[
        &bill.payee_code,
        &bill.bill_number,
        &bill.status,
        &bill.auth_code,
        &bill.contract_number,
    ]);
    bill.attributes.iter().for_each(|word| are_words(&[word]));
}

fn is_id(id: &str) {
    assert!((1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()));
}

fn are_words(words: &[&Option<String>]) {
    for word in words.iter().copied().flatten() {
        assert_eq!(word.trim(), word);
        assert!(!word.is_empty());
        // 512 characters of up to four bytes.
        super::is_plain(word, 2_048);
    }
}
