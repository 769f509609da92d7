//! Machines die while receipts are under way. Nothing may be lost, nothing may happen twice.

use std::time::Duration;

use kvit_adapters::sandbox::client::SandboxClient;
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::support::crowd::{Photo, Shopper, four, twelve};
use crate::support::platform::{Home, Outside, Platform, send};
use crate::support::{seed, turn, verdict};

/// People do not wait for each other, nor for machines.
async fn stream(telegram: &SandboxClient, crowd: &[Shopper], photos: &[Photo], seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    for photo in photos {
        crowd[photo.shopper].send(telegram, &photo.jpeg).await;
        tokio::time::sleep(Duration::from_millis(dice.random_range(50..700))).await;
    }
}

async fn a_moment(dice: &mut StdRng) {
    tokio::time::sleep(Duration::from_millis(dice.random_range(200..2_500))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_platform_is_killed_four_times_in_mid_work_and_no_receipt_is_lost_or_paid_twice() {
    let _turn = turn().await;
    let seed = seed("kill -9 of the platform");
    let (home, outside, photos) = (Home::new(), Outside::start(seed).await, twelve(seed).await);
    let mut platform = Platform::start(&home, false, outside.env()).await;
    home.campaign().await;
    let crowd = four(outside.client(), seed).await;
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
    let (home, outside, photos) = (Home::new(), Outside::start(seed).await, twelve(seed).await);
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
