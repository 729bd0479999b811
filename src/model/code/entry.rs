//! One row of the table of codes, and how rows are written down.

/// A kind of error.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// Stable: what a program compares and a person searches for.
    pub id: &'static str,
    /// What happened, in a few words.
    pub title: &'static str,
    /// Why it happens, and what it leaves behind.
    pub means: &'static str,
    /// What to do, in the order to try it. Words in backticks are commands.
    pub cures: &'static [&'static str],
}

/// Rows of one family: a name for the code, its id, title and meaning, and its cures.
macro_rules! codes {
    ($($name:ident $id:literal $title:literal $means:literal [$($cure:literal),+ $(,)?];)+) => {
        $(
            #[doc = concat!($id, ": ", $title, ".")]
            pub static $name: crate::model::code::entry::Code = crate::model::code::entry::Code {
                id: $id,
                title: $title,
                means: $means,
                cures: &[$($cure),+],
            };
        )+
        /// The codes of this family, in order.
        pub(super) static FAMILY: &[&crate::model::code::entry::Code] = &[$(&$name),+];
    };
}

pub(super) use codes;
