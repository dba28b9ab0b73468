//! How long ago something was, as kubectl writes it.

use jiff::Timestamp;
use serde_json::Value;

use crate::value;

pub fn created(object: &Value, now: Timestamp) -> String {
    since(value::text(object, &["metadata", "creationTimestamp"]), now)
}

pub fn last_seen(event: &Value, now: Timestamp) -> String {
    let series = value::text(event, &["series", "lastObservedTime"]);
    let last = value::text(event, &["lastTimestamp"]);
    match (series, last) {
        ("", "") => first_seen(event, now),
        ("", last) => since(last, now),
        (series, _) => since(series, now),
    }
}

pub fn first_seen(event: &Value, now: Timestamp) -> String {
    let first = value::text(event, &["firstTimestamp"]);
    since(if first.is_empty() { value::text(event, &["eventTime"]) } else { first }, now)
}

/// The time from a timestamp to now; two units while the first is small.
pub fn since(timestamp: &str, now: Timestamp) -> String {
    let Ok(then) = timestamp.parse::<Timestamp>() else { return "<unknown>".to_owned() };
    let seconds = now.as_second() - then.as_second();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        _ if seconds < 120 => format!("{seconds}s"),
        _ if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if days < 8 => two(days, "d", hours % 24, "h"),
        _ if days < 730 => format!("{days}d"),
        _ if days < 2920 => two(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

fn two(large: i64, large_unit: &str, small: i64, small_unit: &str) -> String {
    if small == 0 {
        format!("{large}{large_unit}")
    } else {
        format!("{large}{large_unit}{small}{small_unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_two_units_while_the_first_is_small() {
        let at = |seconds: i64| since("1970-01-01T00:00:00Z", Timestamp::from_second(seconds).unwrap());
        assert_eq!([at(0), at(119), at(120), at(125)], ["0s", "119s", "2m", "2m5s"]);
        assert_eq!([at(600), at(3600), at(3 * 3600), at(3 * 3600 + 60)], ["10m", "60m", "3h", "3h1m"]);
        assert_eq!(
            [at(8 * 3600), at(2 * 86_400), at(2 * 86_400 + 3600), at(9 * 86_400)],
            ["8h", "2d", "2d1h", "9d"]
        );
        assert_eq!(since("", Timestamp::UNIX_EPOCH), "<unknown>");
    }
}
