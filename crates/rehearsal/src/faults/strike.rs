//! What each fault does to a story, and how it ends.

use std::collections::BTreeSet;

use siskin_embedded::{
    Millis,
    chance::Share,
    cluster::Precondition,
    model::application::{Behaviour, Health, Service, Start},
    object::{Name, ordinal},
};

use super::{
    policies,
    run::Run,
    schedule::{Fault, Quality, Scaler, Setup, Strangers},
    strangers::{SET, act, record},
    way::Tamper,
};

/// What is to be done when, besides the schedule.
pub(super) enum Later {
    Speak(siskin_embedded::object::Uid),
    Schedulable,
    Quota,
    Volumes,
    Controller,
    Thaw,
    Back(u32),
    PolicyBack,
}

impl<T: Tamper> Run<T> {
    fn later(&mut self, after: Millis, what: Later) {
        self.later.push((self.cluster.now() + after, what));
    }

    fn pod(&self, index: u32) -> Option<Name> {
        let wanted = self.schedule.setup.start + index;
        let mut pods = self.cluster.pods().iter().map(|pod| &pod.metadata.name);
        pods.find(|name| ordinal(name) == Some(wanted)).cloned()
    }

    pub(super) fn strike(&mut self, fault: Fault) {
        let now = self.cluster.now();
        self.way.active = self.leader();
        match fault {
            Fault::Restart => self.replace(self.leader()),
            Fault::RestartBehind(writes, time) => {
                self.replace(self.leader());
                self.way.begin_behind(&self.cluster, writes, now + time);
            }
            Fault::Freeze(time) => {
                let leader = self.leader();
                if let Some(process) = self.processes.get_mut(leader) {
                    process.frozen_until = now + time;
                }
            }
            Fault::LeaseCut(time) => self.way.election.cut(self.leader(), now + time),
            Fault::Source(ill, time) => self.way.sources.ill = Some((ill, now + time)),
            Fault::ReceiverDown(time) => self.mail.down_until = now + time,
            Fault::RolloutFreeze(time) => {
                self.way.frozen = true;
                self.look_again();
                self.later(time, Later::Thaw);
            }
            Fault::Clock(seconds) => self.way.clock = seconds,
            Fault::Write(skip, fate) => self.way.meet(skip, fate),
            Fault::Lag(watch, by, time) => self.way.lag(watch, by, now + time),
            Fault::Silent(watch, time) => self.way.silence(watch, now + time),
            Fault::Cut(time) => self.way.cut_until = now + time,
            Fault::ReadsFail(time) => self.way.deaf_until = now + time,
            Fault::NoData(time) => self.way.no_data_until = now + time,
            Fault::Unreachable(time) => self.way.unreachable_until = now + time,
            Fault::Kill(index) => {
                let _gone = self.pod(index).map(|pod| self.cluster.kill(&pod));
            }
            Fault::Delete(index) => {
                let pod = self.pod(index);
                let _gone = pod.map(|pod| self.cluster.delete_pod("drain", &pod, Precondition::NONE, None));
            }
            Fault::Evict(index) => {
                let _gone = self.pod(index).map(|pod| self.cluster.evict(&pod));
            }
            Fault::Silence(index, time) => {
                let pod = self.pod(index).and_then(|pod| Some(self.cluster.pods().get(&pod)?.metadata.uid));
                if let Some(uid) = pod {
                    self.cluster.change_faults(|faults| faults.silent.extend([uid]));
                    self.later(time, Later::Speak(uid));
                }
            }
            Fault::Unschedulable(time) => {
                let why = "0/1 nodes are available: 1 Insufficient cpu.";
                self.cluster.change_faults(|faults| faults.unschedulable = Some(why.into()));
                self.later(time, Later::Schedulable);
            }
            Fault::Quota(time) => {
                let pods = self.cluster.pods().len();
                self.cluster.change_faults(|faults| faults.pod_quota = Some(pods));
                self.later(time, Later::Quota);
            }
            Fault::NoVolumes(time) => {
                self.cluster.change_faults(|faults| faults.provisioning = None);
                self.later(time, Later::Volumes);
            }
            Fault::ControllerStops(time) => {
                self.cluster.change_faults(|faults| faults.controller_stopped = true);
                self.later(time, Later::Controller);
            }
            Fault::Stranger(stranger) => self.meet(stranger),
        }
    }

    fn meet(&mut self, stranger: Strangers) {
        let Setup { restore, park, hold, .. } = self.schedule.setup;
        let held = park && hold && matches!(stranger, Strangers::Partition(_) | Strangers::ZeroAndBack(_));
        self.invariants.exposed |= stranger.exposes() && !held;
        match stranger {
            Strangers::ZeroAndBack(time) => {
                let replicas = record(&self.cluster).map_or(1, |record| record.user_replicas.max(1));
                self.later(time, Later::Back(replicas));
            }
            Strangers::PolicyGone(time) => {
                self.way.policy = None;
                self.look_again();
                self.later(time, Later::PolicyBack);
            }
            Strangers::PolicyEdited(number) => {
                self.policy = number;
                self.way.policy = Some(policies::policy(number, restore));
                self.look_again();
            }
            Strangers::Scale(Scaler::Autoscaler, _) => self.way.scaled = true,
            Strangers::EditList | Strangers::DropList => {
                if let Some(list) = &self.way.list {
                    if stranger == Strangers::EditList {
                        list.edit(BTreeSet::clear);
                    } else {
                        list.delete();
                    }
                    self.look_again();
                }
            }
            _ => {}
        }
        act(&mut self.cluster, &self.schedule.setup, stranger);
    }

    pub(super) fn do_later(&mut self) {
        let now = self.cluster.now();
        let (due, later) = std::mem::take(&mut self.later).into_iter().partition(|(at, _)| *at <= now);
        self.later = later;
        let due: Vec<(Millis, Later)> = due;
        for (_, what) in due {
            self.end_of(&what);
        }
    }

    pub(super) fn end_of(&mut self, what: &Later) {
        match what {
            Later::Speak(uid) => {
                self.cluster.change_faults(|faults| faults.silent.retain(|silent| silent != uid));
            }
            Later::Schedulable => self.cluster.change_faults(|faults| faults.unschedulable = None),
            Later::Quota => self.cluster.change_faults(|faults| faults.pod_quota = None),
            Later::Volumes => self.cluster.change_faults(|faults| faults.provisioning = Some(50)),
            Later::Controller => self.cluster.change_faults(|faults| faults.controller_stopped = false),
            Later::Thaw => {
                self.way.frozen = false;
                self.look_again();
            }
            Later::Back(replicas) => {
                let _gone = self.cluster.set_replicas("person", SET, *replicas);
            }
            Later::PolicyBack => {
                self.way.policy = Some(policies::policy(self.policy, self.schedule.setup.restore));
                self.look_again();
            }
        }
    }
}

/// How a version of this quality behaves.
/// How an image of this quality behaves.
pub fn behaviour(quality: Quality) -> Behaviour {
    let usual = Behaviour::default();
    let sick = Service { health: Health::Fail, ..Service::default() };
    let failing = Service { errors: Share::of(1, 2), ..Service::default() };
    match quality {
        Quality::Good => usual,
        Quality::SlowStart => Behaviour { start_up: 8_000, ..usual },
        Quality::Errors => Behaviour { phases: vec![failing], ..usual },
        Quality::LateErrors => {
            Behaviour { phases: vec![Service::default(), Service { from: 5_000, ..failing }], ..usual }
        }
        Quality::Sick => {
            Behaviour { phases: vec![Service::default(), Service { from: 1_500, ..sick }], ..usual }
        }
        Quality::Crashes => Behaviour { crash_after: Some(2_000), ..usual },
        Quality::NoImage => Behaviour { start: Start::NoImage, ..usual },
    }
}
