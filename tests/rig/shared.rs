//! What all tests of a process share, because it takes minutes to bring it up.

use std::sync::{Mutex, PoisonError};

/// Nothing until the first test wants it.
pub struct Shared<T>(Mutex<State<T>>);

enum State<T> {
    /// It was not brought up yet, or was taken.
    Nothing,
    /// It could not be brought up: nobody tries once more.
    Failed,
    Up(T),
}

impl<T> Shared<T> {
    pub const fn new() -> Self {
        Self(Mutex::new(State::Nothing))
    }

    /// One test after the other has it; the first one has it brought up.
    pub fn with(&self, bring_up: fn() -> T, proves: impl FnOnce(&mut T)) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        proves(state.brought_up(bring_up));
    }

    /// For the last test: it is no longer shared.
    pub fn take(&self, bring_up: fn() -> T) -> T {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.brought_up(bring_up);
        let State::Up(it) = std::mem::replace(&mut *state, State::Nothing) else { unreachable!() };
        it
    }
}

impl<T> State<T> {
    fn brought_up(&mut self, bring_up: fn() -> T) -> &mut T {
        if matches!(self, Self::Nothing) {
            // What other tests find, should it fail.
            *self = Self::Failed;
            *self = Self::Up(bring_up());
        }
        let Self::Up(it) = self else {
            panic!("it could not be brought up: see the first test that failed");
        };
        it
    }
}
