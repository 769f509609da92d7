//! Campaigns and the catalogue.

use kvit_domain::campaign::{Campaign, CampaignCommand};
use kvit_domain::catalogue::{Catalogue, CatalogueCommand};
use kvit_domain::ids::CampaignId;
use kvit_domain::matching::Product;
use kvit_domain::rules::CampaignTerms;

use super::{App, Done};
use crate::context::Context;
use crate::error::CommandError;

impl App {
    /// The campaign that receipts take part in.
    pub async fn active_campaign(&self) -> Result<(CampaignId, Campaign), CommandError> {
        let id = self.parts.settings.campaign_id;
        Ok((id, self.campaign(id).await?))
    }

    /// A campaign as the log has it now.
    pub async fn campaign(&self, id: CampaignId) -> Result<Campaign, CommandError> {
        self.parts.executor.load::<Campaign>(&id.to_string()).await
    }

    /// A new campaign.
    pub async fn draft_campaign(
        &self,
        id: CampaignId,
        name: String,
        terms: CampaignTerms,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.campaign_command(id, CampaignCommand::Draft { name, terms }, context)
            .await
    }

    /// Receipts count from now on.
    pub async fn activate_campaign(
        &self,
        id: CampaignId,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.campaign_command(id, CampaignCommand::Activate {}, context)
            .await
    }

    /// Receipts do not count for now.
    pub async fn pause_campaign(
        &self,
        id: CampaignId,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.campaign_command(id, CampaignCommand::Pause {}, context)
            .await
    }

    /// A new version of the terms.
    pub async fn change_campaign(
        &self,
        id: CampaignId,
        terms: CampaignTerms,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.campaign_command(id, CampaignCommand::Change { terms }, context)
            .await
    }

    /// Adds a product to the catalogue or changes it.
    pub async fn put_product(
        &self,
        product: Product,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.execute::<Catalogue>("default", CatalogueCommand::Put { product }, context)
            .await
    }

    async fn campaign_command(
        &self,
        id: CampaignId,
        command: CampaignCommand,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.execute::<Campaign>(&id.to_string(), command, context)
            .await
    }
}
