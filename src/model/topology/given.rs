//! A topology as the checker read it: each value as what it means, so that nobody reads its text again.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::model::pattern::Pattern;
use crate::model::taint::Taint;
use crate::model::topology::problem::Span;
use crate::model::user_data::{Document, UserData};
use crate::model::version::Version;

/// A value that stands in the file.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    /// Where it stands.
    pub span: Span,
    /// What it means.
    pub value: Value,
}

/// What a value means.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Nothing that can be used: a problem says why.
    Refused,
    Text(String),
    Pattern(Pattern),
    Number(u64),
    Bytes(u64),
    Address(Ipv4Addr),
    Network(Ipv4Net),
    Range(Ipv4Addr, Ipv4Addr),
    Version(Version),
    Truth(bool),
    Taint(Taint),
    /// Whatever YAML can say.
    Document(Document),
    /// What a person gives cloud-init.
    UserData(UserData),
    List(Vec<Given>),
    Map(Vec<Entry>),
}

/// The text of a value that may be absent.
pub(crate) fn text(given: Option<&Given>) -> Option<&str> {
    given?.text()
}

/// Where a value stands, or else `default`.
pub(crate) fn span(given: Option<&Given>, default: &Span) -> Span {
    given.map_or_else(|| default.clone(), |given| given.span.clone())
}

/// One `key: value` of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub key_span: Span,
    pub given: Given,
}

/// The one variant's content, where the value is of that variant.
macro_rules! only {
    ($given:expr, $variant:ident) => {
        match &$given.value {
            Value::$variant(content) => Some(content),
            _ => None,
        }
    };
}

impl Given {
    /// What stands under `key`, when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Given> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.given)
    }

    /// Entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[Entry] {
        only!(self, Map).map_or(&[], Vec::as_slice)
    }

    /// Of a topology, all that is said of nodes: each group, and each override below it.
    pub fn of_nodes(&self) -> impl Iterator<Item = &Given> {
        let groups = self.get("nodes").map(Given::entries).unwrap_or_default();
        groups.iter().map(|group| &group.given).flat_map(|group| {
            let overrides = group.get("overrides").map(Given::entries).unwrap_or_default();
            std::iter::once(group).chain(overrides.iter().map(|entry| &entry.given))
        })
    }

    /// Items of a list; none for anything else.
    pub fn items(&self) -> &[Given] {
        only!(self, List).map_or(&[], Vec::as_slice)
    }

    /// True for a list that was given and has nothing.
    pub fn is_empty_list(&self) -> bool {
        self.items().is_empty() && only!(self, List).is_some()
    }

    pub fn text(&self) -> Option<&str> {
        only!(self, Text).map(String::as_str)
    }

    pub fn pattern(&self) -> Option<&Pattern> {
        only!(self, Pattern)
    }

    pub fn number(&self) -> Option<u64> {
        only!(self, Number).copied()
    }

    pub fn bytes(&self) -> Option<u64> {
        only!(self, Bytes).copied()
    }

    pub fn address(&self) -> Option<Ipv4Addr> {
        only!(self, Address).copied()
    }

    pub fn network(&self) -> Option<Ipv4Net> {
        only!(self, Network).copied()
    }

    pub fn version(&self) -> Option<Version> {
        only!(self, Version).copied()
    }

    pub fn truth(&self) -> Option<bool> {
        only!(self, Truth).copied()
    }

    pub fn taint(&self) -> Option<&Taint> {
        only!(self, Taint)
    }

    pub fn document(&self) -> Option<&Document> {
        only!(self, Document)
    }

    pub fn user_data(&self) -> Option<&UserData> {
        only!(self, UserData)
    }

    pub fn range(&self) -> Option<(Ipv4Addr, Ipv4Addr)> {
        match self.value {
            Value::Range(first, last) => Some((first, last)),
            _ => None,
        }
    }
}
