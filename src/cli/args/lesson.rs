//! What `lab lesson` takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use crate::cli::args::apply::timeout;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LessonCommand {
    /// List the lessons that there are
    #[command(visible_alias = "ls")]
    List,
    /// Show one: its steps, and the lab that it is made for
    Show {
        /// Its name, or its folder
        #[arg(value_name = "LESSON")]
        name: String,
    },
    /// List the faults that can be made: what people see of each, and what it is called
    Faults,
    /// Bring the lab to where a lesson begins, and begin
    Start {
        /// Its name, or its folder
        #[arg(value_name = "LESSON")]
        name: String,
        /// Faults that nobody knows follow from this number [default: another one each time]
        #[arg(long, value_name = "NUMBER")]
        seed: Option<u64>,
    },
    /// Show the step, its text and what was done so far
    Status,
    /// Judge the step; where everything holds, go on to the next
    Verify {
        /// Judge again and again, until everything holds
        #[arg(long)]
        watch: bool,
    },
    /// Show the next hint; each costs points
    Hint,
    /// Have the step done, for no points
    Solve {
        /// Its name; no other step can be solved
        #[arg(value_name = "STEP")]
        step: Option<String>,
    },
    /// Break something, to be found: what is named, or nobody knows what
    Break {
        /// A fault; `lab lesson faults` lists them
        #[arg(value_name = "FAULT")]
        fault: Option<String>,
        /// The node to break, or its role
        #[arg(value_name = "NODE")]
        node: Option<String>,
        /// What nobody knows follows from this number [default: another one each time]
        #[arg(long, value_name = "NUMBER")]
        seed: Option<u64>,
    },
    /// Begin the step anew, or another one
    Reset {
        /// Its name
        #[arg(value_name = "STEP")]
        step: Option<String>,
    },
    /// Have the step done, for no points, and go on to the next
    Next,
    /// Show points, hints and minutes of each step
    Score {
        /// A line for each lesson of all your labs, those that have ended, too
        #[arg(long)]
        all: bool,
    },
    /// End the lesson, and put right what is broken
    Stop,
    /// Try a lesson, as its author: broken it must fail, solved it must hold, for each step
    Test {
        /// Its name, or its folder
        #[arg(value_name = "LESSON")]
        name: String,
        /// How often each step is tried
        #[arg(long, value_name = "NUMBER", default_value_t = 2)]
        times: u32,
        /// Time in which what is broken must be noticed, and in which its solution must help
        #[arg(long, value_name = "TIME", default_value = "150s", value_parser = timeout)]
        patience: Duration,
    },
    /// Make the folder of a new lesson
    New {
        /// The folder
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Read a lesson and say what is wrong with it; no lab is needed
    Lint {
        /// Its folder
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
}
