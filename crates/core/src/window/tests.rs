use super::*;

fn window(days: &[Weekday], from: &str, to: &str, zone: &str) -> Window {
    let time = |text: &str| TimeOfDay::try_from(text.to_owned()).unwrap();
    Window { days: days.to_vec(), from: time(from), to: time(to), time_zone: zone.to_owned() }
}

fn at(text: &str) -> Wall {
    parse_time(text).unwrap()
}

/// What is said at a time: nothing if open, else when it opens.
fn at_time(windows: &[Window], time: &str) -> Option<String> {
    match opening(windows, &[], at(time)) {
        Opening::Open => None,
        Opening::Closed { until, .. } => {
            Some(Timestamp::from_second(until.expect("an end").0).unwrap().to_string())
        }
    }
}

fn office() -> Vec<Window> {
    vec![window(&[Weekday::Mon, Weekday::Tue], "09:00", "17:00", "Europe/Berlin")]
}

#[test]
fn without_windows_it_is_always_open() {
    assert_eq!(at_time(&[], "2026-11-21T03:00:00Z"), None);
}

#[test]
fn a_window_is_open_from_its_first_second_until_before_its_last() {
    // Monday 23 November 2026; Berlin is an hour ahead of UTC.
    let monday = |time: &str| at_time(&office(), &format!("2026-11-23T{time}Z"));
    assert_eq!(monday("07:59:59").as_deref(), Some("2026-11-23T08:00:00Z"));
    assert_eq!(monday("08:00:00"), None);
    assert_eq!(monday("15:59:59"), None);
    assert_eq!(monday("16:00:00").as_deref(), Some("2026-11-24T08:00:00Z"), "the next is on Tuesday");
    assert_eq!(at_time(&office(), "2026-11-24T16:00:00Z").as_deref(), Some("2026-11-30T08:00:00Z"));
}

#[test]
fn the_clock_on_the_wall_counts_in_summer_too() {
    assert_eq!(at_time(&office(), "2026-07-06T06:59:59Z").as_deref(), Some("2026-07-06T07:00:00Z"));
    assert_eq!(at_time(&office(), "2026-07-06T07:00:00Z"), None);
}

#[test]
fn a_window_that_crosses_midnight_belongs_to_the_day_on_which_it_opens() {
    let night = [window(&[Weekday::Fri], "22:00", "02:00", "UTC")];
    // Friday 20 November 2026.
    assert_eq!(at_time(&night, "2026-11-20T23:00:00Z"), None);
    assert_eq!(at_time(&night, "2026-11-21T01:59:59Z"), None, "still Friday's");
    assert_eq!(at_time(&night, "2026-11-21T02:00:00Z").as_deref(), Some("2026-11-27T22:00:00Z"));
    assert_eq!(at_time(&night, "2026-11-20T01:00:00Z").as_deref(), Some("2026-11-20T22:00:00Z"));
}

#[test]
fn a_window_of_whole_days_has_no_gap_between_them() {
    let weekend = [window(&[Weekday::Sat, Weekday::Sun], "00:00", "24:00", "UTC")];
    assert_eq!(at_time(&weekend, "2026-11-21T23:59:59Z"), None);
    assert_eq!(at_time(&weekend, "2026-11-22T00:00:00Z"), None);
    assert_eq!(at_time(&weekend, "2026-11-23T00:00:00Z").as_deref(), Some("2026-11-28T00:00:00Z"));
}

#[test]
fn from_a_time_to_the_same_is_a_whole_day() {
    let day = [window(&[Weekday::Mon], "06:00", "06:00", "UTC")];
    assert_eq!(at_time(&day, "2026-11-24T05:59:59Z"), None);
    assert_eq!(at_time(&day, "2026-11-24T06:00:00Z").as_deref(), Some("2026-11-30T06:00:00Z"));
}

#[test]
fn a_time_that_summer_time_skips_is_as_much_later_as_the_clock_jumps() {
    // On 29 March 2026 the clocks of Berlin go from 02:00 (01:00 UTC) to 03:00.
    let sunday = |from: &str, to: &str| [window(&[Weekday::Sun], from, to, "Europe/Berlin")];
    let late = sunday("02:30", "05:00");
    assert_eq!(at_time(&late, "2026-03-29T01:00:00Z").as_deref(), Some("2026-03-29T01:30:00Z"));
    assert_eq!(at_time(&late, "2026-03-29T01:30:00Z"), None);
    let early = sunday("01:00", "02:30");
    assert_eq!(at_time(&early, "2026-03-29T01:29:59Z"), None);
    assert_eq!(at_time(&early, "2026-03-29T01:30:00Z").as_deref(), Some("2026-04-04T23:00:00Z"));
}

#[test]
fn a_window_that_summer_time_turns_around_opens_a_week_later() {
    let skipped = [window(&[Weekday::Sun], "02:30", "03:00", "Europe/Berlin")];
    assert_eq!(at_time(&skipped, "2026-03-29T00:00:00Z").as_deref(), Some("2026-04-05T00:30:00Z"));
}

#[test]
fn of_a_time_that_comes_twice_the_first_counts() {
    // On 25 October 2026 the clocks of Berlin go from 03:00 (01:00 UTC) back to 02:00.
    let sunday = |from: &str, to: &str| [window(&[Weekday::Sun], from, to, "Europe/Berlin")];
    let from_twice = sunday("02:30", "04:00");
    assert_eq!(at_time(&from_twice, "2026-10-25T00:30:00Z"), None, "the first 02:30");
    assert_eq!(at_time(&from_twice, "2026-10-25T02:59:59Z"), None);
    let to_twice = sunday("01:00", "02:30");
    assert_eq!(at_time(&to_twice, "2026-10-25T00:29:59Z"), None);
    assert!(at_time(&to_twice, "2026-10-25T01:29:59Z").is_some(), "the second 02:30 is outside");
}

#[test]
fn a_freeze_goes_before_every_window() {
    let freeze =
        |from: &str, to: &str, reason: &str| Freeze { from: at(from), to: at(to), reason: reason.to_owned() };
    let freezes = [
        freeze("2026-11-23T10:00:00Z", "2026-11-23T12:00:00Z", "fair"),
        freeze("2026-11-23T12:00:00Z", "2026-11-23T20:00:00Z", "night shift"),
    ];
    let open = |windows: &[Window], time: &str| opening(windows, &freezes, at(time));
    assert_eq!(open(&office(), "2026-11-23T09:59:59Z"), Opening::Open);
    assert_eq!(
        open(&office(), "2026-11-23T10:00:00Z"),
        Opening::Closed {
            why: "frozen: fair; it goes on at Tue 2026-11-24 09:00 Europe/Berlin".to_owned(),
            until: Some(at("2026-11-24T08:00:00Z")),
            changes: Some(at("2026-11-23T12:00:00Z")),
        },
        "its end is in the next freeze, whose end is outside the window"
    );
    assert_eq!(
        open(&[], "2026-11-23T12:00:00Z"),
        Opening::Closed {
            why: "frozen: night shift; it goes on at Mon 2026-11-23 20:00 UTC".to_owned(),
            until: Some(at("2026-11-23T20:00:00Z")),
            changes: Some(at("2026-11-23T20:00:00Z")),
        }
    );
    assert_eq!(open(&[], "2026-11-23T20:00:00Z"), Opening::Open);
}

#[test]
fn the_text_is_the_same_for_the_whole_wait() {
    let closed = |time: &str| opening(&office(), &[], at(time));
    let Opening::Closed { why, .. } = closed("2026-11-21T10:00:00Z") else { panic!("open") };
    assert_eq!(why, "outside the windows of the policy; it goes on at Mon 2026-11-23 09:00 Europe/Berlin");
    assert_eq!(closed("2026-11-21T10:00:00Z"), closed("2026-11-23T07:59:59Z"));
}

#[test]
fn times_of_day_are_read_strictly() {
    for good in ["00:00", "09:05", "23:59", "24:00"] {
        assert_eq!(TimeOfDay::try_from(good.to_owned()).unwrap().to_string(), good);
    }
    for bad in ["9:00", "24:01", "12:60", "12", "+1:00", "12:000", ""] {
        assert!(TimeOfDay::try_from(bad.to_owned()).is_err(), "{bad}");
    }
}

#[test]
fn time_zones_are_those_of_the_database() {
    assert!(is_time_zone("Europe/Berlin") && is_time_zone("UTC"));
    assert!(!is_time_zone("Berlin") && !is_time_zone(""));
}
