//! The platform as a server farm runs it: each role a process of its own, started again by its supervisor when it dies.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rand::Rng;
use rand::rngs::StdRng;

use super::platform::{Home, Program, child_of, send};

pub const ROLES: [&str; 6] = ["relay", "projector", "worker", "ocr", "bot", "gateway"];

/// What the roles stand on; `kvit up --services-only` starts it again when it dies.
const SERVICES: [&str; 2] = ["postgres", "nats-server"];
/// It gives one up that dies six times within a minute.
const SPARED_FOR: Duration = Duration::from_secs(14);

pub struct Farm {
    services: Program,
    pub roles: Vec<(&'static str, Program)>,
    env: Vec<(String, String)>,
    /// Deaths by name.
    pub kills: BTreeMap<&'static str, u32>,
    /// Roles that ended without being killed, and how.
    pub ended: Vec<String>,
    last: BTreeMap<&'static str, Instant>,
}

impl Farm {
    pub async fn start(home: &Home, env: Vec<(String, String)>) -> Self {
        let mut services = Program::start(home, &["up", "--services-only"], &[]);
        services.line(" are ready after ").await;
        let mut migrate = Program::start(home, &["migrate"], &[]);
        assert!(
            migrate.ended().await.success(),
            "{}",
            migrate.all_said().await
        );
        let roles = ROLES.map(|role| (role, Program::start(home, &[role], &env)));
        Self {
            services,
            roles: roles.into(),
            env,
            kills: BTreeMap::new(),
            ended: Vec::new(),
            last: BTreeMap::new(),
        }
    }

    /// Kills some role and starts it again.
    pub fn crash(&mut self, home: &Home, dice: &mut StdRng) {
        let victim = dice.random_range(0..self.roles.len());
        let (role, program) = &mut self.roles[victim];
        println!("  kill -9 {role} ({})", program.pid());
        program.kill();
        *program = Program::start(home, &[role], &self.env);
        *self.kills.entry(role).or_default() += 1;
    }

    /// Kills some role, or what all of them stand on. Afterwards everything is started again that does not run.
    pub fn crash_anything(&mut self, home: &Home, dice: &mut StdRng) {
        let victim = dice.random_range(0..self.roles.len() + SERVICES.len());
        match victim.checked_sub(self.roles.len()) {
            None => {
                let (role, program) = &mut self.roles[victim];
                program.kill();
                *self.kills.entry(role).or_default() += 1;
            }
            // One that is just being started again is spared.
            Some(service) => {
                let name = SERVICES[service];
                let last = self.last.get(name);
                let rested = last.is_none_or(|at| at.elapsed() > SPARED_FOR);
                if let (true, Some(pid)) = (rested, child_of(self.services.pid(), name)) {
                    send(pid, Signal::SIGKILL);
                    *self.kills.entry(name).or_default() += 1;
                    self.last.insert(name, Instant::now());
                }
            }
        }
        self.revive(home, ROLES.get(victim).copied());
    }

    /// Starts again what has ended. A role may end by itself when what it stands on is away for long; that is told.
    pub fn revive(&mut self, home: &Home, killed: Option<&str>) {
        for (role, program) in &mut self.roles {
            let Some(status) = program.has_ended() else {
                continue;
            };
            if killed != Some(role) {
                let said = program.said();
                let last = said.lines().last().unwrap_or_default();
                self.ended.push(format!("{role}: {status}: {last}"));
            }
            *program = Program::start(home, &[role], &self.env);
        }
    }

    /// Where the gateway listens.
    pub async fn gateway(&mut self) -> String {
        let mut roles = self.roles.iter_mut();
        let (_, gateway) = roles.find(|(role, _)| *role == "gateway").unwrap();
        let line = gateway.line("listens on http://").await;
        line.split_once("listens on ").unwrap().1.to_owned()
    }

    pub async fn stop(mut self) {
        for (role, program) in &mut self.roles {
            assert!(program.stop().await.success(), "{role}: {}", program.said());
        }
        assert!(self.services.stop().await.success());
    }
}
