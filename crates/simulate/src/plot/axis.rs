//! Where an axis of time ends, and where its marks are.

/// Distances between marks that people read easily, in milliseconds.
const STEPS: [u64; 19] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000,
    1_800_000, 3_600_000, 7_200_000, 21_600_000, 86_400_000,
];

/// The distance between marks so that there are at most `most` on this length of time.
pub fn step(length: u64, most: u64) -> u64 {
    let wide_enough = |step: &u64| length / *step <= most;
    STEPS.into_iter().find(wide_enough).unwrap_or_else(|| (length / most).max(1))
}

/// The end of an axis from 0 on which the last thing happens then: a little later.
pub fn end(last: u64) -> u64 {
    last + (last / 25).max(1_000)
}

/// An axis around all that happens between these moments, at least two seconds long.
pub fn around(first: u64, last: u64) -> (u64, u64) {
    let room = ((last - first) / 12).max(1_000);
    (first.saturating_sub(room), last + room)
}

/// The marks of an axis.
pub fn marks(from: u64, to: u64, most: u64) -> Vec<u64> {
    let step = step(to - from, most);
    (from.div_ceil(step)..=to / step).map(|mark| mark * step).collect()
}

/// A mark's text: no more of it than the distance between marks asks for.
pub fn text(at: u64, step: u64) -> String {
    let (minutes, seconds) = (at / 60_000, at / 1_000 % 60);
    match (minutes, step) {
        (0, 0..1_000) => format!("{seconds}.{}s", at % 1_000 / 100),
        (0, _) => format!("{seconds}s"),
        (_, 0..1_000) => format!("{minutes}m{seconds:02}.{}s", at % 1_000 / 100),
        (_, 1_000..60_000) => format!("{minutes}m{seconds:02}s"),
        (0..60, _) => format!("{minutes}m"),
        _ => format!("{}h{:02}m", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_few() {
        assert_eq!(marks(0, 800_000, 8), [0, 120_000, 240_000, 360_000, 480_000, 600_000, 720_000]);
        assert_eq!(marks(5_300, 7_300, 4), [5_500, 6_000, 6_500, 7_000]);
        for length in [1_000, 2_000, 59_999, 754_321, 90_000_000, 4_000_000_000] {
            let marks = marks(0, length, 8);
            assert!((2..=10).contains(&marks.len()), "{length}: {marks:?}");
        }
    }

    #[test]
    fn a_mark_says_no_more_than_it_must() {
        assert_eq!([text(0, 5_000), text(90_000, 30_000), text(120_000, 60_000)], ["0s", "1m30s", "2m"]);
        assert_eq!(
            [text(5_500, 500), text(65_500, 500), text(5_400_000, 1_800_000)],
            ["5.5s", "1m05.5s", "1h30m"]
        );
    }
}
