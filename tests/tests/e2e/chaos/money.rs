//! Minutes in which every process may die at any moment, the providers have bad days, and money moves all the time. Then it
//! is calm, and all books must say the same.
//!
//! `KVIT_CHAOS_SECONDS` says for how long (60), `KVIT_CHAOS_SEED` plays the same people and the same bad luck again; what
//! falls together by the machine's own timing is another matter.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kvit_adapters::sandbox::faults::Faults;
use kvit_adapters::sandbox::portmone::faults::PortmoneChance;
use kvit_adapters::sandbox::yookassa::faults::YookassaChance;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use super::accounts::{due, ends_agree};
use super::movers::{Deeds, Mover};
use crate::support::crowd::{four, twelve};
use crate::support::farm::Farm;
use crate::support::platform::{Home, Outside};
use crate::support::till::{Person, Till};
use crate::support::{books, free_port, turn, until_within, verdict};

/// A payout whose process died while it paid rests for 45 s, questions come at growing intervals, and a breaker may be open.
const CALM: Duration = Duration::from_secs(300);
const MOVERS: usize = 5;

fn seconds() -> u64 {
    let given = std::env::var("KVIT_CHAOS_SECONDS").ok();
    given.map_or(60, |text| text.parse().unwrap())
}

fn chaos_seed() -> u64 {
    let given = std::env::var("KVIT_CHAOS_SEED").ok();
    let seed = given.map_or_else(rand::random, |text| text.parse().unwrap());
    println!(
        "chaos: KVIT_CHAOS_SEED={seed} KVIT_CHAOS_SECONDS={}",
        seconds()
    );
    seed
}

/// Errors before and after the deed, cut connections, refusals for now, nonsense, slowness; news twice and in any order.
async fn bad_days(till: &Till) {
    let yookassa = YookassaChance {
        drop_before: 30,
        drop_after: 30,
        http_500_before: 30,
        http_500_after: 30,
        accepted_before: 10,
        accepted_after: 10,
        too_many: 40,
        malformed: 10,
        html: 10,
        delay: 60,
        delay_millis: 700,
        canceled: 30,
        webhook_again: 150,
        webhook_shuffle: 400,
    };
    let faults = Faults {
        rules: Vec::new(),
        chance: Some(yookassa),
    };
    till.yookassa.add_faults(&faults).await.unwrap();
    let portmone = PortmoneChance {
        drop_before: 40,
        drop_after: 40,
        http_500_before: 20,
        http_500_after: 30,
        malformed: 20,
        duplicate: 50,
        pending: 50,
        delay: 60,
        delay_millis: 500,
        ..PortmoneChance::default()
    };
    let faults = Faults {
        rules: Vec::new(),
        chance: Some(portmone),
    };
    till.telegram().add_portmone_faults(&faults).await.unwrap();
}

/// Kills one thing after another until the end.
async fn monkey(farm: &mut Farm, home: &Home, seed: u64, end: Instant) {
    let mut dice = StdRng::seed_from_u64(seed ^ 0x6d6f_6e6b);
    while Instant::now() < end {
        let pause = dice.random_range(300..2_500);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        farm.crash_anything(home, &mut dice);
    }
}

fn is_final(state: &str) -> bool {
    let ends = ["succeeded", "canceled", "failed", "reversed", "completed"];
    ends.contains(&state)
}

/// Waits until every operation has ended; how all of them stand then.
async fn ends(till: &Till, deeds: &[Deeds]) -> BTreeMap<String, Value> {
    let all: Vec<String> = deeds.iter().flat_map(Deeds::all).collect();
    let mut open = all.clone();
    let begun = Instant::now();
    while !open.is_empty() {
        let mut left = states(till, &open).await;
        left.retain(|_, shown| !is_final(shown["state"].as_str().unwrap()));
        assert!(begun.elapsed() < CALM, "these came to no end: {left:#?}");
        open = left.into_keys().collect();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    states(till, &all).await
}

async fn states(till: &Till, paths: &[String]) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for path in paths {
        found.insert(path.clone(), till.read(path).await);
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f57_everything_dies_at_random_while_money_moves_and_all_books_agree_to_the_kopeck() {
    let _turn = turn().await;
    let seed = chaos_seed();
    let (home, outside, port) = (Home::new(), Outside::start(seed).await, free_port());
    let mut env = outside.env();
    env.push(("PORT".to_owned(), port.to_string()));
    let mut farm = Farm::start(&home, env).await;
    let gateway = farm.gateway().await;
    let till = Till::at(home, outside, None, &gateway).await;
    till.home.campaign().await;
    let photos = twelve().await;
    let crowd = four(till.telegram(), seed).await;
    let mut people: Vec<Person> = Vec::new();
    for number in 0..MOVERS {
        let own = 75_500_000 + i64::try_from(number).unwrap();
        people.push(till.person(own).await);
    }

    bad_days(&till).await;
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds());
    let movers = (0..MOVERS).map(|me| Mover::new(&till, &people, me, seed).work(end));
    let storm = async {
        monkey(&mut farm, &till.home, seed, end).await;
        // From here on nobody dies any more, and the providers have a good day.
        till.yookassa.clear_faults().await.unwrap();
        till.telegram().clear_portmone_faults().await.unwrap();
        farm.revive(&till.home, None);
    };
    let (deeds, (), ()) = tokio::join!(
        futures::future::join_all(movers),
        storm,
        super::stream(till.telegram(), &crowd, &photos, seed),
    );
    let calm = Instant::now();
    let faults = tell_of_faults(&till).await;
    let ended = ends(&till, &deeds).await;
    verdict::receipts_are_well(&till.parts, till.telegram(), &crowd, &photos).await;
    notifications_are_followed(&till).await;
    ends_agree(&till, &deeds, &ended).await;
    books::wallets(&till, &due(&till, &people, &deeds).await).await;
    let ledger = books::Ledger::read(&till).await;
    books::clearing(&till, &ledger).await;
    books::proofs(&till).await;
    tell(&farm, &deeds, &ended, &faults, begun, calm);
    farm.stop().await;
}

/// What the provider did to us, by kind.
async fn tell_of_faults(till: &Till) -> BTreeMap<String, u32> {
    let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
    for call in till.yookassa.calls().await.unwrap() {
        if let Some(fault) = call.fault {
            let what = fault["do"].as_str().unwrap_or("fault").to_owned();
            *kinds.entry(what).or_default() += 1;
        }
    }
    kinds
}

/// Every notification that came was looked into.
async fn notifications_are_followed(till: &Till) {
    until_within(CALM, "the notifications to be followed up", || async {
        let waiting = "SELECT count(*) FROM notifications WHERE followed_up IS NULL";
        let query = sqlx::query_as(waiting);
        let (count,): (i64,) = query.fetch_one(&till.parts.pool).await.unwrap();
        (count == 0).then_some(())
    })
    .await;
}

fn tell(
    farm: &Farm,
    deeds: &[Deeds],
    ended: &BTreeMap<String, Value>,
    faults: &BTreeMap<String, u32>,
    begun: Instant,
    calm: Instant,
) {
    let sum = |of: fn(&Deeds) -> usize| deeds.iter().map(of).sum::<usize>();
    println!(
        "  {} s of storm, {} s until all was calm and proven",
        calm.duration_since(begun).as_secs(),
        calm.elapsed().as_secs()
    );
    let kills: u32 = farm.kills.values().sum();
    println!("  {kills} kills: {:?}", farm.kills);
    println!("  ended by themselves: {:?}", farm.ended);
    println!(
        "  {} operations: {} payments, {} refunds, {} payouts in roubles, {} in hryvnias, {} transfers, {} exchanges; {} refused",
        ended.len(),
        sum(|own| own.payments.len()),
        sum(|own| own.refunds.len()),
        sum(|own| own.payouts.len()),
        sum(|own| own.top_ups.len()),
        sum(|own| own.transfers.len()),
        sum(|own| own.exchanges.len()),
        sum(|own| own.refused),
    );
    let mut states: BTreeMap<String, u32> = BTreeMap::new();
    for (path, shown) in ended {
        let kind = path.split('/').nth(2).unwrap();
        let state = shown["state"].as_str().unwrap();
        *states.entry(format!("{kind} {state}")).or_default() += 1;
    }
    println!("  {states:?}");
    println!(
        "  faults at YooKassa: {} {faults:?}",
        faults.values().sum::<u32>()
    );
}
