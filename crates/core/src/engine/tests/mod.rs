//! The engine in a small world. Each test says what a person would see.

mod back;
mod commands;
mod configuration;
mod crash;
mod faults;
mod forgotten;
mod forward;
mod guard;
mod hold;
mod interrupted;
mod labels;
mod life;
mod newer;
mod observe;
mod obstacle;
mod opting;
mod others;
mod peer;
mod refused;
mod stranger;
mod traps;
mod waiting;
mod world;
