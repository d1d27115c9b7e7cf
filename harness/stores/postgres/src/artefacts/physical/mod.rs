//! Copies of a cluster's files, by whatever tool: folders, tars, repositories.

mod archive;
mod artefact;
mod barman;
mod chain;
mod control;
mod databases;
mod feed;
mod folder;
mod layout;
mod opening;
mod outside;
mod pgbackrest;
mod restored;
mod stream;
mod tar;
mod tar_files;
mod tars;
mod tool;
mod tree;

pub(super) use barman::BarmanKind;
pub(super) use folder::FolderKind;
pub(crate) use opening::ROLE;
pub(super) use opening::{let_in, let_out};
pub(super) use pgbackrest::PgbackrestKind;
pub(super) use tars::TarKind;
