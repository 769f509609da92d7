//! Child processes that cannot outlive this one.
//!
//! Three things keep a killed parent from leaving orphans, and a Ctrl-C from tearing the children down in a random order:
//!
//! * each child leads its own process group, so the terminal's signals reach only us;
//! * each child asks the kernel for a *parent death signal*, which arrives even after `kill -9` of the parent;
//! * all children are started by one keeper thread that lives as long as the process. The kernel sends the death signal when
//!   the **thread** that forked ends, and a thread of an async runtime's pool may end at any time.
//!
//! A child is reaped under a lock that also guards the sending of signals: a signal can never hit a stranger that got the
//! same process number.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::{self, Signal};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, getppid};
use tokio::sync::{oneshot, watch};

type Work = Box<dyn FnOnce() + Send>;

/// The keeper's letter box; `None` until the first child.
static KEEPER: Mutex<Option<mpsc::Sender<Work>>> = Mutex::new(None);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while holding one of these locks leaves plain data behind, which is still whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keeper() -> io::Result<mpsc::Sender<Work>> {
    let mut slot = lock(&KEEPER);
    if let Some(sender) = slot.as_ref() {
        return Ok(sender.clone());
    }
    let (sender, receiver) = mpsc::channel::<Work>();
    std::thread::Builder::new()
        .name("child-keeper".to_owned())
        .spawn(move || {
            // The static above keeps one sender for ever, so this loop ends only with the process.
            while let Ok(work) = receiver.recv() {
                work();
            }
        })?;
    *slot = Some(sender.clone());
    Ok(sender)
}

/// Starts `command` from the keeper thread with `death_signal` armed.
///
/// # Errors
/// Whatever the operating system says about the fork or the exec.
pub async fn spawn(
    name: impl Into<String>,
    mut command: Command,
    death_signal: Signal,
) -> io::Result<Child> {
    let parent = nix::unistd::getpid();
    command.process_group(0);
    // SAFETY: between fork and exec only two system calls are made (prctl, getppid); both are async-signal-safe and neither
    // allocates. The closure owns no resource.
    #[expect(
        unsafe_code,
        reason = "the death signal can only be armed between fork and exec"
    )]
    unsafe {
        command.pre_exec(move || {
            prctl::set_pdeathsig(death_signal)?;
            // The parent may have died before the signal was armed.
            if getppid() == parent {
                Ok(())
            } else {
                Err(io::Error::from_raw_os_error(nix::libc::ESRCH))
            }
        });
    }
    let (reply, answer) = oneshot::channel();
    keeper()?
        .send(Box::new(move || {
            // Nobody listens any more only if the caller was cancelled; the child then has no owner and must go.
            if let Err(Ok(mut orphan)) = reply.send(command.spawn()) {
                let _gone = orphan.kill();
                let _reaped = orphan.wait();
            }
        }))
        .map_err(|_closed| io::Error::other("the keeper thread has ended"))?;
    let process = answer
        .await
        .map_err(|_closed| io::Error::other("the keeper thread has ended"))??;
    Child::adopt(name.into(), process, death_signal)
}

/// A started child process.
#[derive(Debug)]
pub struct Child {
    name: String,
    pid: Pid,
    death_signal: Signal,
    reaped: Arc<Mutex<bool>>,
    exit: watch::Receiver<Option<ExitStatus>>,
    stdout: Mutex<Option<std::process::ChildStdout>>,
    stderr: Mutex<Option<std::process::ChildStderr>>,
}

impl Child {
    fn adopt(
        name: String,
        mut process: std::process::Child,
        death_signal: Signal,
    ) -> io::Result<Self> {
        let raw = i32::try_from(process.id())
            .map_err(|_wide| io::Error::other("process number too large"))?;
        let pid = Pid::from_raw(raw);
        let stdout = Mutex::new(process.stdout.take());
        let stderr = Mutex::new(process.stderr.take());
        let reaped = Arc::new(Mutex::new(false));
        let (tell, exit) = watch::channel(None);
        let flag = Arc::clone(&reaped);
        std::thread::Builder::new()
            .name(format!("wait-{name}"))
            .spawn(move || {
                // Look first without reaping: while the child is a zombie its number cannot be given away.
                while let Err(nix::errno::Errno::EINTR) =
                    waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
                {
                }
                let mut gone = lock(&flag);
                let status = process
                    .wait()
                    .unwrap_or_else(|_lost| ExitStatus::from_raw(0));
                *gone = true;
                drop(gone);
                let _nobody_listens = tell.send(Some(status));
            })?;
        Ok(Self {
            name,
            pid,
            death_signal,
            reaped,
            exit,
            stdout,
            stderr,
        })
    }

    /// The process number.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// The pipe of standard output, once, when the command asked for one.
    pub fn take_stdout(&self) -> Option<std::process::ChildStdout> {
        lock(&self.stdout).take()
    }

    /// The pipe of standard error, once, when the command asked for one.
    pub fn take_stderr(&self) -> Option<std::process::ChildStderr> {
        lock(&self.stderr).take()
    }

    /// Sends a signal unless the process has ended; says whether it was sent.
    pub fn signal(&self, signal: Signal) -> bool {
        let gone = lock(&self.reaped);
        !*gone && signal::kill(self.pid, signal).is_ok()
    }

    /// How the process ended, if it has.
    pub fn exited(&self) -> Option<ExitStatus> {
        *self.exit.borrow()
    }

    /// Waits until the process has ended.
    pub async fn wait(&self) -> ExitStatus {
        let mut exit = self.exit.clone();
        let seen = exit.wait_for(Option::is_some).await.map(|status| *status);
        // The waiting thread always sends before it ends, so the fallback is never taken.
        seen.ok().flatten().unwrap_or_default()
    }

    /// Asks the process to end, ever more firmly: each signal is given its time before the next, and SIGKILL is the last.
    pub async fn stop(&self, steps: &[(Signal, Duration)]) -> ExitStatus {
        for (signal, patience) in steps {
            if !self.signal(*signal) {
                break;
            }
            if let Ok(status) = tokio::time::timeout(*patience, self.wait()).await {
                return status;
            }
            tracing::warn!(process = %self.name, pid = self.pid(), signal = %signal, waited_ms = patience.as_millis(), "process did not stop in time");
        }
        self.signal(Signal::SIGKILL);
        self.wait().await
    }
}

impl Drop for Child {
    /// A child that nobody stopped in order gets the same signal as if we had died.
    fn drop(&mut self) {
        self.signal(self.death_signal);
    }
}
