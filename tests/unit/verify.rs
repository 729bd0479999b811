//! `verify` and `verify --failover` on nodes that answer from memory: what they stop runs again, and what
//! they make is cleared away, however they end.

use std::sync::{Arc, Mutex};

use lab::drivers::guest::{Answer, Guest, GuestError, Output, Put, Reply};
use lab::drivers::provider::Provider;
use lab::engine::{
    CheckResult, Drivers, EngineError, Events, Reach, Stop, Verdict, failover_with, verify_with,
};
use lab::model::Node;

use crate::rig::fakes::{Rig, Up};

/// What nodes do when they are asked something of interest.
#[derive(Clone, Copy)]
enum Then {
    /// The person at the keyboard has enough, and there is no answer.
    Interrupt,
    /// The node cannot be reached.
    Vanish,
    /// The node says no.
    Refuse,
    /// Whoever asks meets a bug of ours.
    Panic,
}

/// A node that says yes to everything, but that only one node holds each floating address.
struct Yes {
    node: String,
    heard: Arc<Mutex<Vec<String>>>,
    stop: Stop,
    at: &'static [(&'static str, Then)],
}

impl Guest for Yes {
    fn run<'a>(&'a self, script: &'a str) -> Answer<'a, Output> {
        Box::pin(async move {
            self.heard.lock().unwrap().push(script.to_owned());
            match self.at.iter().find(|(words, _)| script.contains(words)) {
                Some((_, Then::Vanish)) => return Err(GuestError::new("the node is gone")),
                Some((_, Then::Interrupt)) => {
                    self.stop.request();
                    std::future::pending::<()>().await;
                }
                Some((_, Then::Refuse)) => {
                    return Ok(Output { status: 1, ..Output::default() });
                }
                Some((_, Then::Panic)) => panic!("planted"),
                None => {}
            }
            let holder = match script {
                _ if script.contains("address show to 10.240.0.20/") => "controller1",
                _ if script.contains("address show to 10.240.0.40/") => "lb1",
                _ => &self.node,
            };
            Ok(Output { status: u32::from(self.node != holder), ..Output::default() })
        })
    }

    fn talk<'a>(&'a self, script: &'a str, _reply: &'a Reply<'a>) -> Answer<'a, Output> {
        self.run(script)
    }

    fn put<'a>(&'a self, _items: &'a [Put]) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// The nine nodes of `book`, up.
struct Book {
    rig: Rig,
    heard: Arc<Mutex<Vec<String>>>,
    stop: Stop,
    reach: Reach,
}

impl Book {
    fn new(at: &'static [(&'static str, Then)]) -> Self {
        let rig = Rig::new("book");
        rig.done(Up::PLAIN);
        rig.clear();
        let (heard, stop) = (Arc::<Mutex<Vec<String>>>::default(), Stop::default());
        let (told, asked) = (heard.clone(), stop.clone());
        let reach: Reach = Arc::new(move |node: &Node| {
            let (node, heard, stop) = (node.name.clone(), told.clone(), asked.clone());
            Arc::new(Yes { node, heard, stop, at }) as Arc<dyn Guest>
        });
        Self { rig, heard, stop, reach }
    }

    fn verify(&self) -> Result<Vec<CheckResult>, EngineError> {
        let session = self.rig.session();
        runtime().block_on(verify_with(&session, &self.reach, None, &self.stop, &|_| {}))
    }

    fn failover(&self) -> Result<Vec<CheckResult>, EngineError> {
        let session = self.rig.session();
        let provider = self.rig.drivers().provider;
        let drivers = Drivers { provider, reach: self.reach.clone(), again: None };
        let booting = self.reach.clone();
        runtime().block_on(async {
            let (events, _receiver) = Events::channel();
            failover_with(&session, drivers, booting, &self.stop, &|_| {}, &events).await
        })
    }

    fn last_heard(&self) -> String {
        self.heard.lock().unwrap().last().unwrap().clone()
    }

    fn stopped(&self) -> usize {
        self.rig.hypervisor.calls().iter().filter(|call| call.starts_with("stop ")).count()
    }

    fn all_run(&self) -> bool {
        let domains = self.rig.hypervisor.inventory().unwrap().domains;
        domains.len() == 9 && domains.iter().all(|domain| domain.active)
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

fn was_stopped<T: std::fmt::Debug>(done: Result<T, EngineError>) -> EngineError {
    let error = done.unwrap_err();
    assert_eq!(error.code.id, "L0606");
    error
}

#[test]
fn an_interrupted_verify_clears_away_what_its_checks_made() {
    let book = Book::new(&[("kind: Pod", Then::Interrupt)]);
    assert_eq!(was_stopped(book.verify()).hint, None);
    let heard = book.heard.lock().unwrap().clone();
    let word = |script: &str| {
        let (_, after) = script.split_once("LAB_RUN=").unwrap();
        after.split_whitespace().next().unwrap().to_owned()
    };
    let pods = heard.iter().find(|script| script.contains("kind: Pod")).unwrap();
    let last = heard.last().unwrap();
    assert!(last.contains("delete namespaces lab-check-$LAB_RUN"), "{last}");
    assert_eq!(word(last), word(pods));
}

#[test]
fn an_interrupted_verify_says_what_it_could_not_clear_away() {
    let book = Book::new(&[
        ("delete namespaces lab-check-$LAB_RUN", Then::Vanish),
        ("kind: Pod", Then::Interrupt),
    ]);
    let hint = was_stopped(book.verify()).hint.unwrap();
    assert!(hint.contains("is still there"), "{hint}");
}

#[test]
fn failover_stops_every_node_once_and_all_run_again() {
    let book = Book::new(&[]);
    let results = book.failover().unwrap();
    assert_eq!(results.len(), 3 * 9, "{results:?}");
    assert!(results.iter().all(|result| result.verdict == Verdict::Passed), "{results:?}");
    assert_eq!(book.stopped(), 9);
    assert!(book.all_run() && book.last_heard().contains("delete namespace lab-failover-"));
}

#[test]
fn an_interrupted_failover_leaves_no_node_stopped() {
    // While the API is asked for; before anything was stopped: while all must be well, while pods start.
    const PLACES: [([(&str, Then); 1], usize); 3] = [
        ([("--request-timeout=5s get --raw=/readyz", Then::Interrupt)], 1),
        ([("set -- $(", Then::Interrupt)], 0),
        ([("rollout", Then::Interrupt)], 0),
    ];
    for (at, stopped) in &PLACES {
        let book = Book::new(at);
        was_stopped(book.failover());
        assert_eq!(book.stopped(), *stopped, "{}", at[0].0);
        assert!(book.all_run(), "{}", at[0].0);
    }
}

#[test]
fn a_failover_that_is_not_prepared_stops_no_node() {
    let book = Book::new(&[("rollout", Then::Refuse)]);
    let error = book.failover().unwrap_err();
    assert_eq!(error.code.id, "L1008", "{error}");
    assert_eq!(book.stopped(), 0);
}

#[test]
fn a_bug_in_a_check_is_told_as_one() {
    let error = Book::new(&[("kind: Pod", Then::Panic)]).verify().unwrap_err();
    assert_eq!(error.code.id, "L0709", "{error}");
}

#[test]
fn a_failover_that_nobody_can_watch_leaves_no_node_stopped() {
    let book = Book::new(&[("failover-wanted", Then::Vanish)]);
    let error = book.failover().unwrap_err();
    assert!(error.message.contains("the node is gone"), "{error}");
    assert!(book.stopped() == 1 && book.all_run());
    assert!(book.last_heard().contains("delete namespace lab-failover-"));
}
