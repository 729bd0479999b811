//! `lab down`.

pub(crate) mod down;
mod machines;
