//! What the process tells machines: JSON lines, and traces where a receiver is configured.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;

use nix::sys::signal::Signal;

use crate::support::{PATIENCE, Up, folder, kvit};

#[test]
fn with_json_logs_every_line_is_one_json_object() {
    let dir = folder();
    let mut command = kvit(dir.path());
    command.env("LOG_FORMAT", "json");
    let up = Up::start(command);
    let before = up.said.clone();
    let (_, after) = up.end(Signal::SIGTERM);
    let lines: Vec<&str> = before.lines().chain(after.lines()).collect();
    assert!(lines.len() >= 2, "{lines:?}");
    for line in lines {
        let object: serde_json::Value = serde_json::from_str(line).expect(line);
        assert!(object["level"].is_string() && object["timestamp"].is_string());
    }
}

#[test]
fn traces_leave_over_otlp_before_the_process_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (tell, requests) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = Vec::new();
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                head.push(std::mem::take(&mut line));
            }
            let length = head
                .iter()
                .find_map(|line| {
                    let line = line.to_ascii_lowercase();
                    line.strip_prefix("content-length:")?.trim().parse().ok()
                })
                .unwrap_or(0);
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .unwrap();
            let _test_is_over = tell.send((head[0].clone(), body));
        }
    });
    let dir = folder();
    let mut command = kvit(dir.path());
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    let (status, said) = Up::start(command).end(Signal::SIGTERM);
    assert!(status.success(), "{said}");
    let (request, body) = requests.recv_timeout(PATIENCE).unwrap();
    assert!(request.starts_with("POST /v1/traces "), "{request}");
    let body = String::from_utf8_lossy(&body);
    assert!(
        body.contains("stack.start") && body.contains("kvit"),
        "{body}"
    );
}
