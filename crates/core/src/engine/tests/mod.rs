//! The engine in a small world. Each test says what a person would see.

mod back;
mod commands;
mod crash;
mod faults;
mod forward;
mod life;
mod others;
mod world;
