//! Wallets: what can be read and what the clock does to them.

use chrono::NaiveDate;
use kvit_domain::ids::{HoldId, WalletId};
use kvit_domain::rules::kyiv_day;
use kvit_domain::wallet::{Wallet, WalletCommand};

use super::{App, Done};
use crate::context::Context;
use crate::error::CommandError;

impl App {
    /// The wallet as the log has it now; an empty one when there is none.
    pub async fn wallet(&self, wallet_id: WalletId) -> Result<Wallet, CommandError> {
        self.parts
            .executor
            .load::<Wallet>(&wallet_id.to_string())
            .await
    }

    /// Expires a hold whose time has run out.
    pub async fn expire_hold(
        &self,
        wallet_id: WalletId,
        hold_id: HoldId,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let command = WalletCommand::Expire {
            hold_id,
            now: self.clock().now(),
        };
        self.execute::<Wallet>(&wallet_id.to_string(), command, context)
            .await
    }

    /// Today in the books: the value date of what is booked now.
    pub(crate) fn today(&self) -> NaiveDate {
        kyiv_day(self.clock().now())
    }
}
