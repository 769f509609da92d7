//! What both accounts share, and the questions that belong to neither payments nor payouts alone.

use std::sync::Arc;

use kvit_domain::money::Money;

use super::config::{ConfigError, YookassaConfig};
use super::line::{Ask, Line};
use super::node::{AnswerError, Node};
use super::objects::amount;
use super::outcome::Lost;

/// More banks than any country has.
const BANKS_MAX: usize = 5_000;

/// Speaks to YooKassa with the shop's key, the payout gateway's, or both. Cheap to clone; all clones share one limit of calls
/// under way for each account, so that payments in cannot crowd payouts out.
#[derive(Debug, Clone)]
pub struct YookassaClient {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: YookassaConfig,
    shop: Option<Line>,
    gateway: Option<Line>,
}

/// A bank that takes part in the system of fast payments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SbpBank {
    /// The provider's id, which a payout names: twelve letters and digits.
    pub id: String,
    /// The bank's name, for people.
    pub name: String,
}

/// What the payout gateway says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GatewayAccount {
    pub enabled: bool,
    pub test: Option<bool>,
    /// A test gateway needs none and may tell none.
    pub payout_balance: Option<Money>,
}

impl YookassaClient {
    /// A client for the accounts of these settings.
    ///
    /// # Errors
    /// Settings that cannot work, among them plain http to another machine.
    pub fn try_new(config: YookassaConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let open = |account| Line::open(&config, account);
        let shop = config.shop.as_ref().map(open).transpose()?;
        let gateway = config.gateway.as_ref().map(open).transpose()?;
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                shop,
                gateway,
            }),
        })
    }

    pub(super) fn config(&self) -> &YookassaConfig {
        &self.inner.config
    }

    pub(super) fn shop(&self) -> Option<&Line> {
        self.inner.shop.as_ref()
    }

    pub(super) fn gateway(&self) -> Option<&Line> {
        self.inner.gateway.as_ref()
    }

    /// The payout gateway as it is now; `None` when none is configured.
    pub(super) async fn gateway_account(&self) -> Option<Result<GatewayAccount, Lost>> {
        let line = self.gateway()?;
        let ask = Ask {
            name: "me",
            path: &["me"],
            query: Vec::new(),
        };
        let read = |me: Node| {
            let balance = match me.at("payout_balance") {
                Node::Null => None,
                balance => Some(amount(balance)?),
            };
            Ok(GatewayAccount {
                enabled: me.at("status").text() != Some("disabled"),
                test: me.at("test").flag(),
                payout_balance: balance,
            })
        };
        let me = line.ask(&ask).await;
        Some(me.and_then(|me| read(me.ok_or(AnswerError::Missing("account"))?)))
    }

    /// The banks that a payout by phone number can go to, in the provider's order.
    ///
    /// # Errors
    /// [`Lost`]; nothing is changed by asking.
    pub async fn sbp_banks(&self) -> Result<Vec<SbpBank>, Lost> {
        let line = self.gateway().or_else(|| self.shop());
        let line = line.ok_or_else(|| Lost::Denied {
            code: "no_account".to_owned(),
        })?;
        let ask = Ask {
            name: "sbp_banks",
            path: &["sbp_banks"],
            query: Vec::new(),
        };
        let list = line.ask(&ask).await?.unwrap_or(Node::Null);
        let items = list
            .at("items")
            .list()
            .ok_or(AnswerError::Missing("items"))?;
        if items.len() > BANKS_MAX {
            return Err(AnswerError::Endless.into());
        }
        // A bank that cannot be named in a payout is of no use to anybody.
        let bank = |item: &Node| {
            let id = item.at("bank_id").text()?;
            let is_id = id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let name = item.at("name").text().filter(|name| !name.is_empty())?;
            is_id.then(|| SbpBank {
                id: id.to_owned(),
                name: name.chars().filter(|c| !c.is_control()).take(128).collect(),
            })
        };
        Ok(items.iter().filter_map(bank).collect())
    }
}
