//! Writes the gateway's answers, pages, news and settlements.

use chrono_tz::Europe::Kyiv;
use serde_json::{Value, json};

use super::state::{Link, ShopRefused, ShopStatus, ShopTransaction};
use crate::sandbox::portmone::faults::Blemish;
use crate::sandbox::portmone::render::{Reply, escaped, text};

/// An amount as this service writes it: no fixed decimals, a minus on what went back.
pub(super) fn loose(transaction: &ShopTransaction) -> String {
    let sign = if transaction.status == ShopStatus::Return {
        "-"
    } else {
        ""
    };
    format!("{sign}{}", loose_amount(transaction.amount_minor))
}

fn loose_amount(minor: i64) -> String {
    let amount = text(minor);
    let trimmed = amount.trim_end_matches('0').trim_end_matches('.');
    if trimmed.is_empty() { "0" } else { trimmed }.to_owned()
}

fn moment(transaction: &ShopTransaction, form: &str) -> String {
    let at = transaction.at.with_timezone(&Kyiv);
    at.format(form).to_string()
}

/// How a list of transactions is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A JSON list with `errorCode`.
    Json,
    /// A JSON list with `error_code`, as the methods for held sums have it.
    SnakeJson,
    /// XML with a list of orders.
    Orders,
    /// XML with one order.
    Order,
}

impl Shape {
    fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::SnakeJson)
    }
}

pub(super) fn transactions(
    shape: Shape,
    payee_id: &str,
    list: &[ShopTransaction],
    blemish: Option<&Blemish>,
) -> Reply {
    let list = if blemish == Some(&Blemish::NoBill) {
        &[]
    } else {
        list
    };
    let mut written: Vec<Value> = Vec::new();
    let mut orders = String::new();
    for one in list {
        let nine = |is: bool| if is { "9" } else { "" };
        let wrong = |a, b| blemish == Some(a) || blemish == Some(b);
        let bill = format!("{}{}", nine(blemish == Some(&Blemish::WrongBill)), one.id);
        let order = format!(
            "{}{}",
            nine(wrong(&Blemish::WrongBill, &Blemish::WrongPhone)),
            one.order_number
        );
        let payee = format!("{}{payee_id}", nine(blemish == Some(&Blemish::WrongPayee)));
        let amount = match blemish {
            Some(Blemish::WrongAmount) => loose_amount(one.amount_minor.saturating_add(100)),
            Some(Blemish::OddAmount) => "5e1".to_owned(),
            Some(Blemish::NoAmount) => String::new(),
            _ => loose(one),
        };
        let paid_at = moment(one, "%d.%m.%Y %H:%M:%S");
        if shape.is_json() {
            let mut value = json!({
                "shopBillId": bill, "shopOrderNumber": order, "payee_id": payee, "status": one.status.word(),
                "billAmount": amount, "pay_date": paid_at, "authCode": "TESTPM",
            });
            let (code, words) = if shape == Shape::Json {
                ("errorCode", "errorMessage")
            } else {
                ("error_code", "error_message")
            };
            value[code] = "0".into();
            value[words] = "".into();
            written.push(value);
        } else {
            orders.push_str(&format!(
                "<order><shop_bill_id>{bill}</shop_bill_id><shop_order_number>{}</shop_order_number><payee_id>{payee}</payee_id>\
                 <description><![CDATA[]]></description><bill_date>{}</bill_date><pay_date>{paid_at}</pay_date>\
                 <pay_order_date></pay_order_date><bill_amount>{amount}</bill_amount><auth_code>TESTPM</auth_code><status>{}</status>\
                 <error_code>0</error_code><error_message><![CDATA[]]></error_message></order>",
                escaped(&order),
                moment(one, "%d.%m.%Y"),
                one.status.word(),
            ));
        }
    }
    if shape.is_json() {
        return spoilt_json(Value::Array(written).to_string(), blemish);
    }
    let orders = match shape {
        Shape::Orders if orders.is_empty() => "<orders type=\"list\"/>".to_owned(),
        Shape::Orders => format!("<orders type=\"list\">{orders}</orders>"),
        _ => orders,
    };
    let document =
        format!("<portmoneresult lang=\"uk\"><request></request>{orders}</portmoneresult>");
    spoilt_xml(&document, blemish)
}

pub(super) fn link(address: &str, blemish: Option<&Blemish>) -> Reply {
    let answer = match blemish {
        Some(Blemish::NoBill) => json!({"errorCode": "0", "error": ""}),
        _ => json!({"errorCode": "0", "error": "", "linkPayment": address}),
    };
    spoilt_json(answer.to_string(), blemish)
}

pub(super) fn refusal(is_json: bool, code: &str, words: &str) -> Reply {
    if is_json {
        json_reply(json!({"errorCode": code, "error": words}).to_string())
    } else {
        Reply::xml(format!(
            "<portmoneresult lang=\"uk\"><request></request><order><error_code>{}</error_code><error_message><![CDATA[{}]]></error_message></order></portmoneresult>",
            escaped(code),
            words.replace("]]>", "")
        ))
    }
}

pub(super) fn refused(is_json: bool, refused: ShopRefused) -> Reply {
    let (code, words) = refused.words();
    refusal(is_json, code, words)
}

fn json_reply(body: String) -> Reply {
    Reply {
        status: 200,
        content_type: "application/json; charset=utf-8",
        body: body.into_bytes(),
    }
}

fn spoilt_json(body: String, blemish: Option<&Blemish>) -> Reply {
    match blemish {
        Some(Blemish::Malformed | Blemish::ExternalEntity | Blemish::EntityBomb) => {
            json_reply(format!("{body}]"))
        }
        other => spoilt_any(json_reply(body), other),
    }
}

fn spoilt_xml(document: &str, blemish: Option<&Blemish>) -> Reply {
    let with_type = |declared: &str, used: &str| {
        let document = document.replace("<request></request>", used);
        Reply::xml(format!("<!DOCTYPE portmoneresult [{declared}]>{document}"))
    };
    match blemish {
        Some(Blemish::Malformed) => Reply::xml("<portmoneresult><orders></portmoneresult>".into()),
        Some(Blemish::ExternalEntity) => with_type(
            "<!ENTITY x SYSTEM \"file:///etc/hostname\">",
            "<request>&x;</request>",
        ),
        Some(Blemish::EntityBomb) => with_type(
            "<!ENTITY a \"aaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">",
            "<request>&b;</request>",
        ),
        other => spoilt_any(Reply::xml(document.to_owned()), other),
    }
}

fn spoilt_any(mut reply: Reply, blemish: Option<&Blemish>) -> Reply {
    match blemish {
        Some(Blemish::CutOff) => reply.body.truncate(reply.body.len() / 2),
        Some(Blemish::Empty) => reply.body.clear(),
        Some(Blemish::Html) => {
            reply.content_type = "text/html; charset=utf-8";
            reply.body = b"<!DOCTYPE html><html><body>We are back soon</body></html>".to_vec();
        }
        Some(Blemish::WrongCharset) => {
            reply.content_type = "text/xml; charset=windows-1251";
        }
        Some(Blemish::Oversize) => {
            let blank = crate::portmone::gateway::MAX_ANSWER_BYTES;
            reply.body.splice(0..0, std::iter::repeat_n(b' ', blank));
        }
        Some(_) | None => {}
    }
    reply
}

/// News of a transaction as `BILLS`: what goes back carries the id of the bill that was paid, and a minus.
pub(super) fn bill(payee_id: &str, one: &ShopTransaction, fee_minor: i64) -> String {
    let minus_on_zero_is_no_amount = if one.status == ShopStatus::Return && fee_minor > 0 {
        "-"
    } else {
        ""
    };
    format!(
        "<BILL><PAYEE><NAME>Sandbox</NAME><CODE>{}</CODE></PAYEE><BANK><NAME>Sandbox bank</NAME><CODE>300000</CODE><ACCOUNT>2924000</ACCOUNT></BANK>\
         <BILL_ID>{}</BILL_ID><BILL_NUMBER>{}</BILL_NUMBER><BILL_DATE>{}</BILL_DATE><BILL_PERIOD>{}</BILL_PERIOD>\
         <PAY_DATE>{}</PAY_DATE><PAY_TIME>{}</PAY_TIME><PAYED_AMOUNT>{}</PAYED_AMOUNT>\
         <PAYED_COMMISSION>{minus_on_zero_is_no_amount}{}</PAYED_COMMISSION><PAYED_DEBT>0</PAYED_DEBT><AUTH_CODE>TESTPM</AUTH_CODE>\
         <STATUS>PAYED</STATUS><CARD_MASK>444433******1111</CARD_MASK><PAYER><CONTRACT_NUMBER>{}</CONTRACT_NUMBER></PAYER></BILL>",
        escaped(payee_id),
        one.of.unwrap_or(one.id),
        escaped(&one.order_number),
        moment(one, "%Y-%m-%d"),
        moment(one, "%m%y"),
        moment(one, "%Y-%m-%d"),
        moment(one, "%H:%M:%S"),
        loose(one),
        loose_amount(fee_minor),
        escaped(&one.order_number),
    )
}

/// The news of a transaction as a JSON object.
pub(super) fn news(payee_id: &str, one: &ShopTransaction) -> Value {
    json!({
        "shopBillId": one.id.to_string(),
        "shopOrderNumber": one.order_number,
        "payeeId": payee_id,
        "status": one.status.word(),
        "billAmount": loose(one),
    })
}

/// The settlement document.
pub(super) fn settlement(
    id: u64,
    payee_id: &str,
    amount_minor: i64,
    bills: &[(ShopTransaction, i64)],
) -> String {
    let today = crate::sandbox::now().with_timezone(&Kyiv);
    let list: String = bills
        .iter()
        .map(|(one, fee)| bill(payee_id, one, *fee))
        .collect();
    format!(
        "<PAY_ORDERS><PAY_ORDER><PAY_ORDER_ID>{id}</PAY_ORDER_ID><PAY_ORDER_NUMBER>{id}</PAY_ORDER_NUMBER>\
         <PAY_ORDER_DATE>{}</PAY_ORDER_DATE><PAY_ORDER_AMOUNT>{}</PAY_ORDER_AMOUNT>\
         <PAYEE><NAME>Sandbox</NAME><CODE>{}</CODE></PAYEE><BANK><NAME>Sandbox bank</NAME><CODE>300000</CODE><ACCOUNT>2924000</ACCOUNT></BANK>\
         <BILLS>{list}</BILLS></PAY_ORDER></PAY_ORDERS>",
        today.format("%Y-%m-%d"),
        loose_amount(amount_minor),
        escaped(payee_id),
    )
}

fn page(title: &str, body: &str) -> Reply {
    Reply {
        status: 200,
        content_type: "text/html; charset=utf-8",
        body: format!(
            "<!DOCTYPE html><html lang=\"uk\"><head><meta charset=\"utf-8\"><title>{title}</title></head><body><h1>{title}</h1>{body}</body></html>"
        )
        .into_bytes(),
    }
}

/// The page on which a person pays. Everything that the shop wrote is escaped.
pub(super) fn pay_page(link: &Link) -> Reply {
    let button = |deed: &str, words: &str| {
        format!("<button name=\"deed\" value=\"{deed}\">{words}</button> ")
    };
    page(
        "Portmone (пісочниця)",
        &format!(
            "<p id=\"description\">{}</p><p id=\"order\">{}</p><p id=\"amount\">{} UAH</p><form method=\"post\">{}{}{}</form>",
            escaped(&link.description),
            escaped(&link.order_number),
            text(link.amount_minor),
            button("pay", "Сплатити"),
            button("decline", "Банк відмовляє"),
            button("leave", "Піти з підтвердження 3-D Secure"),
        ),
    )
}

/// The page that takes the browser back to the shop by a post that carries no signature, as the provider's does.
pub(super) fn return_page(link: &Link, one: &ShopTransaction) -> Reply {
    let good = matches!(one.status, ShopStatus::Payed | ShopStatus::Preauth);
    let (action, result) = if good {
        (&link.success_url, "0")
    } else {
        (&link.failure_url, "Оплату відхилено")
    };
    let field = |name: &str, value: &str| {
        format!(
            "<input type=\"hidden\" name=\"{name}\" value=\"{}\">",
            escaped(value)
        )
    };
    page(
        if good {
            "Сплачено"
        } else {
            "Не сплачено"
        },
        &format!(
            "<form method=\"post\" action=\"{}\">{}{}{}{}{}<button>До магазину</button></form>",
            escaped(action),
            field("SHOPBILLID", &one.id.to_string()),
            field("SHOPORDERNUMBER", &one.order_number),
            field("APPROVALCODE", "TESTPM"),
            field("BILL_AMOUNT", &text(one.amount_minor)),
            field("RESULT", result),
        ),
    )
}

pub(super) fn plain_page(title: &str) -> Reply {
    page(&escaped(title), "")
}
