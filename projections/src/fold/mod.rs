//! The folds: which rows follow from which events.

pub mod campaigns;
pub mod daily;
pub mod jobs;
pub mod ledger;
pub mod payments;
pub mod payouts;
pub mod receipts;
pub mod users;

use std::sync::Arc;

use crate::projection::{Folded, Projection};

/// Every projection of this program.
#[must_use]
pub fn all() -> Vec<Arc<dyn Projection>> {
    vec![
        Arc::new(Folded::<ledger::Ledger>::new()),
        Arc::new(Folded::<receipts::Receipts>::new()),
        Arc::new(Folded::<payments::Payments>::new()),
        Arc::new(Folded::<payouts::Payouts>::new()),
        Arc::new(Folded::<users::Users>::new()),
        Arc::new(Folded::<jobs::Jobs>::new()),
        Arc::new(Folded::<campaigns::Campaigns>::new()),
        Arc::new(Folded::<daily::Daily>::new()),
    ]
}

/// The projection with this name.
#[must_use]
pub fn by_name(name: &str) -> Option<Arc<dyn Projection>> {
    all()
        .into_iter()
        .find(|projection| projection.name() == name)
}
