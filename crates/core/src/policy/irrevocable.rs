//! Which steps of a policy are irrevocable: Kubernetes makes the newest revision the current one as soon as every pod of
//! the workload is updated and Ready, whatever the partition. Only the hold keeps it from that.

use super::{Amount, Mode, Placement, Policy, Strategy};

/// Sentences on the irrevocable steps of `policy`, without and with the hold; none for one that only observes.
pub fn irrevocable(policy: &Policy) -> Vec<String> {
    if policy.mode == Mode::Observe {
        return Vec::new();
    }
    let mut told = vec![format!(
        "without the hold policy (deploy/admission) the step that updates the last pod is irrevocable: after it only an \
         undo, which writes the stable template, leads back; a failure then leads to outcome.afterCompletion ({:?})",
        policy.outcome.after_completion
    )];
    told.extend(steps(policy).map(|(step, whole)| match whole {
        Whole::Always => format!("step `{step}` is such a step: it updates every pod of the workload"),
        Whole::UpTo(1) => format!("step `{step}` is such a step for a workload with one replica"),
        Whole::UpTo(most) => {
            format!("step `{step}` is such a step for a workload with at most {most} replicas")
        }
    }));
    told.push("with the hold in force no step is: every one is taken back by deleting pods".to_owned());
    told
}

/// For which numbers of replicas a step updates every pod.
#[derive(Debug, PartialEq)]
enum Whole {
    Always,
    UpTo(u32),
}

/// The policy's own steps that update every pod of some workload. With extra pods there is none: they make up the number.
fn steps(policy: &Policy) -> impl Iterator<Item = (&str, Whole)> {
    let canary = match &policy.strategy {
        Strategy::Canary(canary) if canary.placement == Placement::InPlace => Some(canary),
        Strategy::Canary(_) | Strategy::RollingUpdate(_) => None,
    };
    let steps = canary.into_iter().flat_map(|canary| &canary.steps);
    steps.map(|step| (step.name.as_str(), whole(step.exposure)))
}

/// A share p, rounded up, is all of n replicas as long as what it leaves, n (1 - p), is less than one pod.
fn whole(exposure: Amount) -> Whole {
    match exposure {
        Amount::Count(count) => Whole::UpTo(count),
        Amount::Percent(100..) => Whole::Always,
        Amount::Percent(percent) => Whole::UpTo(99 / (100 - percent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(spec: &str) -> String {
        let text = format!(
            "apiVersion: siskin.dev/v1alpha1\nkind: RolloutPolicy\nmetadata: {{ name: p }}\nspec: {{ {spec} }}\n"
        );
        irrevocable(&super::super::parse("p.yaml", &text).unwrap()[0]).join("\n")
    }

    fn canary(placement: &str, steps: &str) -> String {
        told(&format!(
            "strategy: {{ type: Canary, canary: {{ placement: {{ type: {placement} }}, steps: [{steps}] }} }}"
        ))
    }

    #[test]
    fn the_step_that_updates_the_last_pod_is_irrevocable_unless_the_hold_is_in_force() {
        let told = told("strategy: { type: RollingUpdate }, outcome: { afterCompletion: Undo }");
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 2, "{told}");
        assert!(
            lines[0].contains("the last pod is irrevocable")
                && lines[0].ends_with("outcome.afterCompletion (Undo)")
        );
        assert!(lines[1].starts_with("with the hold in force no step is"));
    }

    #[test]
    fn a_step_that_is_the_whole_of_a_small_workload_is_named_with_its_size() {
        let told = canary(
            "InPlace",
            "{ name: a, exposure: 25% }, { name: b, exposure: 60% }, { name: c, exposure: 3 }, { name: d, exposure: 100% }",
        );
        for line in [
            "step `a` is such a step for a workload with one replica",
            "step `b` is such a step for a workload with at most 2 replicas",
            "step `c` is such a step for a workload with at most 3 replicas",
            "step `d` is such a step: it updates every pod of the workload",
        ] {
            assert!(told.contains(line), "{line} is not in\n{told}");
        }
    }

    #[test]
    fn every_share_is_the_whole_of_as_many_replicas_as_is_said() {
        for percent in 1..100 {
            let exposure = Amount::Percent(percent);
            let most = (1..=200).take_while(|&replicas| exposure.of(replicas) == replicas).last();
            assert_eq!(Some(whole(exposure)), most.map(Whole::UpTo), "{percent}%");
        }
    }

    #[test]
    fn with_extra_pods_no_step_of_the_policy_s_own_is_the_last() {
        assert!(!canary("Surge", "{ name: a, exposure: 100% }").contains("step `a`"));
    }

    #[test]
    fn a_policy_that_only_observes_has_no_irrevocable_step() {
        assert_eq!(told("mode: Observe, strategy: { type: Canary }"), "");
    }
}
