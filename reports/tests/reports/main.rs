//! The reports on samples of every shape that a run can take.

#![allow(clippy::unwrap_used, reason = "clippy sees a test only in the function that is marked as one")]

mod html;
mod journal;
mod json;
mod junit;
mod markdown;
mod people;
mod people_sample;
mod plan;
mod plan_sample;
mod properties;
mod samples;
mod self_test;
mod terminal;
mod xml;
