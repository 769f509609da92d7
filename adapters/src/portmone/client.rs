//! The calls themselves.

use std::sync::Arc;

use super::amount::Kopecks;
use super::config::{ConfigError, PortmoneConfig};
use super::line::{self, FORM, Line, Lost};
use super::outcome::{
    Bill, BillStatus, CreateOutcome, Doubt, Mismatch, NotSent, PayOutcome, Refusal, StatusOutcome,
};
use super::xml::{self, Answer, WireBill};

/// Speaks PortmoneDirect. Cheap to clone; all clones share one limit of calls under way.
#[derive(Debug, Clone)]
pub struct PortmoneClient {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: PortmoneConfig,
    line: Line,
}

/// How one exchange ended, before anybody asks what the answer means.
enum Exchange {
    Ok(Option<WireBill>),
    Fail(Refusal),
    NotSent(NotSent),
    Unknown(Doubt),
}

impl PortmoneClient {
    /// A client for one account.
    ///
    /// # Errors
    /// Settings that cannot work, among them plain http to another machine.
    pub fn try_new(mut config: PortmoneConfig) -> Result<Self, ConfigError> {
        config.check()?;
        config.http.tls12_only = true;
        let line = Line::open(&config.endpoint, &config.http, config.max_in_flight)?
            .hiding(&[config.login.expose(), config.password.expose()]);
        Ok(Self {
            inner: Arc::new(Inner { config, line }),
        })
    }

    /// Whether [`bill_status`](Self::bill_status) can ask anything.
    #[must_use]
    pub fn can_ask_status(&self) -> bool {
        self.inner.config.status_method.is_some()
    }

    /// Makes a bill of `amount` hryvnia for a contract number (a phone as `380XXXXXXXXX`) at a payee. No money moves.
    ///
    /// `comment` should be our operation id, so that a person can find the bill in the provider's cabinet.
    pub async fn create_bill(
        &self,
        payee_id: &str,
        contract_number: &str,
        amount: Kopecks,
        comment: &str,
    ) -> CreateOutcome {
        let amount = amount.to_string();
        let fields = [
            ("payeeId", payee_id),
            ("contractNumber", contract_number),
            ("amount", amount.as_str()),
            ("currency", "UAH"),
            ("comment", comment),
        ];
        let judge = |exchange| match exchange {
            Exchange::Ok(None) => CreateOutcome::Unknown(Doubt::NoBill),
            Exchange::Ok(Some(bill)) => match wrong_party(&bill, payee_id, contract_number) {
                Some(mismatch) => CreateOutcome::Mismatch(bill.into(), mismatch),
                None => CreateOutcome::Created(bill.into()),
            },
            Exchange::Fail(refusal) => CreateOutcome::Refused(refusal),
            Exchange::NotSent(reason) => CreateOutcome::NotSent(reason),
            Exchange::Unknown(doubt) => CreateOutcome::Unknown(doubt),
        };
        self.observed("bills.create", &fields, judge, CreateOutcome::label)
            .await
    }

    /// Pays a bill. The money moves at most once, because a bill can be paid only once; still, the caller must have written its
    /// intent down before and must not call again after anything but [`PayOutcome::NotSent`] without having read the bill.
    pub async fn pay_bill(
        &self,
        bill_id: &str,
        payee_id: &str,
        contract_number: &str,
        amount: Kopecks,
    ) -> PayOutcome {
        let text = amount.to_string();
        let fields = [("billId", bill_id), ("amount", text.as_str())];
        let judge = |exchange| match exchange {
            Exchange::Ok(None) => PayOutcome::Unknown(Doubt::NoBill),
            Exchange::Ok(Some(wire)) => {
                let mismatch = wrong_bill(&wire, bill_id)
                    .or_else(|| wrong_party(&wire, payee_id, contract_number));
                let bill = Bill::from(wire);
                match (mismatch, &bill.status) {
                    (Some(mismatch), _) => PayOutcome::Mismatch(bill, mismatch),
                    (None, BillStatus::Paid) if bill.paid_amount == Some(amount) => {
                        PayOutcome::Paid(bill)
                    }
                    (None, BillStatus::Paid) => PayOutcome::Mismatch(bill, Mismatch::Amount),
                    (None, _) => PayOutcome::Pending(bill),
                }
            }
            Exchange::Fail(refusal) => PayOutcome::Refused(refusal),
            Exchange::NotSent(reason) => PayOutcome::NotSent(reason),
            Exchange::Unknown(doubt) => PayOutcome::Unknown(doubt),
        };
        self.observed("bills.pay", &fields, judge, PayOutcome::label)
            .await
    }

    /// Reads a bill. Moves nothing, so it may be repeated at will. A paid bill is checked against what we asked for, as in paying.
    pub async fn bill_status(
        &self,
        bill_id: &str,
        payee_id: &str,
        contract_number: &str,
        amount: Kopecks,
    ) -> StatusOutcome {
        let Some(method) = self.inner.config.status_method.as_deref() else {
            return StatusOutcome::NotConfigured;
        };
        let judge = |exchange| match exchange {
            Exchange::Ok(None) => StatusOutcome::Unknown(Doubt::NoBill),
            Exchange::Ok(Some(wire)) => {
                let mismatch = wrong_bill(&wire, bill_id)
                    .or_else(|| wrong_party(&wire, payee_id, contract_number));
                let bill = Bill::from(wire);
                match mismatch {
                    Some(mismatch) => StatusOutcome::Mismatch(bill, mismatch),
                    None if bill.status == BillStatus::Paid && bill.paid_amount != Some(amount) => {
                        StatusOutcome::Mismatch(bill, Mismatch::Amount)
                    }
                    None => StatusOutcome::Known(bill),
                }
            }
            Exchange::Fail(refusal) => StatusOutcome::Refused(refusal),
            Exchange::NotSent(reason) => StatusOutcome::NotSent(reason),
            Exchange::Unknown(doubt) => StatusOutcome::Unknown(doubt),
        };
        self.observed(method, &[("billId", bill_id)], judge, StatusOutcome::label)
            .await
    }

    /// One call with its span, log line and metrics. Only the method and the kind of outcome are told: never a phone or a sum.
    async fn observed<T>(
        &self,
        method: &str,
        fields: &[(&str, &str)],
        judge: impl FnOnce(Exchange) -> T,
        label: impl FnOnce(&T) -> &'static str,
    ) -> T {
        line::observed(method, self.exchange(method, fields), judge, label).await
    }

    async fn exchange(&self, method: &str, fields: &[(&str, &str)]) -> Exchange {
        let Inner { config, line } = &*self.inner;
        let body = form_body(config, method, fields);
        let (status, body) = match line.post(FORM, body, xml::MAX_BYTES).await {
            Ok(received) => received,
            Err(Lost::NotSent(reason)) => return Exchange::NotSent(reason),
            Err(Lost::Unknown(doubt)) => return Exchange::Unknown(doubt),
        };
        match xml::parse(&body) {
            Ok(Answer::Ok(_)) if status != 200 => Exchange::Unknown(Doubt::HttpStatus(status)),
            Ok(Answer::Ok(bill)) => Exchange::Ok(bill),
            Ok(Answer::Fail { code, description }) => Exchange::Fail(Refusal { code, description }),
            Err(_) if status != 200 => Exchange::Unknown(Doubt::HttpStatus(status)),
            Err(error) => Exchange::Unknown(error.into()),
        }
    }
}

fn form_body(config: &PortmoneConfig, method: &str, fields: &[(&str, &str)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("method", method);
    form.append_pair("login", config.login.expose())
        .append_pair("password", config.password.expose());
    form.append_pair("version", &config.version.to_string());
    if config.version >= 2 {
        form.append_pair("lang", &config.lang);
    }
    form.extend_pairs(fields);
    form.finish()
}

fn wrong_bill(bill: &WireBill, bill_id: &str) -> Option<Mismatch> {
    (bill.id != bill_id).then_some(Mismatch::BillId)
}

/// A payee or contract number that the answer leaves out is no contradiction; one that differs is.
fn wrong_party(bill: &WireBill, payee_id: &str, contract_number: &str) -> Option<Mismatch> {
    if bill.payee_id.as_deref().is_some_and(|id| id != payee_id) {
        Some(Mismatch::Payee)
    } else if bill
        .contract_number
        .as_deref()
        .is_some_and(|number| number != contract_number)
    {
        Some(Mismatch::ContractNumber)
    } else {
        None
    }
}
