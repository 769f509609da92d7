//! The provider's books: bills, the deposit, and which operator serves which number.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::faults::Settle;
use super::{Form, PortmoneSettings, Repay};
use crate::portmone::Kopecks;
use crate::sandbox::journal::{JournalError, Remembered, State};
use crate::sandbox::now;

/// A bill's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BillState {
    /// No money moved.
    Created,
    /// Accepted, not finished; no money moved yet.
    Pending,
    /// Money moved.
    Paid,
    /// Will not be paid.
    Rejected,
    /// Money moved and came back to the deposit.
    Reversed,
}

impl BillState {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Rejected => "rejected",
            Self::Reversed => "reversed",
        }
    }
}

/// One bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bill {
    pub id: String,
    pub payee_id: String,
    pub contract_number: String,
    pub comment: String,
    pub state: BillState,
    /// The sum asked for at the payment, or before it at the creation.
    pub amount_minor: Option<i64>,
    /// What has really moved. The books' one truth about money.
    pub moved_minor: i64,
    pub paid_at: Option<DateTime<Utc>>,
    pub settle: Option<Settle>,
}

/// A change of the books.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub(crate) enum Change {
    Created {
        bill: Bill,
    },
    Held {
        id: String,
        amount_minor: i64,
        settle: Settle,
    },
    Paid {
        id: String,
        amount_minor: i64,
        at: DateTime<Utc>,
    },
    Rejected {
        id: String,
    },
    Reversed {
        id: String,
    },
    Read {
        id: String,
    },
    Deposited {
        minor: i64,
    },
    Ported {
        contract_number: String,
        payee_id: Option<String>,
    },
}

/// The whole state. `spent_minor` is kept beside the sum over bills so that a test can compare the two.
#[derive(Debug, Default)]
pub(crate) struct Books {
    bills: BTreeMap<u64, Bill>,
    reads: HashMap<String, u32>,
    ported: HashMap<String, Option<String>>,
    added_minor: i64,
    spent_minor: i64,
}

/// A "no" of the provider. Codes except `p001` are the simulator's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Method,
    Credentials,
    Version,
    Payee,
    Contract,
    ForeignOperator,
    Amount,
    Bill,
    Rejected,
    AlreadyPaid,
    Deposit,
}

const FIRST_BILL: u64 = 523;

impl State for Books {
    type Change = Change;

    fn apply(&mut self, change: Change) {
        match change {
            Change::Created { bill } => {
                if let Ok(number) = bill.id.parse() {
                    self.bills.insert(number, bill);
                }
            }
            Change::Held {
                id,
                amount_minor,
                settle,
            } => {
                if let Some(bill) = self.bill_mut(&id) {
                    bill.state = BillState::Pending;
                    bill.amount_minor = Some(amount_minor);
                    bill.settle = Some(settle);
                }
            }
            Change::Paid {
                id,
                amount_minor,
                at,
            } => {
                // Guarded here once more: whoever calls twice, a bill moves money once.
                if let Some(bill) = self
                    .bill_mut(&id)
                    .filter(|bill| !matches!(bill.state, BillState::Paid | BillState::Reversed))
                {
                    bill.state = BillState::Paid;
                    bill.amount_minor = Some(amount_minor);
                    bill.moved_minor = amount_minor;
                    bill.paid_at = Some(at);
                    self.spent_minor = self.spent_minor.saturating_add(amount_minor);
                }
            }
            Change::Rejected { id } => {
                if let Some(bill) = self
                    .bill_mut(&id)
                    .filter(|bill| !matches!(bill.state, BillState::Paid | BillState::Reversed))
                {
                    bill.state = BillState::Rejected;
                }
            }
            Change::Reversed { id } => {
                if let Some(bill) = self
                    .bill_mut(&id)
                    .filter(|bill| bill.state == BillState::Paid)
                {
                    bill.state = BillState::Reversed;
                    let back = std::mem::take(&mut bill.moved_minor);
                    self.spent_minor = self.spent_minor.saturating_sub(back);
                }
            }
            Change::Read { id } => {
                let reads = self.reads.entry(id).or_default();
                *reads = reads.saturating_add(1);
            }
            Change::Deposited { minor } => {
                self.added_minor = self.added_minor.saturating_add(minor)
            }
            Change::Ported {
                contract_number,
                payee_id,
            } => {
                self.ported.insert(contract_number, payee_id);
            }
        }
    }
}

impl Books {
    pub(crate) fn bill(&self, id: &str) -> Option<&Bill> {
        self.bills.get(&id.parse().ok()?)
    }

    fn bill_mut(&mut self, id: &str) -> Option<&mut Bill> {
        self.bills.get_mut(&id.parse().ok()?)
    }

    pub(crate) fn bills(&self) -> impl Iterator<Item = &Bill> {
        self.bills.values()
    }

    pub(crate) fn spent_minor(&self) -> i64 {
        self.spent_minor
    }

    pub(crate) fn deposit_left(&self, settings: &PortmoneSettings) -> i64 {
        settings
            .deposit_minor
            .saturating_add(self.added_minor)
            .saturating_sub(self.spent_minor)
    }

    /// The payee that really serves a number: a ported number's new one, else by prefix. `None` for a number nobody serves.
    fn serving<'a>(
        &'a self,
        settings: &'a PortmoneSettings,
        contract_number: &str,
    ) -> Option<&'a str> {
        if let Some(ported) = self.ported.get(contract_number) {
            return ported.as_deref();
        }
        let rest = contract_number
            .strip_prefix("380")
            .filter(|_| contract_number.len() == 12)?;
        if !rest.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let serves = |payee: &&super::Payee| {
            payee
                .prefixes
                .iter()
                .any(|prefix| rest.starts_with(prefix.as_str()))
        };
        settings
            .payees
            .iter()
            .find(serves)
            .map(|payee| payee.id.as_str())
    }
}

type Outcome = Result<Result<Bill, Refused>, JournalError>;

fn check_version(form: &Form) -> Result<(), Refused> {
    if matches!(form.version(), "1" | "2") {
        Ok(())
    } else {
        Err(Refused::Version)
    }
}

pub(super) fn create(
    books: &mut Remembered<Books>,
    settings: &PortmoneSettings,
    form: &Form,
) -> Outcome {
    let wanted = || -> Result<Bill, Refused> {
        check_version(form)?;
        let payee_id = form.get("payeeId");
        if !settings.payees.iter().any(|payee| payee.id == payee_id) {
            return Err(Refused::Payee);
        }
        let contract_number = form.get("contractNumber");
        if books
            .serving(settings, contract_number)
            .ok_or(Refused::Contract)?
            != payee_id
        {
            return Err(Refused::ForeignOperator);
        }
        let amount_minor = match form.get("amount") {
            "" => None,
            text => Some(positive(text)?),
        };
        let number = books
            .bills
            .last_key_value()
            .map_or(FIRST_BILL, |(last, _)| last.saturating_add(1));
        Ok(Bill {
            id: number.to_string(),
            payee_id: payee_id.to_owned(),
            contract_number: contract_number.to_owned(),
            comment: form.get("comment").to_owned(),
            state: BillState::Created,
            amount_minor,
            moved_minor: 0,
            paid_at: None,
            settle: None,
        })
    };
    match wanted() {
        Ok(bill) => {
            books.commit(vec![Change::Created { bill: bill.clone() }])?;
            Ok(Ok(bill))
        }
        Err(refused) => Ok(Err(refused)),
    }
}

/// Pays a bill, or with `hold` only accepts the payment. Paying a paid bill answers the paid bill and moves nothing.
pub(super) fn pay(
    books: &mut Remembered<Books>,
    settings: &PortmoneSettings,
    form: &Form,
    hold: Option<Settle>,
) -> Outcome {
    let id = form.get("billId").to_owned();
    let judged = || -> Result<Option<i64>, Refused> {
        check_version(form)?;
        let bill = books.bill(&id).ok_or(Refused::Bill)?;
        let amount = positive(form.get("amount"))?;
        match bill.state {
            BillState::Paid if settings.repay == Repay::Refuses => Err(Refused::AlreadyPaid),
            BillState::Paid | BillState::Pending => Ok(None),
            BillState::Rejected | BillState::Reversed => Err(Refused::Rejected),
            // The number may have gone to another operator since the bill was made.
            BillState::Created
                if books.serving(settings, &bill.contract_number)
                    != Some(bill.payee_id.as_str()) =>
            {
                Err(Refused::ForeignOperator)
            }
            BillState::Created if bill.amount_minor.is_some_and(|billed| billed != amount) => {
                Err(Refused::Amount)
            }
            BillState::Created if books.deposit_left(settings) < amount => Err(Refused::Deposit),
            BillState::Created => Ok(Some(amount)),
        }
    };
    match (judged(), hold) {
        (Err(refused), _) => return Ok(Err(refused)),
        (Ok(None), _) => {}
        (Ok(Some(amount_minor)), Some(settle)) => books.commit(vec![Change::Held {
            id: id.clone(),
            amount_minor,
            settle,
        }])?,
        (Ok(Some(amount_minor)), None) => books.commit(vec![Change::Paid {
            id: id.clone(),
            amount_minor,
            at: now(),
        }])?,
    }
    Ok(books.bill(&id).cloned().ok_or(Refused::Bill))
}

pub(super) fn read(books: &mut Remembered<Books>, form: &Form) -> Outcome {
    let id = form.get("billId").to_owned();
    if let Err(refused) = check_version(form) {
        return Ok(Err(refused));
    }
    let Some(bill) = books.bill(&id) else {
        return Ok(Err(Refused::Bill));
    };
    let mut changes = vec![Change::Read { id: id.clone() }];
    let reads = books
        .reads
        .get(&id)
        .copied()
        .unwrap_or_default()
        .saturating_add(1);
    if let (BillState::Pending, Some(settle), Some(amount_minor)) =
        (bill.state, &bill.settle, bill.amount_minor)
    {
        match settle {
            Settle::Paid { reads: due } if reads >= *due => changes.push(Change::Paid {
                id: id.clone(),
                amount_minor,
                at: now(),
            }),
            Settle::Rejected { reads: due } if reads >= *due => {
                changes.push(Change::Rejected { id: id.clone() })
            }
            Settle::ByHand | Settle::Paid { .. } | Settle::Rejected { .. } => {}
        }
    }
    books.commit(changes)?;
    Ok(books.bill(&id).cloned().ok_or(Refused::Bill))
}

/// Ends a bill by hand, if it has not ended. `Ok(None)` when there is no such bill.
pub(super) fn settle(
    books: &mut Remembered<Books>,
    id: &str,
    paid: bool,
) -> Result<Option<Bill>, JournalError> {
    let Some(bill) = books.bill(id) else {
        return Ok(None);
    };
    // A payment that was refused may be made all the same, so a bill that only exists can end as well.
    if matches!(bill.state, BillState::Created | BillState::Pending) {
        let change = match (paid, bill.amount_minor) {
            (true, Some(amount_minor)) => Change::Paid {
                id: id.to_owned(),
                amount_minor,
                at: now(),
            },
            _ => Change::Rejected { id: id.to_owned() },
        };
        books.commit(vec![change])?;
    }
    Ok(books.bill(id).cloned())
}

/// Takes a paid bill's money back. `Ok(None)` when there is no such bill or nothing to take back.
pub(super) fn reverse(
    books: &mut Remembered<Books>,
    id: &str,
) -> Result<Option<Bill>, JournalError> {
    let Some(paid) = books
        .bill(id)
        .filter(|bill| bill.state == BillState::Paid)
        .cloned()
    else {
        return Ok(None);
    };
    books.commit(vec![Change::Reversed { id: id.to_owned() }])?;
    Ok(Some(paid))
}

fn positive(text: &str) -> Result<i64, Refused> {
    Kopecks::parse(text)
        .ok()
        .map(Kopecks::minor)
        .filter(|minor| *minor > 0)
        .ok_or(Refused::Amount)
}
