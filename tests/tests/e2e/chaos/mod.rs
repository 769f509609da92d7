//! Machines die while receipts and money are under way. Nothing may be lost, nothing may happen twice.

mod accounts;
mod money;
mod movers;

use std::time::Duration;

use kvit_adapters::sandbox::client::SandboxClient;
use kvit_adapters::sandbox::faults::Faults;
use kvit_adapters::sandbox::portmone::faults::PortmoneChance;
use kvit_adapters::sandbox::telegram::faults::TelegramChance;
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::support::api::Api;
use crate::support::crowd::{Photo, Shopper, four, twelve};
use crate::support::farm::Farm;
use crate::support::platform::{Home, Outside, Platform, send};
use crate::support::{seed, turn, verdict};

/// People do not wait for each other, nor for machines.
pub(crate) async fn stream(
    telegram: &SandboxClient,
    crowd: &[Shopper],
    photos: &[Photo],
    seed: u64,
) {
    let mut dice = StdRng::seed_from_u64(seed);
    for photo in photos {
        crowd[photo.shopper].send(telegram, &photo.jpeg).await;
        tokio::time::sleep(Duration::from_millis(dice.random_range(50..700))).await;
    }
}

/// A bad day outside, too: lost calls and answers, errors, nonsense, delays, and updates that come twice.
async fn bad_weather(sandbox: &SandboxClient) {
    let portmone = PortmoneChance {
        drop_before: 50,
        drop_after: 50,
        http_500_after: 30,
        malformed: 20,
        duplicate: 50,
        delay: 100,
        delay_millis: 300,
        ..PortmoneChance::default()
    };
    let telegram = TelegramChance {
        too_many_requests: 50,
        drop_before: 30,
        drop_after: 30,
        server_error: 30,
        duplicate_update: 200,
        ..TelegramChance::default()
    };
    let faults = Faults {
        rules: Vec::new(),
        chance: Some(portmone),
    };
    sandbox.add_portmone_faults(&faults).await.unwrap();
    let faults = Faults {
        rules: Vec::new(),
        chance: Some(telegram),
    };
    sandbox.add_telegram_faults(&faults).await.unwrap();
}

async fn a_moment(dice: &mut StdRng) {
    tokio::time::sleep(Duration::from_millis(dice.random_range(200..2_500))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_platform_is_killed_four_times_in_mid_work_and_no_receipt_is_lost_or_paid_twice() {
    let _turn = turn().await;
    let seed = seed("kill -9 of the platform");
    let (home, outside, photos) = (Home::new(), Outside::start(seed).await, twelve().await);
    let mut platform = Platform::start(&home, false, outside.env()).await;
    home.campaign().await;
    let crowd = four(outside.client(), seed).await;
    bad_weather(outside.client()).await;
    let mut dice = StdRng::seed_from_u64(seed ^ 1);
    let breaking = async {
        for _ in 0..4 {
            a_moment(&mut dice).await;
            platform.crash(&home).await;
        }
    };
    tokio::join!(stream(outside.client(), &crowd, &photos, seed), breaking);
    verdict::all_is_well(&home.parts().await, outside.client(), &crowd, &photos).await;
    assert!(platform.program.stop().await.success());
    assert_eq!(home.panics(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reader_bus_and_database_are_killed_at_random_and_the_platform_carries_on() {
    let _turn = turn().await;
    let seed = seed("kill -9 of the services");
    let (home, outside, photos) = (Home::new(), Outside::start(seed).await, twelve().await);
    let mut platform = Platform::start(&home, false, outside.env()).await;
    home.campaign().await;
    let crowd = four(outside.client(), seed).await;
    let mut dice = StdRng::seed_from_u64(seed ^ 1);
    let breaking = async {
        for victim in [" ocr", "nats-server", "postgres"] {
            a_moment(&mut dice).await;
            kill_child(&platform, victim);
        }
        for _ in 0..3 {
            a_moment(&mut dice).await;
            let victim = [" ocr", "nats-server", "postgres"]
                .choose(&mut dice)
                .unwrap();
            kill_child(&platform, victim);
        }
    };
    tokio::join!(stream(outside.client(), &crowd, &photos, seed), breaking);
    verdict::all_is_well(&home.parts().await, outside.client(), &crowd, &photos).await;
    assert!(platform.program.stop().await.success());
    assert_eq!(home.panics(), Vec::<String>::new());
}

/// A victim that is just being started again is spared.
fn kill_child(platform: &Platform, words: &str) {
    if let Some(pid) = platform.child(words) {
        println!("  kill -9{words} ({pid})");
        send(pid, Signal::SIGKILL);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_in_processes_of_their_own_are_killed_at_random_and_together_do_the_work_once() {
    let _turn = turn().await;
    let seed = seed("kill -9 of roles");
    let (home, outside, photos) = (Home::new(), Outside::start(seed).await, twelve().await);
    let mut farm = Farm::start(&home, outside.env()).await;
    home.campaign().await;
    let crowd = four(outside.client(), seed).await;
    bad_weather(outside.client()).await;
    let mut dice = StdRng::seed_from_u64(seed ^ 1);
    let breaking = async {
        for _ in 0..10 {
            a_moment(&mut dice).await;
            farm.crash(&home, &mut dice);
        }
    };
    tokio::join!(stream(outside.client(), &crowd, &photos, seed), breaking);
    verdict::all_is_well(&home.parts().await, outside.client(), &crowd, &photos).await;
    let base = farm.gateway().await;
    let trial = Api::new(&home, &base).read("/v1/trial-balance").await;
    assert_eq!(trial["balanced"], true, "{trial}");
    farm.stop().await;
    assert_eq!(home.panics(), Vec::<String>::new());
}
