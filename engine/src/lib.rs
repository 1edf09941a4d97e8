//! engine (being written)
pub mod encode;
mod equivalence;
pub mod image;
mod matching;
mod parse;
pub mod plan;
pub mod planner;
mod price;
mod survey;

/// How hard the engine tries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, PartialOrd, Ord)]
pub enum Level {
    /// One parse.
    Fast,
    /// Re-parsed with real predictions.
    #[default]
    Default,
    /// Everything that was ever seen to gain.
    Best,
}

/// error stub
#[derive(Debug)]
pub struct Error(pub String);
impl Error {
    /// internal
    pub fn internal(s: &str) -> Error { Error(s.into()) }
}
impl From<deltamote_format::Error> for Error {
    fn from(e: deltamote_format::Error) -> Error { Error(e.to_string()) }
}
