//! A policy tried before production: the core against the models of a cluster, many times over, in virtual time.
//!
//! A [`Scenario`] says how many pods there are, what clients send and how a good and a bad release behave. Each run
//! rolls one of the two out on a cluster of its own with a seed of its own ([`run`]), and [`simulate`] does so many
//! times. What comes out is data ([`Simulation`]) that is written as [`text`], as [`json`] and as a [`plot`].

pub mod advice;
pub mod json;
pub mod plot;
pub mod quantity;
pub mod release;
pub mod run;
pub mod scenario;
pub mod simulation;
pub mod statistics;
pub mod text;

pub use quantity::{Course, Pair, Rate, Share, StartUp, Times};
pub use release::{Release, Releases};
pub use scenario::{Scenario, ScenarioError, Setting};
pub use simulation::{Simulation, Summary, simulate};
