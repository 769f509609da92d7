//! What a fresh sandbox or demo starts with: the default campaign and some products.

use kvit_commands::app::App;
use kvit_commands::context::Context;
use kvit_commands::error::CommandError;
use kvit_domain::campaign::CampaignState;
use kvit_domain::matching::Product;
use kvit_domain::rules::CampaignTerms;
use kvit_ocr::samples::PRODUCTS;

/// Budget of a day, kopiykas: ten thousand rewards.
const BUDGET_DAILY_MINOR: i64 = 1_000_000;
/// Budget in all, kopiykas.
const BUDGET_TOTAL_MINOR: i64 = 100_000_000;

/// Drafts and activates the default campaign and fills the catalogue, unless that was done before.
///
/// # Errors
/// The lanes of [`CommandError`].
pub async fn default_campaign(app: &App) -> Result<(), CommandError> {
    let context = |step: &str| Context::new("admin:setup", format!("setup:{step}"), "setup");
    let (id, campaign) = app.active_campaign().await?;
    // A draft is what a start that was interrupted here leaves behind; anything else is somebody's decision.
    if !matches!(campaign.state, CampaignState::New | CampaignState::Draft) {
        return Ok(());
    }
    for product in PRODUCTS.iter().filter(|product| product.eligible) {
        let entry = Product {
            code: product.code.to_owned(),
            names: vec![product.name.to_owned()],
            aliases: Vec::new(),
            barcodes: vec![product.barcode.to_owned()],
            active: true,
        };
        app.put_product(entry, &context(&format!("product:{}", product.code)))
            .await?;
    }
    let terms = CampaignTerms::default_campaign(BUDGET_DAILY_MINOR, BUDGET_TOTAL_MINOR);
    app.draft_campaign(id, "Default".to_owned(), terms, &context("campaign"))
        .await?;
    app.activate_campaign(id, &context("activate")).await?;
    Ok(())
}
