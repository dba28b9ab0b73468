use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const TIMING: Timing = Timing {
    lease_duration: Duration::from_secs(15),
    renew_deadline: Duration::from_secs(10),
    retry_period: Duration::from_secs(2),
};

fn at(seconds: u64) -> Instant {
    Instant(Duration::from_secs(seconds))
}

fn lease(version: u64, holder: Option<&str>) -> Lease {
    Lease {
        version: version.to_string(),
        holder: holder.map(str::to_owned),
        duration: TIMING.lease_duration,
        transitions: 3,
    }
}

fn candidate(me: &str) -> Candidate {
    Candidate::new(me.to_owned(), TIMING)
}

/// `a` leads since it wrote version 7 at second 100.
fn leader() -> Candidate {
    let mut a = candidate("a");
    a.wrote(lease(7, Some("a")), at(100), at(101));
    a
}

fn claims(next: &Next) -> Option<(Option<&str>, u32, bool)> {
    match next {
        Next::Write(claim) => Some((claim.over.as_deref(), claim.transitions, claim.begins)),
        Next::Read | Next::Wait(_) => None,
    }
}

#[test]
fn a_new_process_reads_before_it_claims_and_takes_a_lease_that_nobody_has() {
    let mut a = candidate("a");
    assert_eq!(a.next(at(0)), Next::Read);
    a.read(None, at(0));
    assert_eq!(claims(&a.next(at(0))), Some((None, 0, true)));
    a.read(Some(lease(5, None)), at(0));
    assert_eq!(claims(&a.next(at(0))), Some((Some("5"), 4, true)));
    assert!(!a.leads(at(0)), "a claim is nothing before it is written");
}

#[test]
fn a_leader_leads_for_the_renew_deadline_from_before_its_write_was_sent() {
    let a = leader();
    assert!(a.leads(at(109)) && !a.leads(at(110)));
    assert_eq!(a.next(at(101)), Next::Wait(at(102)));
    assert_eq!(claims(&a.next(at(102))), Some((Some("7"), 3, false)));
}

#[test]
fn others_wait_for_the_lease_duration_from_when_they_saw_it() {
    let mut b = candidate("b");
    b.read(Some(lease(7, Some("a"))), at(500));
    assert_eq!(b.next(at(500)), Next::Wait(at(515)));
    b.read(Some(lease(7, Some("a"))), at(510));
    assert_eq!(b.next(at(510)), Next::Wait(at(515)), "the same version is no sign of life");
    b.told(Some(lease(8, Some("a"))), at(512));
    assert_eq!(b.next(at(515)), Next::Wait(at(527)));
    assert_eq!(claims(&b.next(at(527))), Some((Some("8"), 4, true)));
}

#[test]
fn a_lease_that_is_given_back_is_taken_at_once() {
    let mut b = candidate("b");
    b.read(Some(lease(7, Some("a"))), at(500));
    b.told(Some(lease(8, None)), at(501));
    assert_eq!(claims(&b.next(at(501))), Some((Some("8"), 4, true)));
}

#[test]
fn a_process_that_finds_its_own_name_goes_on_at_once() {
    let mut a = candidate("a");
    a.read(Some(lease(7, Some("a"))), at(3));
    assert_eq!(claims(&a.next(at(3))), Some((Some("7"), 3, true)), "its container was started again");
}

#[test]
fn a_leader_that_sees_another_holder_stops_at_once() {
    let mut a = leader();
    a.told(Some(lease(8, Some("b"))), at(103));
    assert!(!a.leads(at(103)));
    assert_eq!(a.next(at(103)), Next::Wait(at(118)));
}

#[test]
fn a_late_watch_stops_no_leader() {
    let mut a = leader();
    a.told(Some(lease(6, Some("b"))), at(103));
    a.contradicted();
    a.told(Some(lease(6, Some("b"))), at(103));
    assert!(a.leads(at(103)));
    assert_eq!(a.next(at(103)), Next::Read);
}

#[test]
fn after_a_lost_answer_the_lease_is_read_and_no_time_is_won() {
    let mut a = leader();
    a.failed(at(102));
    assert_eq!(a.next(at(103)), Next::Wait(at(104)));
    assert_eq!(a.next(at(107)), Next::Read, "a call that took long was pause enough");
    a.read(Some(lease(8, Some("a"))), at(107));
    assert_eq!(a.leads_until(), at(110), "nobody knows when version 8 was written");
    assert_eq!(claims(&a.next(at(107))), Some((Some("8"), 3, false)));
}

#[test]
fn a_leader_that_woke_up_late_tries_again_and_learns_who_leads() {
    let mut a = leader();
    assert!(!a.leads(at(200)));
    assert_eq!(claims(&a.next(at(200))), Some((Some("7"), 3, false)));
    a.contradicted();
    assert_eq!(a.next(at(200)), Next::Read);
    a.read(Some(lease(9, Some("b"))), at(200));
    assert_eq!(a.next(at(200)), Next::Wait(at(215)));
}

#[test]
fn a_deleted_lease_counts_as_held_for_others_and_is_made_again_by_its_holder() {
    let mut b = candidate("b");
    b.read(Some(lease(7, Some("a"))), at(100));
    b.told(None, at(103));
    assert_eq!(b.next(at(103)), Next::Wait(at(115)));
    let mut a = leader();
    a.told(None, at(103));
    assert!(a.leads(at(103)));
    assert_eq!(claims(&a.next(at(103))), Some((None, 0, true)));
}

#[test]
fn only_its_holder_gives_a_lease_back() {
    let claim = leader().release().unwrap();
    assert_eq!((claim.over.as_deref(), claim.holder), (Some("7"), None));
    let mut a = leader();
    a.wrote(lease(8, None), at(103), at(103));
    assert!(!a.leads(at(103)));
    let mut b = candidate("b");
    b.read(Some(lease(7, Some("a"))), at(100));
    assert_eq!(b.release(), None);
}

#[test]
fn a_lease_without_a_duration_holds_for_one_s_own() {
    let mut b = candidate("b");
    b.read(Some(Lease { duration: Duration::ZERO, ..lease(7, Some("a")) }), at(100));
    assert_eq!(b.next(at(100)), Next::Wait(at(115)));
}

/// What happens to one request, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Fate {
    /// Until it arrives, also long after its sender gave it up; `None`: never.
    there: Option<u64>,
    /// Until its answer is back; `None`: never.
    back: Option<u64>,
}

/// What happens to a process.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// It doesn't run for so many milliseconds.
    Frozen(u64),
    /// It is killed, and comes back under its name, or under a new one.
    Killed { renamed: bool },
    /// It gives the Lease back and is replaced.
    Ended,
}

#[derive(Debug)]
enum Call {
    Read,
    Write(Claim),
}

#[derive(Debug)]
enum Answer {
    Lease(Option<Lease>),
    Wrote(Lease),
    Refused,
}

struct Process {
    candidate: Candidate,
    name: String,
    /// The clock's offset in milliseconds, and how many of its milliseconds pass in a thousand.
    clock: (u64, u64),
    frozen_until: u64,
    /// The call under way: its number, when it was sent on the process's clock.
    waits: Option<(usize, Instant)>,
    /// How late its watch is, and the newest version it has told of.
    lag: u64,
    told: usize,
}

impl Process {
    fn now(&self, at: u64) -> Instant {
        Instant(Duration::from_millis(self.clock.0 + at * self.clock.1 / 1000))
    }
}

/// One Lease, some processes, and a bad network between them.
struct World {
    at: u64,
    /// Every version that there was, with its time.
    history: Vec<(u64, Lease)>,
    processes: Vec<Process>,
    /// Requests on their way: when they arrive, who sent them (by number of the call), what.
    requests: Vec<(u64, usize, usize, Call, Fate)>,
    answers: Vec<(u64, usize, usize, Answer)>,
    fates: VecDeque<Fate>,
    calls: usize,
    names: usize,
}

const GOOD: Fate = Fate { there: Some(5), back: Some(5) };
const TURN: u64 = 100;
/// After this long a process gives a call up.
const GIVES_UP: Duration = Duration::from_secs(5);

impl World {
    fn new(clocks: &[(u64, u64)], fates: Vec<Fate>) -> Self {
        let mut world = Self {
            at: 0,
            history: Vec::new(),
            processes: Vec::new(),
            requests: Vec::new(),
            answers: Vec::new(),
            fates: fates.into(),
            calls: 0,
            names: 0,
        };
        for (index, clock) in clocks.iter().enumerate() {
            let name = world.name();
            world.processes.push(Process {
                candidate: candidate(&name),
                name,
                clock: *clock,
                frozen_until: 0,
                waits: None,
                lag: 50 + 400 * index as u64,
                told: 0,
            });
        }
        world
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("p{}", self.names)
    }

    fn lease(&self) -> Option<Lease> {
        self.history.last().map(|(_, lease)| lease.clone())
    }

    fn strike(&mut self, index: usize, trouble: Trouble) {
        let new = self.name();
        match trouble {
            Trouble::Frozen(millis) => self.processes[index].frozen_until = self.at + millis,
            Trouble::Killed { renamed } => {
                let name = if renamed { new } else { self.processes[index].name.clone() };
                self.replace(index, name);
            }
            Trouble::Ended => {
                if let Some(claim) = self.processes[index].candidate.release()
                    && self.processes[index].waits.is_none()
                {
                    self.send(index, Call::Write(claim));
                }
                self.replace(index, new);
            }
        }
    }

    fn replace(&mut self, index: usize, name: String) {
        let process = &mut self.processes[index];
        process.candidate = candidate(&name);
        process.name = name;
        process.waits = None;
        process.frozen_until = 0;
    }

    fn send(&mut self, index: usize, call: Call) {
        let fate = self.fates.pop_front().unwrap_or(GOOD);
        self.calls += 1;
        let process = &mut self.processes[index];
        process.waits = Some((self.calls, process.now(self.at)));
        if let Some(there) = fate.there {
            self.requests.push((self.at + there, index, self.calls, call, fate));
        }
    }

    /// The API server carries out what has arrived by now.
    fn serve(&mut self) {
        let at = self.at;
        let (arrived, on_their_way): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.requests).into_iter().partition(|(when, ..)| *when <= at);
        self.requests = on_their_way;
        for (_, process, number, call, fate) in arrived {
            let answer = match call {
                Call::Read => Answer::Lease(self.lease()),
                Call::Write(claim) if claim.over == self.lease().map(|lease| lease.version) => {
                    let lease = Lease {
                        version: (self.history.len() + 1).to_string(),
                        holder: claim.holder,
                        duration: TIMING.lease_duration,
                        transitions: claim.transitions,
                    };
                    self.history.push((at, lease.clone()));
                    Answer::Wrote(lease)
                }
                Call::Write(_) => Answer::Refused,
            };
            if let Some(back) = fate.back {
                self.answers.push((at + back, process, number, answer));
            }
        }
    }

    fn turn(&mut self) {
        self.at += TURN;
        self.serve();
        let at = self.at;
        for index in 0..self.processes.len() {
            if self.processes[index].frozen_until > at {
                continue;
            }
            self.hear(index);
            let process = &mut self.processes[index];
            let now = process.now(at);
            if let Some((_, sent)) = process.waits
                && now.since(sent) > GIVES_UP
            {
                process.waits = None;
                process.candidate.failed(sent);
            }
            let seen = self.history.partition_point(|(when, _)| when + process.lag <= at);
            if seen > process.told {
                process.told = seen;
                process.candidate.told(Some(self.history[seen - 1].1.clone()), now);
            }
            if process.waits.is_none() {
                match process.candidate.next(now) {
                    Next::Read => self.send(index, Call::Read),
                    Next::Write(claim) => self.send(index, Call::Write(claim)),
                    Next::Wait(until) => assert!(until > now),
                }
            }
        }
        self.check();
    }

    /// A process takes the answer that it waits for.
    fn hear(&mut self, index: usize) {
        let at = self.at;
        let Some((number, sent)) = self.processes[index].waits else { return };
        let Some(place) =
            self.answers.iter().position(|(when, to, of, _)| *when <= at && *to == index && *of == number)
        else {
            return;
        };
        let (.., answer) = self.answers.swap_remove(place);
        let process = &mut self.processes[index];
        let now = process.now(at);
        process.waits = None;
        match answer {
            Answer::Lease(lease) => process.candidate.read(lease, now),
            Answer::Wrote(lease) => process.candidate.wrote(lease, sent, now),
            Answer::Refused => process.candidate.contradicted(),
        }
    }

    fn leaders(&self) -> Vec<&str> {
        let leads = |process: &&Process| process.candidate.leads(process.now(self.at));
        self.processes.iter().filter(leads).map(|process| process.name.as_str()).collect()
    }

    fn check(&self) {
        let leaders = self.leaders();
        assert!(leaders.len() <= 1, "{leaders:?} lead at {} ms", self.at);
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    let delay =
        prop_oneof![5 => (1_u64..300).prop_map(Some), 2 => (1_u64..40_000).prop_map(Some), 1 => Just(None)];
    (delay.clone(), delay).prop_map(|(there, back)| Fate { there, back })
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        (100_u64..60_000).prop_map(Trouble::Frozen),
        any::<bool>().prop_map(|renamed| Trouble::Killed { renamed }),
        Just(Trouble::Ended),
    ]
}

/// Clocks that are hours apart, and run up to a fifth too fast or too slow.
fn clock() -> impl Strategy<Value = (u64, u64)> {
    (0_u64..100_000_000, 820_u64..1200)
}

proptest! {
    #[test]
    fn two_never_lead_at_once_and_in_the_end_one_does(
        clocks in prop::collection::vec(clock(), 2..=3),
        fates in prop::collection::vec(fate(), 0..120),
        troubles in prop::collection::vec((1_u64..20_000, 0_usize..3, trouble()), 0..20),
    ) {
        let mut world = World::new(&clocks, fates);
        for (after, index, trouble) in troubles {
            let until = world.at + after;
            while world.at < until {
                world.turn();
            }
            let index = index % world.processes.len();
            world.strike(index, trouble);
        }
        // Whatever is late or lost is over after a while; then there is a leader, and it stays.
        world.fates.clear();
        let until = world.at + 150_000;
        while world.at < until {
            world.turn();
        }
        let leader = world.leaders().first().map(|name| (*name).to_owned());
        prop_assert!(leader.is_some());
        for _ in 0..300 {
            world.turn();
            prop_assert_eq!(world.leaders().first().map(|name| (*name).to_owned()), leader.clone());
        }
    }
}

#[test]
fn a_lease_that_is_given_back_changes_hands_within_a_second() {
    let mut world = World::new(&[(0, 1000), (50_000_000, 1000)], Vec::new());
    while world.leaders().is_empty() {
        world.turn();
    }
    let first = world.leaders()[0].to_owned();
    let index = world.processes.iter().position(|process| process.name == first).unwrap();
    while world.processes[index].waits.is_some() {
        world.turn();
    }
    world.strike(index, Trouble::Ended);
    let ended = world.at;
    while world.leaders().is_empty() {
        world.turn();
    }
    assert!(world.at - ended <= 1000, "{} ms", world.at - ended);
    assert_ne!(world.leaders(), [first]);
}

#[test]
fn a_leader_that_is_killed_for_good_is_replaced_within_the_lease_duration_and_a_second() {
    let mut world = World::new(&[(0, 1000), (50_000_000, 1000)], Vec::new());
    while world.at < 60_000 {
        world.turn();
    }
    let first = world.leaders()[0].to_owned();
    let index = world.processes.iter().position(|process| process.name == first).unwrap();
    world.strike(index, Trouble::Frozen(u64::MAX / 2));
    let killed = world.at;
    while world.leaders() != [world.processes[1 - index].name.as_str()] {
        world.turn();
    }
    assert!(world.at - killed <= 16_000, "{} ms", world.at - killed);
}
