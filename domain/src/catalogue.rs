//! The catalogue of products that the rules know, changed by events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::aggregate::{Decide, aggregate};
use crate::matching::Product;
use crate::rejection::Rejection;

/// Most products in one catalogue.
pub const PRODUCTS_MAX: usize = 50_000;

/// What happened to the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub enum CatalogueEvent {
    ProductAdded { product: Product },
    ProductChanged { product: Product },
    ProductRetired { code: String },
}

/// What can be asked of the catalogue.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub enum CatalogueCommand {
    /// Add it, or change it when its code is known.
    Put {
        product: Product,
    },
    Retire {
        code: String,
    },
}

/// The catalogue as its events left it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Catalogue {
    products: BTreeMap<String, Product>,
}

impl Catalogue {
    /// All products by code, retired ones inactive.
    pub fn products(&self) -> impl Iterator<Item = &Product> {
        self.products.values()
    }

    fn evolve(&mut self, event: CatalogueEvent) {
        match event {
            CatalogueEvent::ProductAdded { product }
            | CatalogueEvent::ProductChanged { product } => {
                self.products.insert(product.code.clone(), product);
            }
            CatalogueEvent::ProductRetired { code } => {
                if let Some(product) = self.products.get_mut(&code) {
                    product.active = false;
                }
            }
        }
    }
}

impl Decide for Catalogue {
    fn decide(&self, command: &CatalogueCommand) -> Result<Vec<CatalogueEvent>, Rejection> {
        match command.clone() {
            CatalogueCommand::Put { product } => {
                let named = !product.code.is_empty()
                    && product.code.len() <= 60
                    && product.names.iter().any(|name| !name.trim().is_empty());
                if !named {
                    return Err(Rejection::new(
                        "invalid_command",
                        "a product needs a code (60 bytes) and a name",
                    ));
                }
                match self.products.get(&product.code) {
                    Some(known) if *known == product => Ok(vec![]),
                    Some(_) => Ok(vec![CatalogueEvent::ProductChanged { product }]),
                    None if self.products.len() >= PRODUCTS_MAX => Err(Rejection::new(
                        "quota_exceeded",
                        format!("a catalogue holds at most {PRODUCTS_MAX} products"),
                    )),
                    None => Ok(vec![CatalogueEvent::ProductAdded { product }]),
                }
            }
            CatalogueCommand::Retire { code } => match self.products.get(&code) {
                Some(product) if product.active => {
                    Ok(vec![CatalogueEvent::ProductRetired { code }])
                }
                Some(_) => Ok(vec![]),
                None => Err(
                    Rejection::new("not_found", "the catalogue has no such product")
                        .with("code", code),
                ),
            },
        }
    }
}

aggregate!(
    Catalogue,
    "catalogue",
    CatalogueCommand,
    CatalogueEvent {
        ProductAdded,
        ProductChanged,
        ProductRetired
    }
);

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::*;

    fn product(name: &str) -> Product {
        Product {
            code: "13204".into(),
            names: vec![name.into()],
            aliases: vec![],
            barcodes: vec![],
            active: true,
        }
    }

    #[test]
    fn putting_a_product_adds_it_then_changes_it_then_does_nothing() {
        let added = CatalogueEvent::ProductAdded {
            product: product("A"),
        };
        let put = |name| CatalogueCommand::Put {
            product: product(name),
        };
        let given = || TestFramework::<Catalogue>::with(()).given(vec![added.clone()]);
        TestFramework::<Catalogue>::with(())
            .given_no_previous_events()
            .when(put("A"))
            .then_expect_events(vec![added.clone()]);
        given().when(put("A")).then_expect_events(vec![]);
        given()
            .when(put("B"))
            .then_expect_events(vec![CatalogueEvent::ProductChanged {
                product: product("B"),
            }]);
    }
}
