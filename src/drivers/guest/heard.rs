//! What a command on a node says, and how much of it is listened to.

use std::time::Duration;

use russh::ChannelMsg;

use crate::drivers::guest::Output;

/// Bytes of a command's answer that are kept: whoever answers without end costs no more memory.
pub(super) const MOST_HEARD: usize = 32 << 20;

/// How long any command may take: emulated ones that install packages take a tenth of it.
pub(super) const LONGEST: Duration = Duration::from_secs(3 * 60 * 60);

/// How long a talk may take: some questions and answers.
pub(super) const LONGEST_TALK: Duration = Duration::from_secs(10 * 60);

/// What a command has said so far, and how it ended.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) output: Output,
    pub(super) status: Option<u32>,
}

impl Heard {
    /// False when it is too much: then nothing more is to be heard.
    pub(super) fn take(&mut self, message: ChannelMsg) -> bool {
        match message {
            ChannelMsg::Data { data } => self.output.stdout.extend_from_slice(&data),
            ChannelMsg::ExtendedData { data, .. } => self.output.stderr.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => self.status = Some(exit_status),
            ChannelMsg::ExitSignal { .. } => self.status = Some(255),
            _ => {}
        }
        !self.is_full()
    }

    pub(super) fn is_full(&self) -> bool {
        self.output.stdout.len() + self.output.stderr.len() > MOST_HEARD
    }
}
