//! The link form: `https://cabinet.tax.gov.ua/cashregs/check?id=…&date=…&time=…&fn=…&sm=…`, parameters in any order.

use kvit_domain::money::Currency;
use kvit_domain::recognition::{FiscalQr, QrForm};

use super::{QrContent, complete, fields};

/// The tax cabinet today and as it was called before 2019.
const HOSTS: [&str; 2] = ["cabinet.tax.gov.ua", "cabinet.sfs.gov.ua"];
const PATH: &str = "cashregs/check";
const PARAMETERS_MAX: usize = 32;

/// `None` when this is no such link at all.
pub fn parse(content: &str) -> Option<QrContent> {
    let query = query_of(content)?;
    let parameters = Parameters::read(query);

    let id = parameters
        .get(&["id"])
        .and_then(|v| fields::receipt_number(&v));
    let date = parameters
        .get(&["date"])
        .and_then(|v| fields::date_and_time(&v));
    // A separate time wins; the long form of the date brings its own.
    let time = match parameters.get(&["time"]) {
        Some(text) => fields::time(&text),
        None if parameters.has("time") => None,
        None => date.and_then(|(_, time)| time),
    };
    let register = parameters
        .get(&["fn"])
        .filter(|v| fields::is_digits(v, fields::REGISTER_DIGITS));
    let total = parameters
        .get(&["sm", "sum"])
        .and_then(|v| fields::sum_minor(&v));
    let is_return = parameters.says("docsubtype", "1") || parameters.says("t", "1");

    let missing = [
        ("id", id.is_none()),
        ("date", date.is_none()),
        ("time", time.is_none()),
        ("fn", register.is_none()),
        ("sm", total.is_none()),
    ]
    .into_iter()
    .filter_map(|(name, absent)| absent.then_some(name))
    .collect();
    let fiscal = id.zip(date).zip(time).zip(register).zip(total).map(
        |((((receipt_number, (day, _)), time), register_number), total_minor)| FiscalQr {
            form: QrForm::Link,
            register_number,
            receipt_number,
            purchased_at: day.and_time(time),
            total_minor,
            currency: Currency::Uah,
            is_return,
        },
    );
    Some(complete(fiscal, missing))
}

/// The query of a link to the check page. The host is compared whole: a look-alike with another ending, or the right
/// name in front of an `@`, is another site.
fn query_of(content: &str) -> Option<&str> {
    let lowered = content
        .get(..8)
        .map(str::to_ascii_lowercase)
        .unwrap_or_default();
    let rest = match lowered.as_str() {
        s if s.starts_with("https://") => content.get(8..)?,
        s if s.starts_with("http://") => content.get(7..)?,
        _ => content,
    };
    let (host, rest) = rest.split_once('/')?;
    if !HOSTS.iter().any(|known| host.eq_ignore_ascii_case(known)) {
        return None;
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = path.trim_matches('/');
    (path.eq_ignore_ascii_case(PATH)).then_some(query.split('#').next().unwrap_or_default())
}

struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn read(query: &str) -> Self {
        let pairs = query.split('&').take(PARAMETERS_MAX).filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((
                name.trim().to_ascii_lowercase(),
                percent_decoded(value)?.trim().to_owned(),
            ))
        });
        Self(pairs.collect())
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    fn says(&self, name: &str, value: &str) -> bool {
        self.0.iter().any(|(n, v)| n == name && v == value)
    }

    /// The one value under any of the names; two different values are no value, since nobody can tell which counts.
    fn get(&self, names: &[&str]) -> Option<String> {
        let mut values = self
            .0
            .iter()
            .filter(|(n, v)| names.contains(&n.as_str()) && !v.is_empty())
            .map(|(_, v)| v);
        let first = values.next()?;
        values.all(|other| other == first).then(|| first.clone())
    }
}

/// `%3A` and `+` as they stand in links; `None` for a broken escape or bytes that are not UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                out.push(u8::try_from(high * 16 + low).ok()?);
            }
            b'+' => out.push(b' '),
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok()
}
