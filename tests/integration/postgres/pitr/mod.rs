//! Recovery to a point in time on real servers: every target has one right result, and an unreachable target is
//! reported.

mod damage;
mod isolation;
mod late;
mod targets;
mod timelines;
