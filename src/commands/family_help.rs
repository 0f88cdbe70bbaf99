//! placeholder until merged
use crate::exec::{Context, Outcome};
pub fn family_help(_ctx: &mut Context<'_>, _family: &str) -> Outcome {
    Ok(())
}
