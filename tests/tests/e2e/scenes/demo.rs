//! `kvit demo`, interrupted.

use crate::support::platform::{Home, Program};
use crate::support::turn;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_that_is_killed_half_way_does_not_spoil_the_next_one() {
    let _turn = turn().await;
    let home = Home::new();
    let mut first = Program::start(&home, &["demo"], &[]);
    first.line(" 9 sending: ").await;
    first.kill();
    let mut second = Program::start(&home, &["demo"], &[]);
    let status = second.ended().await;
    assert!(status.success(), "{status}\n{}", second.all_said().await);
    assert_eq!(home.panics(), Vec::<String>::new());
}
