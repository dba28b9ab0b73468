//! Why something failed, in one short text.

use std::error::Error;

/// The deepest cause: what HTTP clients wrap around it repeats the address and says little.
pub fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
