//! `siskin demo`: a cluster, a daemon and the sample application in this process, live in the terminal.
//!
//! [`scenario`] holds the stories as data and [`world`] is where they happen. A [`scene`] is what the cluster shows at
//! one moment; [`page`], [`teller`] and [`summary`] make lines of it, [`screen`] shows them, and [`director`] says when
//! people do what. All of it goes by tokio's clock, which [`pace`] moves faster than real time.

mod application;
mod demo;
mod director;
mod next;
mod pace;
mod page;
mod scenario;
mod scene;
mod screen;
mod serve;
mod story;
mod summary;
mod teller;
#[cfg(test)]
mod tests;
mod text;
mod world;

pub use demo::{Demo, DemoError, demo};
