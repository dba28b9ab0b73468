//! The same stories with the admission policies in force: they hinder others, not Siskin.

use crate::admission::Protection;
use crate::failure::Failure;
use crate::world::World;

use super::{promote, roll_back};

/// A good version, in place.
pub async fn promotion(world: &mut World) -> Result<(), Failure> {
    world.protect(Protection::RECOMMENDED).await?;
    promote::in_place(world).await
}

/// A good version, on an extra pod first.
pub async fn surge(world: &mut World) -> Result<(), Failure> {
    world.protect(Protection::RECOMMENDED).await?;
    promote::surge(world).await
}

/// Rolled back by its share of errors.
pub async fn errors(world: &mut World) -> Result<(), Failure> {
    world.protect(Protection::RECOMMENDED).await?;
    roll_back::errors(world).await
}
