//! People are told, and no receiver holds up a rollout.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::deployed::Deployed;
use crate::failure::{Failure, ensure};
use crate::receiver::{Manner, Receiver};
use crate::visits::Visits;
use crate::world::World;

/// Rollouts of the same kind differ by about this on a busy machine.
const VARIATION: Duration = Duration::from_secs(4);

/// The receiver works, is down, hangs, fails: every rollout takes as long, and in the end the messages are there.
pub async fn bad_receiver(world: &mut World) -> Result<(), Failure> {
    let db = world.deploy(Visits::new("db").policy("told")).await?;
    world.load(&db, 50).await?;
    let receiver = Receiver::start(Manner::Works).await?;
    let usual = rolls_out(&db, "v2").await?;
    awaits(&receiver, "Promoted").await?;
    receiver.end().await;

    let mut took = vec![("down", rolls_out(&db, "v3").await?)];
    let receiver = Receiver::start(Manner::Hangs).await?;
    took.push(("hanging", rolls_out(&db, "v1").await?));
    receiver.end().await;
    let receiver = Receiver::start(Manner::Fails).await?;
    took.push(("failing", rolls_out(&db, "v2").await?));
    receiver.end().await;
    for (receiver, time) in took {
        ensure(time < usual + VARIATION, || {
            format!(
                "a rollout takes {time:?} with the receiver {receiver}, and {usual:?} with one that works"
            )
        })?;
    }
    let receiver = Receiver::start(Manner::Works).await?;
    rolls_out(&db, "v3").await?;
    awaits(&receiver, "Promoted").await?;
    receiver.end().await;
    Ok(())
}

async fn rolls_out(db: &Deployed, version: &str) -> Result<Duration, Failure> {
    let patched = db.set_version(version).await?;
    db.ends_on(version);
    Ok(db.until_at_rest_on(version, 90).await?.duration_since(patched))
}

async fn awaits(receiver: &Receiver, word: &str) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !receiver.messages().iter().any(|message| message.contains(word)) {
        ensure(Instant::now() < deadline, || {
            format!("no message says {word:?}; there are {:?}", receiver.messages())
        })?;
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
