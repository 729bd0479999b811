//! Chapters that change a lot at the cluster: they come after those that only look.

mod frozen;
mod power;
