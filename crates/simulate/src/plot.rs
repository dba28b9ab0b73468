//! What came of a simulation, as a picture: SVG that reads on light and dark ground.
//!
//! Above, the share of runs that are decided over time; below, when a good release was promoted and when a bad one was
//! caught.

mod axis;
mod panel;

use std::fmt::Write as _;

use self::panel::Panel;
use crate::{
    run::Run,
    simulation::{Outcome, Simulation, Summary},
    text::{duration, title},
};

const WIDTH: u32 = 960;
const HEIGHT: u32 = 640;

const STYLE: &str = "
  svg { --ground: #ffffff; --ink: #1d2430; --faint: #667085; --grid: #e4e7ec; --good: #1f6fd6; --bad: #c8501e; --still: #8a6d00; }
  @media (prefers-color-scheme: dark) {
    svg { --ground: #12161d; --ink: #e8ebf0; --faint: #98a2b3; --grid: #2a313c; --good: #6bb0ff; --bad: #ff9466; --still: #e0c060; }
  }
  .ground { fill: var(--ground); }
  text { font-family: system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; font-size: 13px; fill: var(--ink); }
  .title { font-size: 19px; font-weight: 600; }
  .head { font-size: 14px; font-weight: 600; }
  .faint { fill: var(--faint); }
  .grid { stroke: var(--grid); stroke-width: 1; }
  .axis { stroke: var(--faint); stroke-width: 1; }
  .curve { fill: none; stroke-width: 2.25; stroke-linejoin: round; }
  .good { stroke: var(--good); } .bad { stroke: var(--bad); }
  .wrong { stroke-dasharray: 5 4; }
  .bar.good { fill: var(--good); stroke: none; } .bar.bad { fill: var(--bad); stroke: none; }
  .mark { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 2 3; }
  text.good { fill: var(--good); stroke: none; } text.bad { fill: var(--bad); stroke: none; }
";

/// The whole picture.
pub fn plot(simulation: &Simulation) -> String {
    let Simulation { scenario, good, bad, .. } = simulation;
    let heading = title(simulation);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n<rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n",
        escape(&heading)
    );
    let (head, runs) = heading.split_once(": ").unwrap_or((&heading, ""));
    label(&mut svg, (40.0, 38.0), "title", head);
    label(&mut svg, (40.0, 60.0), "faint", runs);
    decided(&mut svg, good, bad);
    let releases = &scenario.setting.releases;
    times(
        &mut svg,
        Side {
            x: 64.0,
            class: "good",
            head: "A good release is promoted",
            what: &releases.good(),
            outcome: Outcome::Promoted,
            summary: good,
        },
    );
    times(
        &mut svg,
        Side {
            x: 536.0,
            class: "bad",
            head: "A bad release is caught",
            what: &releases.bad(),
            outcome: Outcome::Stopped,
            summary: bad,
        },
    );
    svg.push_str("</svg>\n");
    svg
}

/// The shares of decided runs over time.
fn decided(svg: &mut String, good: &Summary, bad: &Summary) {
    let all = || good.runs.iter().chain(&bad.runs);
    let last = all().filter_map(Run::decided).max().unwrap_or(0);
    let panel = Panel { x: 64.0, y: 118.0, width: 856.0, height: 200.0, from: 0, to: axis::end(last) };
    label(svg, (64.0, 92.0), "head", "Share of runs decided, by time since the template changed");
    panel.shares(svg);
    panel.time_axis(svg);
    let curves = [
        ("good", "", "good, promoted", Outcome::Promoted, good),
        ("good", " wrong", "good, rolled back", Outcome::Stopped, good),
        ("bad", "", "bad, caught", Outcome::Stopped, bad),
        ("bad", " wrong", "bad, promoted", Outcome::Promoted, bad),
    ];
    let mut at = 920.0;
    for (class, wrong, name, outcome, summary) in curves.into_iter().rev() {
        let times = decisions(summary, outcome);
        if times.is_empty() {
            continue;
        }
        panel.curve(svg, &format!("curve {class}{wrong}"), &times, summary.runs.len());
        // A key above the panel: nothing is written over a curve.
        at -= 150.0;
        let _ = writeln!(
            svg,
            "<line class=\"curve {class}{wrong}\" x1=\"{at}\" y1=\"104\" x2=\"{}\" y2=\"104\"/>",
            at + 24.0
        );
        label(svg, (at + 30.0, 108.0), class, name);
    }
}

#[derive(Clone, Copy)]
struct Side<'a> {
    x: f64,
    class: &'a str,
    head: &'a str,
    what: &'a str,
    outcome: Outcome,
    summary: &'a Summary,
}

/// When runs of a release came to an outcome, with their median.
fn times(svg: &mut String, side: Side<'_>) {
    let Side { x, class, head, what, outcome, summary } = side;
    let (share, spread) = match outcome {
        Outcome::Promoted => (summary.promoted, summary.promotion),
        _ => (summary.stopped, summary.alarm),
    };
    label(svg, (x, 376.0), "head", &format!("{head}: {} of {}", share.count, share.of));
    for (line, part) in (0..2).zip(lines(what, 56)) {
        label(svg, (x, 395.0 + f64::from(line) * 16.0), "faint", &part);
    }
    let times = decisions(summary, outcome);
    let (Some(first), Some(last)) = (times.first(), times.last()) else {
        label(svg, (x, 500.0), class, "in no run");
        return;
    };
    let (from, to) = axis::around(*first, *last);
    let panel = Panel { x, y: 440.0, width: 384.0, height: 140.0, from, to };
    panel.bars(svg, class, &times);
    panel.time_axis(svg);
    if let Some(median) = spread.median.value {
        panel.mark(svg, median, &format!("median {}", duration(median)));
    }
}

/// When runs came to an outcome, in order.
fn decisions(summary: &Summary, outcome: Outcome) -> Vec<u64> {
    let came = summary.runs.iter().filter(|run| run.outcome() == outcome);
    let mut times: Vec<u64> = came.filter_map(Run::decided).collect();
    times.sort_unstable();
    times
}

fn label(svg: &mut String, (x, y): (f64, f64), class: &str, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>", escape(text));
}

/// A text in lines of at most `width` characters, where words allow it.
fn lines(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Scenario,
        scenario::tests::{quick, setting},
        simulate,
    };

    fn picture(errors: &str) -> String {
        let scenario = Scenario::new(quick(), setting(errors, 20)).unwrap();
        plot(&simulate(scenario, std::num::NonZeroUsize::MIN))
    }

    #[test]
    fn a_picture_has_a_curve_for_each_outcome_and_bars_for_each_release() {
        let picture = picture("0%..30%");
        for part in [
            "good, promoted</text>",
            "bad, caught</text>",
            "A good release is promoted: 20 of 20",
            "A bad release is caught: 20 of 20",
            "<path class=\"curve good\"",
            "<path class=\"curve bad\"",
            "<rect class=\"bar good\"",
            "<rect class=\"bar bad\"",
            "prefers-color-scheme: dark",
        ] {
            assert!(picture.contains(part), "{part} is not in\n{picture}");
        }
        assert!(!picture.contains("bad, promoted"), "nothing is drawn of what didn't happen");
        for wrong in ["NaN", "inf", "-0\""] {
            assert!(!picture.contains(wrong), "{wrong} is in\n{picture}");
        }
        // All elements are closed.
        assert_eq!(picture.matches("<text").count(), picture.matches("</text>").count());
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
    }

    #[test]
    fn what_was_never_caught_is_drawn_as_promoted() {
        let picture = picture("0%..1%");
        assert!(
            picture.contains("bad, promoted</text>") && picture.contains("<path class=\"curve bad wrong\"")
        );
        assert!(picture.contains("A bad release is caught: 0 of 20") && picture.contains("in no run</text>"));
    }

    #[test]
    fn text_is_escaped_and_broken_at_words() {
        assert_eq!(escape("a<b & \"c\""), "a&lt;b &amp; &quot;c&quot;");
        assert_eq!(lines("one two three", 8), ["one two", "three"]);
    }
}
