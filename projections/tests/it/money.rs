//! What happens to money in the small world beyond rewards and payouts: journals, payments, refunds, transfers.

use chrono::{NaiveDate, TimeDelta};
use kvit_domain::ids::{HoldId, PaymentId, RefundId, TransactionId, TransferId, WalletId};
use kvit_domain::journal::{Journal, JournalCommand};
use kvit_domain::ledger::{Account, Leg, ProviderName, Side, Transaction, TransactionKind};
use kvit_domain::money::Money;
use kvit_domain::payment::{
    Payment, PaymentCommand, PaymentSnapshot, PaymentTerms, RefundSnapshot, RefundStatus,
    SnapshotStatus,
};
use kvit_domain::rules::kyiv_day;
use kvit_domain::transfer::{Transfer, TransferCommand, TransferTerms};
use kvit_domain::wallet::{Wallet, WalletCommand};

use crate::world::{Person, World, uah};

pub const YOO: ProviderName = ProviderName::Yookassa;

/// What a provider says about a payment of a hundred hryvnias or so.
pub fn snapshot(id: PaymentId, minor: i64, status: SnapshotStatus) -> PaymentSnapshot {
    PaymentSnapshot {
        provider_id: format!("prov-{id}"),
        operation_id: Some(id.to_string()),
        status,
        amount: uah(minor),
        fee: None,
        test: false,
        confirmation_url: Some("https://pay.example/1".to_owned()),
        expires_at: None,
    }
}

impl World {
    /// A booking without a wallet.
    pub fn journal(&mut self, name: &str, transaction: Transaction) -> Journal {
        let mut journal = Journal::default();
        let post = JournalCommand::Post { transaction };
        self.run(name, "policy:reconciliation", &mut journal, &post)
            .unwrap();
        journal
    }

    pub fn fee(
        &mut self,
        name: &str,
        minor: i64,
        value_date: NaiveDate,
    ) -> (TransactionId, Journal) {
        let id = TransactionId::derived("fee", name);
        let transaction = Transaction::simple(
            id,
            TransactionKind::Fee,
            Account::Fees(YOO),
            Account::PaymentsClearing(YOO),
            uah(minor),
            value_date,
            name,
        );
        (id, self.journal(name, transaction))
    }

    /// A payment that somebody wants to make.
    pub fn intend(&mut self, person: &Person, minor: i64) -> (PaymentId, Payment) {
        let id = PaymentId::derived("test", &self.number());
        let mut payment = Payment::default();
        let terms = PaymentTerms {
            user_id: person.id,
            wallet_id: person.wallet_id,
            provider: YOO,
            amount: uah(minor),
            capture: true,
            test: false,
            return_url: "https://kvit.example/back".to_owned(),
            expires_at: self.clock + TimeDelta::hours(1),
        };
        self.run(
            id,
            &person.actor(),
            &mut payment,
            &PaymentCommand::Intend { terms },
        )
        .unwrap();
        (id, payment)
    }

    pub fn call(&mut self, id: PaymentId, payment: &mut Payment) {
        let sent = PaymentCommand::RecordSent {
            generation: payment.generation,
            at: self.clock,
        };
        self.run(id, "policy:payments", payment, &sent).unwrap();
    }

    pub fn observe(&mut self, id: PaymentId, payment: &mut Payment, snapshot: PaymentSnapshot) {
        let observe = PaymentCommand::Observe {
            payment_id: id,
            snapshot,
            now: self.clock,
        };
        self.run(id, "policy:payments", payment, &observe).unwrap();
    }

    /// A payment that succeeded and was credited, with the provider's fee.
    pub fn paid_in(&mut self, person: &mut Person, minor: i64, fee: i64) -> (PaymentId, Payment) {
        let (id, mut payment) = self.intend(person, minor);
        self.call(id, &mut payment);
        let mut said = snapshot(id, minor, SnapshotStatus::Succeeded);
        said.fee = (fee > 0).then(|| uah(fee));
        self.observe(id, &mut payment, said);
        let mut transaction = Transaction::simple(
            TransactionId::derived("payment", &id.to_string()),
            TransactionKind::TopUp,
            Account::PaymentsClearing(YOO),
            Account::Wallet(person.wallet_id),
            uah(minor),
            kyiv_day(self.clock),
            format!("payment:{id}"),
        );
        if fee > 0 {
            transaction.legs[0].amount = uah(minor - fee);
            transaction.legs.push(Leg {
                account: Account::Fees(YOO),
                side: Side::Debit,
                amount: uah(fee),
            });
        }
        self.book(person.wallet_id, &mut person.wallet, transaction);
        (id, payment)
    }

    pub fn book(&mut self, wallet_id: WalletId, wallet: &mut Wallet, transaction: Transaction) {
        let post = WalletCommand::Post {
            wallet_id,
            transaction,
        };
        self.run(wallet_id, "policy:ledger", wallet, &post).unwrap();
    }

    /// A refund that is held and whose call has left.
    pub fn refund(
        &mut self,
        person: &mut Person,
        id: PaymentId,
        payment: &mut Payment,
        minor: i64,
    ) -> RefundId {
        let refund_id = RefundId::derived("test", &self.number());
        let hold_id = HoldId::derived("refund", &refund_id.to_string());
        let intend = PaymentCommand::IntendRefund {
            refund_id,
            amount: uah(minor),
            hold_id,
            reason: "changed their mind".to_owned(),
            now: self.clock,
        };
        self.run(id, &person.actor(), payment, &intend).unwrap();
        self.hold(person, hold_id, minor, &format!("refund:{refund_id}"));
        let sent = PaymentCommand::RecordRefundSent {
            refund_id,
            generation: 1,
            at: self.clock,
        };
        self.run(id, "policy:payments", payment, &sent).unwrap();
        refund_id
    }

    pub fn hold(&mut self, person: &mut Person, hold_id: HoldId, minor: i64, purpose: &str) {
        let place = WalletCommand::PlaceHold {
            hold_id,
            amount: uah(minor),
            purpose: purpose.to_owned(),
            expires_at: self.clock + TimeDelta::days(30),
        };
        self.run(person.wallet_id, "policy:test", &mut person.wallet, &place)
            .unwrap();
    }

    pub fn refund_says(
        &mut self,
        id: PaymentId,
        payment: &mut Payment,
        refund_id: Option<RefundId>,
        amount: Money,
        status: RefundStatus,
    ) {
        let observe = PaymentCommand::ObserveRefund {
            snapshot: RefundSnapshot {
                provider_refund_id: format!(
                    "back-{}",
                    refund_id.map_or_else(|| "cabinet".to_owned(), |id| id.to_string())
                ),
                refund_id,
                amount,
                status,
            },
        };
        self.run(id, "policy:payments", payment, &observe).unwrap();
    }

    /// The booking of a refund out of its hold.
    pub fn refunded(&mut self, person: &mut Person, refund_id: RefundId, minor: i64) {
        let transaction = Transaction::simple(
            TransactionId::derived("refund", &refund_id.to_string()),
            TransactionKind::Refund,
            Account::Wallet(person.wallet_id),
            Account::PaymentsClearing(YOO),
            uah(minor),
            kyiv_day(self.clock),
            format!("refund:{refund_id}"),
        );
        let capture = WalletCommand::Capture {
            hold_id: HoldId::derived("refund", &refund_id.to_string()),
            transaction,
            release_rest: true,
        };
        self.run(
            person.wallet_id,
            "policy:test",
            &mut person.wallet,
            &capture,
        )
        .unwrap();
    }

    /// A transfer whose money is held.
    pub fn transfer(
        &mut self,
        person: &mut Person,
        to: WalletId,
        minor: i64,
    ) -> (TransferId, Transfer) {
        let id = TransferId::derived("test", &self.number());
        let hold_id = HoldId::derived("transfer", &id.to_string());
        let mut transfer = Transfer::default();
        let terms = TransferTerms {
            from: person.wallet_id,
            to,
            amount: uah(minor),
            credited: uah(minor),
            quote: None,
            description: "thanks".to_owned(),
        };
        let request = TransferCommand::Request { terms, hold_id };
        self.run(id, &person.actor(), &mut transfer, &request)
            .unwrap();
        self.hold(person, hold_id, minor, &format!("transfer:{id}"));
        (id, transfer)
    }

    /// Both bookings of a transfer.
    pub fn transferred(
        &mut self,
        id: TransferId,
        transfer: &mut Transfer,
        from: &mut Person,
        to: &mut Person,
    ) {
        let amount = transfer.terms.clone().unwrap().amount;
        let booking = |side: &str, debit, credit, day| {
            Transaction::simple(
                TransactionId::derived(side, &id.to_string()),
                TransactionKind::Transfer,
                debit,
                credit,
                amount,
                day,
                format!("transfer:{id}"),
            )
        };
        let day = kyiv_day(self.clock);
        let between = Account::TransfersClearing;
        let debit = booking("debit", Account::Wallet(from.wallet_id), between, day);
        let credit = booking("credit", between, Account::Wallet(to.wallet_id), day);
        let complete = TransferCommand::Complete {
            debit_id: debit.id,
            credit_id: credit.id,
        };
        self.run(id, "policy:transferring", transfer, &complete)
            .unwrap();
        let capture = WalletCommand::Capture {
            hold_id: transfer.hold_id.unwrap(),
            transaction: debit,
            release_rest: true,
        };
        self.run(
            from.wallet_id,
            "policy:transferring",
            &mut from.wallet,
            &capture,
        )
        .unwrap();
        self.book(to.wallet_id, &mut to.wallet, credit);
    }
}
