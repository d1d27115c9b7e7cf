//! Recovery to a point in time on real servers: every target has one right answer, and what cannot be reached
//! is said to be so.

mod damage;
mod isolation;
mod late;
mod targets;
mod timelines;
