//! How fast a fold is. `REBUILD_EVENTS=100000 cargo test -p kvit-projections --test it speed -- --nocapture` measures; by
//! default it only sees that many people's postings are folded and rebuilt.

use std::time::Instant;

use kvit_domain::ids::TransactionId;
use kvit_domain::ledger::{Account, TransactionKind};
use kvit_projections::rebuild::{RebuildOptions, rebuild};
use kvit_projections::{Projector, fold};

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_of_many_events() {
    let mut world = World::new().await;
    world.campaign();
    let wanted = std::env::var("REBUILD_EVENTS")
        .ok()
        .and_then(|text| text.parse().ok());
    let wanted: u64 = wanted.unwrap_or(3_000);
    let mut people: Vec<_> = (0..1_000).map(|_| world.person()).collect();
    let mut n = 0_u64;
    while n < wanted {
        for person in &mut people {
            n += 1;
            let id = TransactionId::derived("speed", &n.to_string());
            let bonus = Account::BonusExpense;
            world
                .post(person, id, TransactionKind::Adjustment, bonus, 10, "speed")
                .unwrap();
        }
    }
    world.flush().await;
    let options = RebuildOptions::default();
    for projection in fold::all() {
        let name = projection.name();
        let projector = Projector::of(world.pool.clone(), vec![projection]).with_page(5_000);
        let started = Instant::now();
        projector.catch_up().await.unwrap();
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "{name}: {} events in {seconds:.2} s, {:.0}/s",
            world.head,
            world.head as f64 / seconds
        );
        let rebuilt = rebuild(&world.pool, name, &options, |_| {}).await.unwrap();
        let seconds = rebuilt.elapsed.as_secs_f64();
        println!(
            "{name}: rebuilt in {seconds:.2} s, {:.0}/s",
            world.head as f64 / seconds
        );
    }
}
