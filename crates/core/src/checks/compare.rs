//! The rule against the stable pods, for now a plain ratio of shares with a minimum count: it weighs figures, not
//! how sure they are, and its evidence says so.

use serde::{Deserialize, Serialize};

use super::{
    Outcome,
    finding::{Finding, float, percent, plain},
    increments::Events,
};
use crate::policy::Compare;

/// A comparison with all it has counted: what canary pods added after their warm-up, and what stable pods added
/// while a canary pod was warm.
#[derive(Debug)]
pub(super) struct Compared {
    pub compare: Compare,
    pub counted: Counted,
}

/// Both sides' events.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Counted {
    #[serde(with = "pair")]
    pub canary: Events,
    #[serde(with = "pair")]
    pub stable: Events,
}

impl Compared {
    pub fn judge(&self) -> Finding {
        let Counted { canary, stable } = self.counted;
        let least = self.compare.min_count.max(1);
        if canary.total < least || stable.total < least {
            return Finding::new(
                Outcome::Undecided,
                format!(
                    "plain ratio, no statistics: canary {}, stable {} events, at least {least} of each are needed",
                    canary.total, stable.total
                ),
            );
        }
        let canary_share = float(canary.bad) / float(canary.total);
        // No bad event among n says that the share is hardly above 1/n, not that it is zero.
        let stable_share = float(stable.bad.max(1)) / float(stable.total);
        let ratio = canary_share / stable_share;
        let taken = if stable.bad == 0 { " (none bad, taken as one)" } else { "" };
        let sentence = format!(
            "plain ratio, no statistics: canary {} of {}, stable {} of {}{taken}, ratio {ratio:.1}, at most {}",
            percent(canary_share),
            canary.total,
            percent(stable_share),
            stable.total,
            plain(self.compare.max_ratio)
        );
        let exceeded = ratio > self.compare.max_ratio * (1.0 + 1e-12);
        Finding::new(if exceeded { Outcome::Fail } else { Outcome::Pass }, sentence)
    }
}

/// Events as `[bad, total]`: checkpoints are to be small.
mod pair {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Events;

    pub fn serialize<S: Serializer>(events: &Events, serializer: S) -> Result<S::Ok, S::Error> {
        (events.bad, events.total).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Events, D::Error> {
        <(u64, u64)>::deserialize(deserializer).map(|(bad, total)| Events { bad, total })
    }
}
