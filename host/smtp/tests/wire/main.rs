//! The session as a client sees it: dialogues from files, what drivers can do to it, and properties
//! against a model.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod driver;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod transcripts;
