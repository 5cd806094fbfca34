//! Messages as arguments, as JSON and as text.
//!
//! | file | what it does |
//! |---|---|
//! | scalar | values of a named type from text |
//! | time | points in time as text |
//! | json_write, json_read | messages and values as JSON, without loss |
//! | template | messages as the arguments describe them |
//! | show | messages to read |

pub(crate) mod json_read;
pub(crate) mod json_write;
pub(crate) mod scalar;
pub(crate) mod show;
pub(crate) mod template;
pub(crate) mod time;

#[cfg(test)]
mod tests;
