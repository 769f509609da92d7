//! The receipts of the demo: one for each thing that can happen to a receipt, and what must come of it.

use super::{
    Degradation, Layout, QrKind, Sample, SampleError, SampleItem, SampleSpec, product, render,
};
use chrono::{NaiveDateTime, TimeDelta};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// What must come of a receipt. Reasons are codes of the rule function; the decision may name more than these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Accepted and paid.
    Accepted,
    /// Rejected; this reason is among those given.
    Rejected(&'static str),
    /// In review; this reason is among those given.
    Review(&'static str),
}

/// What the payment provider must be told to do with this receipt's payout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayoutScript {
    /// Pays at once, or there is nothing to pay.
    Ordinary,
    /// The first attempt fails, a later one succeeds.
    FailsThenRecovers,
    /// The answer to the first attempt is lost; asking later shows that it was paid.
    UnknownThenResolved,
}

/// One upload of the demo.
#[derive(Debug, Clone)]
pub struct DemoSample {
    /// What this receipt is there to show, in English.
    pub title: &'static str,
    /// Which of the demo's shoppers sends it: 0, 1, 2, … Nobody sends more than five.
    pub shopper: usize,
    /// The photo and its truth.
    pub sample: Sample,
    /// What must come of it.
    pub expected: Expected,
    /// What the payment provider does.
    pub payout: PayoutScript,
    /// Indexes of uploads that must be decided before this one is sent, because its outcome depends on theirs.
    pub after: Vec<usize>,
}

/// How many shoppers the set needs.
#[cfg(test)]
const SHOPPERS: usize = 4;

/// One upload before it is drawn.
struct Planned {
    title: &'static str,
    shopper: usize,
    picture: Picture,
    expected: Expected,
    payout: PayoutScript,
    after: Vec<usize>,
}

enum Picture {
    New(SampleSpec),
    /// The same bytes as this earlier upload.
    Again(usize),
}

/// Seeds the photos.
const CAMERA: u64 = 4_000;

struct Plan {
    now: NaiveDateTime,
    seed: u64,
    uploads: Vec<Planned>,
}

impl Plan {
    /// A receipt of `hours` ago whose numbers are unique in this set.
    fn spec(&self, layout: Layout, hours: i64, items: &[SampleItem]) -> SampleSpec {
        let index = self.uploads.len();
        let mut rng =
            StdRng::seed_from_u64(self.seed.wrapping_mul(1000).wrapping_add(index as u64));
        let minutes = hours * 60 + rng.random_range(0..25_i64);
        let sold_at =
            self.now - TimeDelta::minutes(minutes) - TimeDelta::seconds(rng.random_range(0..60));
        let mut spec = SampleSpec::new("", rng.random(), layout, sold_at, items.to_vec());
        // The same angle, light and noise in every run: runs differ in what is printed, not in how lucky the photo is.
        spec.seed = CAMERA + index as u64;
        spec.shop = index;
        if layout == Layout::PaperRegister {
            // Nine digits of which the last two are the index: no two of one set can meet.
            spec.number = format!("{}{index:02}", rng.random_range(1_000_000_u32..9_999_999));
        }
        spec
    }

    fn add(
        &mut self,
        shopper: usize,
        title: &'static str,
        spec: SampleSpec,
        expected: Expected,
    ) -> &mut Planned {
        self.push(shopper, title, Picture::New(spec), expected)
    }

    fn push(
        &mut self,
        shopper: usize,
        title: &'static str,
        picture: Picture,
        expected: Expected,
    ) -> &mut Planned {
        let index = self.uploads.len();
        let (payout, after) = (PayoutScript::Ordinary, Vec::new());
        self.uploads.push(Planned {
            title,
            shopper,
            picture,
            expected,
            payout,
            after,
        });
        &mut self.uploads[index]
    }
}

/// The demo's receipts as of `now_local` (Kyiv time), in the order in which they are to be sent.
///
/// Another seed gives other register and receipt numbers, so the demo can run any number of times on one log. It
/// assumes the default campaign: 7 days, three accepted a day, brand keyword «Дарниця».
///
/// # Errors
/// Never for this fixed set in practice; see [`SampleError`].
pub fn demo_set(now_local: NaiveDateTime, seed: u64) -> Result<Vec<DemoSample>, SampleError> {
    let mut made: Vec<DemoSample> = Vec::new();
    for (index, planned) in plan(now_local, seed).uploads.into_iter().enumerate() {
        let mut sample = match planned.picture {
            Picture::New(spec) => render(&spec)?,
            Picture::Again(first) => made[first].sample.clone(),
        };
        sample.name = format!(
            "{:02}-{}",
            index + 1,
            planned.title.replace(", ", "-").replace(' ', "-")
        );
        let Planned {
            title,
            shopper,
            expected,
            payout,
            after,
            ..
        } = planned;
        made.push(DemoSample {
            title,
            shopper,
            sample,
            expected,
            payout,
            after,
        });
    }
    Ok(made)
}

fn plan(now: NaiveDateTime, seed: u64) -> Plan {
    use Degradation::{Light, Moderate, Ruined};
    use Expected::{Accepted, Rejected, Review};
    use Layout::{PaperRegister, SoftwareRegister, WifiLeaflet};

    let item = |code| SampleItem::of(product(code));
    let mut plan = Plan {
        now,
        seed,
        uploads: Vec::new(),
    };

    // Shopper 0: ordinary receipts, then the same again in two ways, then one that is too old.
    let spec = plan.spec(
        SoftwareRegister,
        3,
        &[item("13204").discount(1), item("20226")],
    );
    plan.add(
        0,
        "accepted, software register",
        spec.degradation(Light),
        Accepted,
    );
    let second = plan.spec(PaperRegister, 5, &[item("13310"), item("30334")]);
    plan.add(
        0,
        "accepted, paper register",
        second.clone().degradation(Moderate),
        Accepted,
    );
    plan.push(
        0,
        "duplicate image",
        Picture::Again(0),
        Rejected("duplicate_image"),
    )
    .after = vec![0];
    let other_photo = SampleSpec {
        seed: CAMERA + 100,
        ..second
    }
    .degradation(Light);
    plan.add(
        0,
        "duplicate receipt, other photo",
        other_photo,
        Rejected("duplicate_receipt"),
    )
    .after = vec![1];
    let spec = plan.spec(SoftwareRegister, 8 * 24 + 2, &[item("13417")]);
    plan.add(0, "expired", spec, Rejected("expired"));

    // Shopper 1: the daily limit of three.
    let spec = plan.spec(
        PaperRegister,
        7,
        &[item("13417").quantity(2000), item("20118")],
    );
    plan.add(1, "accepted, offline code", spec.qr(QrKind::Mac), Accepted);
    let spec = plan.spec(
        SoftwareRegister,
        26,
        &[item("13525"), item("30559"), item("20118")],
    );
    plan.add(
        1,
        "accepted, three lines",
        spec.degradation(Moderate),
        Accepted,
    );
    let spec = plan.spec(
        PaperRegister,
        30,
        &[item("13204"), item("13310").quantity(3000)],
    );
    plan.add(
        1,
        "accepted, two brand products",
        spec.degradation(Light),
        Accepted,
    );
    let spec = plan.spec(SoftwareRegister, 4, &[item("13310")]);
    plan.add(1, "over the daily limit", spec, Rejected("daily_limit"))
        .after = vec![5, 6, 7];

    // Shopper 2: everything that is not an ordinary sale of the brand.
    let spec = plan.spec(
        SoftwareRegister,
        6,
        &[item("20442"), item("30559").quantity(2000)],
    );
    plan.add(
        2,
        "no eligible product",
        spec.degradation(Light),
        Rejected("no_eligible_product"),
    );
    let spec = plan
        .spec(SoftwareRegister, 1, &[item("13310")])
        .qr(QrKind::None);
    plan.add(
        2,
        "unreadable",
        spec.degradation(Ruined),
        Rejected("unreadable"),
    );
    // Also the leaflet differs from run to run: the same bytes again would be a duplicate, and nothing else.
    let wifi = format!("WIFI:T:nopass;S:Vyhadana-Apteka-{seed};;");
    let spec = plan.spec(WifiLeaflet, 1, &[]).qr(QrKind::Text(wifi));
    plan.add(
        2,
        "Wi-Fi leaflet",
        spec.degradation(Light),
        Rejected("not_a_receipt"),
    );
    let spec = plan.spec(PaperRegister, 9, &[item("13525")]);
    plan.add(
        2,
        "return of money",
        spec.returned(),
        Rejected("return_receipt"),
    );
    let spec = plan.spec(SoftwareRegister, 11, &[item("13417"), item("20226")]);
    plan.add(
        2,
        "readable without a code",
        spec.qr(QrKind::None),
        Review("low_confidence"),
    );

    // Shopper 3: what the payment provider does wrong.
    let spec = plan.spec(
        PaperRegister,
        2,
        &[item("13525"), item("30334").quantity(2000)],
    );
    plan.add(
        3,
        "payout fails, then recovers",
        spec.degradation(Light),
        Accepted,
    )
    .payout = PayoutScript::FailsThenRecovers;
    let spec = plan.spec(
        SoftwareRegister,
        12,
        &[item("13204").quantity(2000).discount(250)],
    );
    plan.add(
        3,
        "payout unknown, then resolved",
        spec.degradation(Light),
        Accepted,
    )
    .payout = PayoutScript::UnknownThenResolved;
    plan
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn now() -> NaiveDateTime {
        chrono::NaiveDate::from_ymd_opt(2026, 3, 14)
            .unwrap()
            .and_hms_opt(15, 0, 0)
            .unwrap()
    }

    #[test]
    fn one_seed_gives_one_set_and_another_seed_shares_no_receipt_with_it() {
        let identities = |seed| -> Vec<(String, String)> {
            let uploads = plan(now(), seed).uploads.into_iter();
            uploads
                .filter_map(|planned| match planned.picture {
                    Picture::New(spec) => Some((spec.register, spec.number)),
                    Picture::Again(_) => None,
                })
                .collect()
        };
        let (one, same, other) = (identities(1), identities(1), identities(2));
        assert_eq!(one, same);
        let one: HashSet<_> = one.into_iter().collect();
        assert!(other.iter().all(|identity| !one.contains(identity)));
    }

    #[test]
    fn the_set_shows_every_outcome_and_respects_the_upload_rate() {
        let set = demo_set(now(), 7).unwrap();
        assert!(set.len() >= 12);
        for shopper in 0..SHOPPERS {
            let uploads = set.iter().filter(|d| d.shopper == shopper).count();
            assert!(
                (1..=5).contains(&uploads),
                "shopper {shopper} sends {uploads}"
            );
        }
        for code in [
            "duplicate_image",
            "duplicate_receipt",
            "expired",
            "daily_limit",
            "no_eligible_product",
            "unreadable",
            "not_a_receipt",
            "return_receipt",
        ] {
            assert!(
                set.iter().any(|d| d.expected == Expected::Rejected(code)),
                "{code} is missing"
            );
        }
        assert!(
            set.iter()
                .any(|d| matches!(d.expected, Expected::Review(_)))
        );
        assert_eq!(set[0].sample.jpeg, set[2].sample.jpeg);
        assert_ne!(set[1].sample.jpeg, set[3].sample.jpeg);
        assert_eq!(set[1].sample.truth.qr, set[3].sample.truth.qr);
        assert!(set.iter().all(|d| d.sample.jpeg.len() < 600 * 1024));
    }
}
