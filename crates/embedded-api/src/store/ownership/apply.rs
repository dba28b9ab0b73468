//! Server-side apply.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Entry, Written, compare, entries,
    fields::FieldSet,
    merge::{merge, prune},
    owned, write,
};
use crate::{refusal::Refusal, store, value};

/// The live object (empty for a new one) with a configuration applied: its fields written, those that its manager no
/// longer names taken away, and `managedFields` as they are then.
///
/// A field that another manager has with another value is a conflict, unless `force` takes it.
pub fn applied(
    live: &Value,
    mut config: Value,
    by: Written<'_>,
    api_version: &str,
    now: Timestamp,
    force: bool,
) -> Result<Value, Refusal> {
    value::without_nulls(&mut config);
    value::remove(&mut config, &[], if by.subresource == Some("status") { "spec" } else { "status" });
    let wanted = compare::named(&owned(&config, by));
    let mut others = entries(live);
    let own = others.iter().position(|entry| by.is(entry, api_version)).map(|own| others.remove(own));
    let mut merged = live.clone();
    merge(&mut merged, &config, &mut Vec::new());

    let touched = compare::changes(&owned(live, by), &owned(&merged, by)).written;
    take(&mut others, &touched, force)?;

    let last = own.as_ref().map(|own| own.fields.clone()).unwrap_or_default();
    let kept = others.iter().fold(wanted.clone(), |kept, entry| kept.union(&entry.fields));
    prune(&mut merged, &last.without(&wanted), &kept, &mut Vec::new());

    let same = last == wanted && owned(&merged, by) == owned(live, by);
    let time = own.map(|own| own.time).filter(|_| same).unwrap_or_else(|| store::written(now));
    others.push(Entry { time, fields: wanted, ..Entry::new(by, api_version) });
    write(&mut merged, others);
    Ok(merged)
}

/// Takes the fields that were written from those who managed them, or refuses.
fn take(others: &mut [Entry], touched: &FieldSet, force: bool) -> Result<(), Refusal> {
    let mut conflicts = Vec::new();
    for entry in others {
        let contested = entry.fields.common(touched);
        conflicts.extend(contested.paths().into_iter().map(|path| (entry.told(), path)));
        entry.fields = entry.fields.without(&contested);
    }
    if conflicts.is_empty() || force { Ok(()) } else { Err(Refusal::apply_conflict(&conflicts)) }
}
