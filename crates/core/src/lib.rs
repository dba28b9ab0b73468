//! The pure core of Siskin: no I/O, no clock, no chance.
//!
//! The way of the data: facts of a workload and verdicts of its checks go into [`engine::step`], a
//! [`decision::Decision`] comes out: the next state, the writes, what to probe, when to wake, and why.

pub mod answer;
pub mod checks;
pub mod command;
pub mod configuration;
pub mod decision;
pub mod document;
pub mod engine;
pub mod exposition;
pub mod facts;
pub mod group;
pub mod judge;
pub mod lease;
pub mod policy;
pub mod references;
pub mod state;
pub mod strategy;
pub mod template;
pub mod time;
pub mod window;
pub mod yaml;
