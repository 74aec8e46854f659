//! What the targets share: the contract that the property tests check too.

#[path = "../../tests/damage/contract.rs"]
pub mod contract;
#[path = "../../tests/damage/requests.rs"]
mod requests;
