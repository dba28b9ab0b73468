//! What is to be done when.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Millis, object::Name};

/// One pass of one controller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// The StatefulSet controller, for the set of this name.
    StatefulSet(Name),
    /// The kubelet, for the pod of this name.
    Kubelet(Name),
    /// Claims and volumes.
    Claims,
    /// The endpoints of the Service of this name.
    Endpoints(Name),
    /// The garbage collector.
    Garbage,
    /// The way of requests through the Service of this name.
    Route(Name),
    /// The clients send.
    Traffic,
}

/// Tasks by time. A task is queued at most once, for the earliest time it was asked for: it looks at everything when
/// it runs, and says then when it wants to run again.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    due: BTreeMap<Task, (Millis, u64)>,
    order: BTreeSet<(Millis, u64, Task)>,
    asked: u64,
}

impl Queue {
    /// Asks for a task. Those of the same time run in the order in which they were asked for.
    pub fn ask(&mut self, task: Task, at: Millis) {
        if let Some(&(due, number)) = self.due.get(&task) {
            if due <= at {
                return;
            }
            self.order.remove(&(due, number, task.clone()));
        }
        self.asked += 1;
        self.due.insert(task.clone(), (at, self.asked));
        self.order.insert((at, self.asked, task));
    }

    /// When the next task is due.
    pub fn next(&self) -> Option<Millis> {
        self.order.first().map(|(at, ..)| *at)
    }

    /// Takes the next task.
    pub fn take(&mut self) -> Option<(Millis, Task)> {
        let (at, _, task) = self.order.pop_first()?;
        self.due.remove(&task);
        Some((at, task))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_runs_once_at_the_earliest_time_it_was_asked_for() {
        let mut queue = Queue::default();
        queue.ask(Task::Claims, 30);
        queue.ask(Task::Garbage, 20);
        queue.ask(Task::Claims, 10);
        queue.ask(Task::Claims, 40);
        let order = std::iter::from_fn(|| queue.take()).collect::<Vec<_>>();
        assert_eq!(order, [(10, Task::Claims), (20, Task::Garbage)]);
    }
}
