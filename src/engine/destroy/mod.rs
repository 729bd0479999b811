//! `lab down`.

pub(crate) mod down;
