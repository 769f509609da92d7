//! Reconciliation: what a comparison found is recorded; people resolve it; fees are booked where both sides agree.

use chrono::NaiveDate;
use kvit_domain::ids::TransactionId;
use kvit_domain::journal::{Journal, JournalCommand};
use kvit_domain::ledger::{Account, ProviderName, Transaction, TransactionKind};
use kvit_domain::money::Money;
use kvit_domain::reconciliation::{
    Break, Matched, Reconciliation, ReconciliationCommand, StatementKind, id_of,
};

use super::{App, Done};
use crate::context::Context;
use crate::error::CommandError;

/// A provider's statement of one day, compared with our books.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Whose.
    pub provider: ProviderName,
    /// Which list.
    pub kind: StatementKind,
    /// Which day.
    pub day: NaiveDate,
    /// How many items it had.
    pub items: u64,
    /// SHA-256 over its items in order, hex.
    pub digest: String,
    /// What agrees.
    pub matched: Vec<Matched>,
    /// What does not.
    pub breaks: Vec<Break>,
}

impl App {
    /// The reconciliation of a day as the log has it now.
    pub async fn reconciliation(
        &self,
        provider: ProviderName,
        kind: StatementKind,
        day: NaiveDate,
    ) -> Result<Reconciliation, CommandError> {
        self.parts
            .executor
            .load::<Reconciliation>(&id_of(provider, kind, day))
            .await
    }

    /// Records a comparison. The same findings twice are recorded once.
    pub async fn record_statement(
        &self,
        statement: Statement,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let id = id_of(statement.provider, statement.kind, statement.day);
        let context = context.step(&format!("{id}:{}", self.fresh_id()));
        let command = ReconciliationCommand::Record {
            provider: statement.provider,
            kind: statement.kind,
            day: statement.day,
            items: statement.items,
            digest: statement.digest,
            matched: statement.matched,
            breaks: statement.breaks,
        };
        self.execute::<Reconciliation>(&id, command, &context).await
    }

    /// Books the fee of one item that the provider told only in its statement. The item names the booking: once for ever.
    pub async fn book_fee(
        &self,
        provider: ProviderName,
        item: &str,
        fee: Money,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let transaction = Transaction::simple(
            TransactionId::derived("fee", &format!("{}\u{1f}{item}", provider.code())),
            TransactionKind::Fee,
            Account::Fees(provider),
            Account::PaymentsClearing(provider),
            fee,
            self.today(),
            format!("fee:{item}"),
        );
        self.book_journal("fee", provider, item, transaction, context)
            .await
    }

    /// Books what a provider has settled to the bank.
    pub async fn book_settlement(
        &self,
        provider: ProviderName,
        settlement: &str,
        amount: Money,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let transaction = Transaction::simple(
            TransactionId::derived(
                "settlement",
                &format!("{}\u{1f}{settlement}", provider.code()),
            ),
            TransactionKind::Settlement,
            Account::Bank,
            Account::PaymentsClearing(provider),
            amount,
            self.today(),
            format!("settlement:{settlement}"),
        );
        self.book_journal("settlement", provider, settlement, transaction, context)
            .await
    }

    /// The journal's stream is named by what is booked, so a second booking of it meets the first.
    async fn book_journal(
        &self,
        kind: &str,
        provider: ProviderName,
        item: &str,
        mut transaction: Transaction,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let id = format!("{kind}:{}:{}", provider.code(), transaction.id);
        let journal = self.parts.executor.load::<Journal>(&id).await?;
        if let Some(known) = journal.transaction(transaction.id) {
            // Booked on an earlier day: what it says of the day stays.
            transaction.value_date = known.value_date;
        }
        let command = JournalCommand::Post { transaction };
        let context = context.step(&format!("{kind}:{}:{item}", provider.code()));
        self.execute::<Journal>(&id, command, &context).await
    }

    /// Gives a break to somebody.
    ///
    /// # Errors
    /// `not_found`, `invalid_command`.
    pub async fn assign_break(
        &self,
        (provider, kind, day): (ProviderName, StatementKind, NaiveDate),
        item: String,
        owner: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let command = ReconciliationCommand::Assign { item, owner };
        self.execute::<Reconciliation>(&id_of(provider, kind, day), command, context)
            .await
    }

    /// Says how a break was settled.
    ///
    /// # Errors
    /// `not_found`, `invalid_state`, `review_reason_required`.
    pub async fn resolve_break(
        &self,
        (provider, kind, day): (ProviderName, StatementKind, NaiveDate),
        item: String,
        reason: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let by = context.actor.clone();
        let command = ReconciliationCommand::Resolve { item, by, reason };
        self.execute::<Reconciliation>(&id_of(provider, kind, day), command, context)
            .await
    }
}
