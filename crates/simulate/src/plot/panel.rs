//! A field of the picture with an axis of time.

use std::{fmt::Write as _, time::Duration};

use super::{axis, label};

/// Bars of a distribution.
const BARS: u32 = 32;

/// A field, in the picture's units, and the moments at its sides in milliseconds.
pub struct Panel {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
    pub from: u64,
    pub to: u64,
}

impl Panel {
    fn at(&self, time: u64) -> f64 {
        let seconds = |millis| Duration::from_millis(millis).as_secs_f64();
        let length = seconds(self.to - self.from).max(0.001);
        rounded(self.x + self.width * (seconds(time.saturating_sub(self.from)) / length).min(1.0))
    }

    fn height_of(&self, share: f64) -> f64 {
        rounded(self.y + self.height * (1.0 - share))
    }

    fn bottom(&self) -> f64 {
        self.y + self.height
    }

    /// Lines for quarters of the runs.
    pub fn shares(&self, svg: &mut String) {
        for quarter in 0..=4 {
            let y = self.height_of(f64::from(quarter) / 4.0);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/>",
                self.x,
                self.x + self.width
            );
            let text = format!("{} %", quarter * 25);
            let _ = writeln!(
                svg,
                "<text class=\"faint\" text-anchor=\"end\" x=\"{}\" y=\"{}\">{text}</text>",
                self.x - 10.0,
                y + 4.0
            );
        }
    }

    /// The axis at the bottom, with its marks.
    pub fn time_axis(&self, svg: &mut String) {
        let bottom = self.bottom();
        let _ = writeln!(
            svg,
            "<line class=\"axis\" x1=\"{}\" y1=\"{bottom}\" x2=\"{}\" y2=\"{bottom}\"/>",
            self.x,
            self.x + self.width
        );
        let most = if self.width > 500.0 { 10 } else { 5 };
        let step = axis::step(self.to - self.from, most);
        for mark in axis::marks(self.from, self.to, most) {
            let x = self.at(mark);
            let _ = writeln!(
                svg,
                "<line class=\"axis\" x1=\"{x}\" y1=\"{bottom}\" x2=\"{x}\" y2=\"{}\"/>\n\
                 <text class=\"faint\" text-anchor=\"middle\" x=\"{x}\" y=\"{}\">{}</text>",
                bottom + 5.0,
                bottom + 20.0,
                axis::text(mark, step)
            );
        }
    }

    /// The share of `runs` that had come so far, from sorted times. It is flat after the last.
    pub fn curve(&self, svg: &mut String, class: &str, times: &[u64], runs: usize) {
        let count = |number: usize| u32::try_from(number).map_or(f64::INFINITY, f64::from);
        let mut path = format!("M{} {}", self.at(self.from), self.height_of(0.0));
        let mut drawn = (self.at(self.from), 0.0);
        for (index, time) in times.iter().enumerate() {
            let (x, share) = (self.at(*time), count(index + 1) / count(runs).max(1.0));
            let last = index + 1 == times.len();
            // What is closer than half a unit is one step.
            if x - drawn.0 >= 0.5 || last {
                let _ = write!(path, "H{x}V{}", self.height_of(share));
                drawn = (x, share);
            }
        }
        let _ = writeln!(svg, "<path class=\"{class}\" d=\"{path}H{}\"/>", self.x + self.width);
    }

    /// How the times are spread.
    pub fn bars(&self, svg: &mut String, class: &str, times: &[u64]) {
        let length = (self.to - self.from).max(1);
        let edge = |bar: u32| self.from + length * u64::from(bar) / u64::from(BARS);
        let counts: Vec<u32> = (0..BARS)
            .map(|bar| {
                let within = edge(bar)..edge(bar + 1);
                u32::try_from(times.iter().filter(|time| within.contains(time)).count()).unwrap_or(u32::MAX)
            })
            .collect();
        let most = f64::from(counts.iter().copied().max().unwrap_or(1).max(1));
        let width = self.width / f64::from(BARS);
        for (bar, count) in (0..BARS).zip(counts).filter(|(_, count)| *count > 0) {
            let height = rounded((self.height * f64::from(count) / most).max(1.0));
            let _ = writeln!(
                svg,
                "<rect class=\"bar {class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{height}\" rx=\"1.5\"/>",
                rounded(self.x + width * f64::from(bar) + 0.75),
                rounded(self.bottom() - height),
                rounded(width - 1.5)
            );
        }
    }

    /// A moment that matters.
    pub fn mark(&self, svg: &mut String, at: u64, text: &str) {
        let x = self.at(at);
        let _ = writeln!(
            svg,
            "<line class=\"mark\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{}\"/>",
            self.y - 18.0,
            self.bottom()
        );
        let right = x > self.x + self.width / 2.0;
        if right {
            let _ = writeln!(
                svg,
                "<text text-anchor=\"end\" x=\"{}\" y=\"{}\">{text}</text>",
                rounded(x - 6.0),
                self.y - 8.0
            );
        } else {
            label(svg, (rounded(x + 6.0), self.y - 8.0), "", text);
        }
    }
}

/// To hundredths: no picture needs more.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
