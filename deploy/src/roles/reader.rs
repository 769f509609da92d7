//! Reading on threads of its own: an engine belongs to one thread and stays warm there.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kvit_commands::ports::reader::{ReadFault, ReceiptReader};
use kvit_domain::recognition::Recognition;
use kvit_ocr::{EngineConfig, ReadError, ReadOptions, Reader};
use tokio::sync::{mpsc, oneshot};

/// Reading has budgets of its own and ends far below this. Native code that does not is stuck, and only the end of the
/// process frees its thread.
const STUCK: Duration = Duration::from_secs(60);
/// More than the reader's own defaults: on a machine under load a photo shall be read late rather than badly.
const BUDGETS: ReadOptions = ReadOptions {
    qr_budget: Duration::from_secs(5),
    text_budget: Duration::from_secs(15),
};
/// Status of a process that ends itself so that the supervisor starts a fresh one.
const EXIT_STUCK: i32 = 70;

struct Task {
    photo: Bytes,
    reply: oneshot::Sender<Result<Recognition, ReadFault>>,
}

/// Some engines, one a thread.
pub struct Readers {
    tasks: mpsc::Sender<Task>,
}

impl Readers {
    /// Starts `threads` engines. The first ones may take a second; photos wait meanwhile.
    pub fn start(config: &EngineConfig, threads: usize) -> std::io::Result<Self> {
        let (tasks, queue) = mpsc::channel::<Task>(threads.max(1));
        let queue = std::sync::Arc::new(std::sync::Mutex::new(queue));
        for number in 0..threads.max(1) {
            let (queue, config) = (std::sync::Arc::clone(&queue), config.clone());
            std::thread::Builder::new()
                .name(format!("reader-{number}"))
                .spawn(move || work(&config, &queue))?;
        }
        Ok(Self { tasks })
    }
}

fn work(config: &EngineConfig, queue: &std::sync::Mutex<mpsc::Receiver<Task>>) {
    let mut reader: Option<Reader> = None;
    loop {
        let next = queue
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .blocking_recv();
        let Some(Task { photo, reply }) = next else {
            return;
        };
        let read = match reader.take().map_or_else(|| Reader::init(config), Ok) {
            Ok(mut ready) => match ready.read(&photo, &BUDGETS) {
                Ok(recognition) => {
                    reader = Some(ready);
                    Ok(recognition)
                }
                Err(error @ ReadError::Intake(_)) => {
                    reader = Some(ready);
                    Err(ReadFault::Unreadable {
                        code: error.code().to_owned(),
                    })
                }
                // The engine is in doubt: the next photo gets a fresh one.
                Err(error) => Err(ReadFault::Transient(error.to_string())),
            },
            Err(error) => Err(ReadFault::Transient(error.to_string())),
        };
        // Nobody waits any more only when the delivery was given up.
        let _ = reply.send(read);
    }
}

#[async_trait]
impl ReceiptReader for Readers {
    async fn read(&self, photo: Bytes) -> Result<Recognition, ReadFault> {
        let (reply, answer) = oneshot::channel();
        let stopped = || ReadFault::Transient("the reader has stopped".to_owned());
        self.tasks
            .send(Task { photo, reply })
            .await
            .map_err(|_| stopped())?;
        match tokio::time::timeout(STUCK, answer).await {
            Ok(answer) => answer.map_err(|_| stopped())?,
            Err(_) => {
                tracing::error!(
                    seconds = STUCK.as_secs(),
                    "reading is stuck; the process ends and is started anew"
                );
                std::process::exit(EXIT_STUCK);
            }
        }
    }
}
