//! Lessons carried out: something is broken, judged, and put right.

mod carry;
mod rehearse;

pub use carry::{Classroom, judge, judge_with};
pub use rehearse::{Rehearsed, noticed, rehearse};
