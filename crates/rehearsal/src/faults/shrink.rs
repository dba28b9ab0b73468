//! A failing story made short.

use super::{Schedule, Tamper, run};

/// Leaves out one fault after the other while the story still fails. Returns the numbers of those that stay; `None`:
/// it doesn't fail.
pub fn shrink<T: Tamper>(schedule: &Schedule, tamper: impl Fn() -> T) -> Option<Vec<usize>> {
    shorten(schedule, |schedule| run(schedule, tamper()).violation.is_some())
}

/// As [`shrink`], where `fails` tells the story.
pub fn shorten(schedule: &Schedule, fails: impl Fn(&Schedule) -> bool) -> Option<Vec<usize>> {
    let fails = |kept: &[usize]| fails(&schedule.keep(kept));
    let mut kept: Vec<usize> = (0..schedule.faults.len()).collect();
    if !fails(&kept) {
        return None;
    }
    let mut shorter = true;
    while shorter {
        shorter = false;
        for index in (0..kept.len()).rev() {
            let mut fewer = kept.clone();
            fewer.remove(index);
            if fails(&fewer) {
                kept = fewer;
                shorter = true;
            }
        }
    }
    Some(kept)
}
