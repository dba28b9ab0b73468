//! How images behave that nobody has described: their tag says it, as in `visits:v2-errors`.

use siskin_embedded::{
    chance::Share,
    model::{
        application::{Behaviour, Health, Service, Start},
        latency::Latency,
    },
};

/// The words that a tag may end in, and what the image then does.
pub const WORDS: [(&str, &str); 9] = [
    ("errors", "answers one request in ten with 500"),
    ("slow", "takes 800 ms, and 2 s for one request in a hundred"),
    ("sick", "its health endpoint says 503"),
    ("late", "works for a minute, then its health endpoint says 503"),
    ("crash", "exits with code 1 after 2 s"),
    ("leak", "takes 16 MiB more each second"),
    ("missing", "there is no such image"),
    ("broken", "its command can't be run"),
    ("unset", "it needs a ConfigMap that isn't there"),
];

/// The behaviour that the last word of an image's tag asks for; a good one without such a word.
pub fn behaviour(image: &str) -> Behaviour {
    let tag = image.rsplit(':').next().unwrap_or_default();
    let good = Behaviour::default();
    let serving = |service: Service| Behaviour { phases: vec![service], ..Behaviour::default() };
    let sick = Service { health: Health::Fail, ..Service::default() };
    match tag.rsplit('-').next().unwrap_or_default() {
        "errors" => serving(Service { errors: Share::of(1, 10), ..Service::default() }),
        "slow" => serving(Service { latency: Latency::new(800_000, 2_000_000), ..Service::default() }),
        "sick" => serving(sick),
        "late" => Behaviour { phases: vec![Service::default(), Service { from: 60_000, ..sick }], ..good },
        "crash" => Behaviour { crash_after: Some(2_000), ..good },
        "leak" => Behaviour { memory_growth: 16 << 20, ..good },
        "missing" => Behaviour { start: Start::NoImage, ..good },
        "broken" => Behaviour { start: Start::NoCommand, ..good },
        "unset" => Behaviour { start: Start::NoConfig, ..good },
        _ => good,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_makes_an_image_behave_otherwise() {
        for (word, _) in WORDS {
            assert_ne!(behaviour(&format!("host:5000/visits:v2-{word}")), Behaviour::default(), "{word}");
        }
        assert_eq!(behaviour("visits:v2"), Behaviour::default());
        assert_eq!(behaviour("visits"), Behaviour::default());
    }
}
