//! `siskin run` as a library: it watches the cluster, asks the core what to do, writes, probes pods and sources, and
//! tells people.
//!
//! [`run::run`] is the whole daemon. The command line uses its parts that read and write a cluster.

pub mod act;
pub mod admission;
pub mod cause;
pub mod clock;
pub mod cluster;
pub mod drive;
pub mod lease;
pub mod policies;
pub mod probe;
pub mod reach;
pub mod report;
pub mod run;
pub mod server;
pub mod watch;
