//! The thread of one session: runs its requests one after another and writes the replies.

use std::sync::Arc;

use tokio::sync::mpsc::Receiver;

use super::super::session::Message;
use super::faults::{ConnectionFaults, Verdict};
use super::login::Version;
use super::output::{Output, Signals};
use super::packet::{self, status};
use super::reply::Reply;
use super::request::Request;
use super::runner::Runner;

/// What the connection's task hands to the session's thread.
pub(super) enum Input {
    Request(packet::Message),
    Attention,
}

/// What a session is made of when its login has succeeded.
pub(super) struct Worker {
    pub id: u16,
    pub runner: Runner,
    pub output: Output,
    pub signals: Arc<Signals>,
    pub faults: Arc<ConnectionFaults>,
    pub version: Version,
}

impl Worker {
    /// Serves until the connection ends.
    pub(super) fn run(mut self, mut inputs: Receiver<Input>) {
        // Attentions answered within a reply, whose own turn is still to come.
        let mut answered_early = 0_u32;
        while let Some(input) = inputs.blocking_recv() {
            let goes_on = match input {
                Input::Request(message) => self.request(&message, &mut answered_early),
                Input::Attention if answered_early > 0 => {
                    answered_early -= 1;
                    true
                }
                Input::Attention => {
                    self.signals.attention_answered();
                    Reply::new(&mut self.output, self.version).finish_with_attention()
                }
            };
            if !goes_on {
                break;
            }
        }
    }

    /// Runs one request and answers it. Returns whether the connection goes on.
    fn request(&mut self, message: &packet::Message, answered_early: &mut u32) -> bool {
        if message.status & status::IGNORE != 0 {
            return self.refuse(&Message::error(3980, GIVEN_UP));
        }
        let request = match Request::read(message, self.runner.prepared()) {
            Ok(request) => request,
            Err(message) => return self.refuse(&message),
        };
        match self.faults.on_request(self.id, || request.text.clone()) {
            Verdict::Run => {}
            Verdict::Cut => return false,
            Verdict::RunAndCut => self.output.mute(),
            Verdict::Silent => self.output.fall_silent(),
            Verdict::Victim => {
                let mut reply = Reply::new(&mut self.output, self.version);
                reply.error(&deadlock_victim(self.id));
                self.runner.roll_back(&mut reply);
                return reply.finish();
            }
        }
        let mut reply = Reply::new(&mut self.output, self.version);
        // `Cancelled` needs no handling of its own: an attention and a lost connection show below,
        // and an engine at fault has said so in the reply.
        let _ = self.runner.run(message.status, &request, &mut reply);
        if reply.lost_a_deadlock() {
            reply.error(&deadlock_victim(self.id));
            self.runner.roll_back(&mut reply);
        }
        let goes_on = if self.signals.attention_waits() {
            self.signals.attention_answered();
            *answered_early += 1;
            reply.finish_with_attention()
        } else {
            reply.finish()
        };
        goes_on && !self.output.is_cut()
    }

    fn refuse(&mut self, message: &Message) -> bool {
        let mut reply = Reply::new(&mut self.output, self.version);
        reply.error(message);
        reply.finish()
    }
}

/// Error 1205. Unlike most errors it ends the batch and the transaction.
fn deadlock_victim(id: u16) -> Message {
    let text = format!(
        "Transaction (Process ID {id}) was deadlocked on lock resources with another process and has been chosen as the deadlock \
         victim. Rerun the transaction."
    );
    Message { class: 13, state: 51, ..Message::error(1205, text) }
}

const GIVEN_UP: &str = "The request failed to run because the batch is aborted, this can be caused by abort signal sent from client, \
     or another request is running in the same session, which makes the session busy.";
