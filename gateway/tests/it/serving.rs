//! Serving on a socket, and stopping in order.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use kvit_gateway::ServeLimits;

use crate::world::World;

#[tokio::test]
async fn a_request_in_work_is_finished_when_the_process_is_told_to_stop() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async move {
        let _ = stopped.await;
    };
    let serving = tokio::spawn(kvit_gateway::serve(
        listener,
        world.router.clone(),
        shutdown,
    ));
    let mut client = TcpStream::connect(address).await.unwrap();
    client
        .write_all(b"GET /extra/pause HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    world.paused.notified().await;
    stop.send(()).unwrap();
    // The listener is closed once the server has heard of it.
    while TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.go_on.notify_one();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_caller_who_never_ends_its_headers_is_cut_off_and_gives_its_place_to_the_next() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = ServeLimits {
        connections_max: 1,
        headers_time_max: Duration::from_millis(100),
        ..ServeLimits::default()
    };
    let router = world.router.clone();
    let serving = tokio::spawn(kvit_gateway::serve_within(
        listener,
        router,
        limits,
        std::future::pending(),
    ));
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost:")
        .await
        .unwrap();
    let mut next = TcpStream::connect(address).await.unwrap();
    next.write_all(b"GET /livez HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    next.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).await.unwrap();
    serving.abort();
}
