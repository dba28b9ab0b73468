//! A policy as YAML with every default written out.

use super::{
    Batches, Bound, Canary, Check, Endpoint, Limit, Measure, Placement, Policy, Port, Probe, Query, Question,
    Range, Scheme, ScrapeProbe, Signal, Step, Strategy, Surge,
    read::{API_VERSION, KIND},
    value::percent_text,
};
use crate::{window::Window, yaml::Writer};

/// Prints `policy`; what is printed parses to the same policy.
pub fn render(policy: &Policy) -> String {
    let mut out = Writer::default();
    out.field("apiVersion", API_VERSION);
    out.field("kind", KIND);
    out.section("metadata", |out| out.text("name", &policy.name));
    out.section("spec", |out| spec(out, policy));
    out.finish()
}

fn spec(out: &mut Writer, policy: &Policy) {
    // Destructured whole, so that a new field is missed by the compiler and not by the reader.
    let Policy { name: _, mode, strategy, windows, bounds, readiness, checks, outcome, notify, pod_labels } =
        policy;
    out.field("mode", format_args!("{mode:?}"));
    out.section("strategy", |out| match strategy {
        Strategy::Canary(canary) => {
            out.field("type", "Canary");
            out.section("canary", |out| self::canary(out, canary));
        }
        Strategy::RollingUpdate(rolling) => {
            out.field("type", "RollingUpdate");
            out.section("rollingUpdate", |out| batches(out, rolling));
        }
    });
    if !windows.is_empty() {
        out.section("windows", |out| windows.iter().for_each(|it| out.list_item(|out| window(out, it))));
    }
    out.section("bounds", |out| {
        out.field("maxUnavailable", bounds.max_unavailable);
        out.field("progressDeadline", bounds.progress_deadline);
    });
    out.section("readiness", |out| {
        out.field("within", readiness.within);
        out.field("maxRestarts", readiness.max_restarts);
        out.field("pullErrorGrace", readiness.pull_error_grace);
        out.field("unschedulableGrace", readiness.unschedulable_grace);
    });
    if !checks.is_empty() {
        out.section("checks", |out| {
            for check in checks {
                out.list_item(|out| self::check(out, check));
            }
        });
    }
    out.section("outcome", |out| {
        out.field("onFailure", format_args!("{:?}", outcome.on_failure));
        out.field("onUndecided", format_args!("{:?}", outcome.on_undecided));
        out.field("onNoData", format_args!("{:?}", outcome.on_no_data));
        out.field("afterCompletion", format_args!("{:?}", outcome.after_completion));
        out.field("onForgotten", format_args!("{:?}", outcome.on_forgotten));
        out.field("onSurgeRefused", format_args!("{:?}", outcome.on_surge_refused));
        out.field("onConfigChange", format_args!("{:?}", outcome.on_config_change));
    });
    out.field("podLabels", pod_labels);
    if !notify.is_empty() {
        out.section("notify", |out| {
            for notify in notify {
                out.list_item(|out| {
                    out.text("receiver", &notify.receiver);
                    out.inline("events", notify.events.iter().map(|topic| format!("{topic:?}")));
                });
            }
        });
    }
}

fn canary(out: &mut Writer, canary: &Canary) {
    let Canary { placement, steps, remainder } = canary;
    out.section("placement", |out| match placement {
        Placement::InPlace => out.field("type", "InPlace"),
        Placement::Surge(Surge { pods, claims, autoscaler }) => {
            out.field("type", "Surge");
            out.section("surge", |out| {
                // Left out, both mean something: as many pods as the first step, and no claims at all.
                if let Some(pods) = pods {
                    out.field("pods", pods);
                }
                if let Some(claims) = claims {
                    out.field("claims", format_args!("{claims:?}"));
                }
                out.field("autoscaler", format_args!("{autoscaler:?}"));
            });
        }
    });
    out.section("steps", |out| steps.iter().for_each(|step| out.list_item(|out| self::step(out, step))));
    out.section("remainder", |out| batches(out, remainder));
}

fn step(out: &mut Writer, step: &Step) {
    let Step { name, exposure, bake, decide_within, approval } = step;
    out.text("name", name);
    out.field("exposure", exposure);
    out.field("bake", bake);
    if let Some(within) = decide_within {
        out.field("decideWithin", within);
    }
    if *approval {
        out.field("approval", "{}");
    }
}

fn window(out: &mut Writer, window: &Window) {
    let Window { days, from, to, time_zone } = window;
    out.inline("days", days.iter().map(|day| format!("{day:?}")));
    out.text("from", &from.to_string());
    out.text("to", &to.to_string());
    out.text("timeZone", time_zone);
}

fn batches(out: &mut Writer, batches: &Batches) {
    let Batches { batch, bake, approval } = batches;
    out.field("batch", batch);
    out.field("bake", bake);
    if *approval {
        out.field("approval", "{}");
    }
}

fn check(out: &mut Writer, check: &Check) {
    let Check { name, mode, every, connect_timeout, timeout, signal } = check;
    out.text("name", name);
    out.field("mode", format_args!("{mode:?}"));
    out.field("every", every);
    out.field("connectTimeout", connect_timeout);
    out.field("timeout", timeout);
    match signal {
        Signal::Pods(probe) => self::probe(out, probe),
        Signal::Source(query) => self::query(out, query),
    }
}

fn query(out: &mut Writer, query: &Query) {
    let Query { source, question, limit, warm_up } = query;
    match question {
        Question::Prometheus { query, accept_warnings } => out.section("prometheus", |out| {
            out.text("source", source);
            out.text("query", query.as_str());
            out.field("acceptWarnings", accept_warnings);
        }),
        Question::Json { path, pointer } => out.section("json", |out| {
            out.text("source", source);
            out.text("path", path.as_str());
            out.text("pointer", pointer);
        }),
    }
    let Range { min, max, failure_threshold } = limit;
    out.section("limit", |out| {
        if let Some(min) = min {
            out.field("min", min);
        }
        if let Some(max) = max {
            out.field("max", max);
        }
        out.field("warmUp", warm_up);
        out.field("failureThreshold", failure_threshold);
    });
}

fn probe(out: &mut Writer, probe: &Probe) {
    match probe {
        Probe::Http(http) => out.section("http", |out| {
            endpoint(out, &http.endpoint);
            if !http.expected_status.is_empty() {
                out.inline("expectedStatus", http.expected_status.iter().map(u16::to_string));
            }
            if let Some(pattern) = &http.body_match {
                out.text("bodyMatch", pattern.as_str());
            }
            out.field("failureThreshold", http.failure_threshold);
        }),
        Probe::Scrape(scrape) => self::scrape(out, scrape),
    }
}

fn scrape(out: &mut Writer, scrape: &ScrapeProbe) {
    let ScrapeProbe { endpoint, measure, limit, compare } = scrape;
    out.section("scrape", |out| {
        self::endpoint(out, endpoint);
        match measure {
            Measure::Ratio { bad, total } => out.section("ratio", |out| {
                out.text("bad", &bad.to_string());
                out.text("total", &total.to_string());
            }),
            Measure::Histogram { family } => out.text("histogram", &family.to_string()),
        }
    });
    if let Some(limit) = limit {
        out.section("limit", |out| self::limit(out, limit));
    }
    if let Some(compare) = compare {
        out.section("compare", |out| {
            out.field("to", "Stable");
            out.field("maxRatio", compare.max_ratio);
            out.field("warmUp", compare.warm_up);
            out.field("minCount", compare.min_count);
        });
    }
}

fn limit(out: &mut Writer, limit: &Limit) {
    let Limit { bound, window, min_count, failure_threshold } = limit;
    match bound {
        Bound::MaxShare { max } => out.field("maxShare", percent_text(*max)),
        Bound::Quantile { quantile, max_latency } => {
            out.field("quantile", quantile);
            out.field("maxLatency", max_latency);
        }
    }
    out.field("window", window);
    out.field("minCount", min_count);
    out.field("failureThreshold", failure_threshold);
}

fn endpoint(out: &mut Writer, endpoint: &Endpoint) {
    let Endpoint { port, path, scheme, headers, allow_host_network } = endpoint;
    match port {
        Port::Number(number) => out.field("port", number),
        Port::Name(name) => out.text("port", name),
    }
    out.text("path", path);
    out.field(
        "scheme",
        match scheme {
            Scheme::Http => "HTTP",
            Scheme::Https => "HTTPS",
        },
    );
    if !headers.is_empty() {
        out.section("headers", |out| headers.iter().for_each(|(name, value)| out.text(name, value)));
    }
    out.field("allowHostNetwork", allow_host_network);
}
