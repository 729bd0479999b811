//! Checks a YAML tree against the grammar of [`crate::model::topology::schema`], collecting every problem,
//! and hands on what each value means.

use crate::model::certificates;
use crate::model::code::{self, Code};
use crate::model::flaw::Flaw;
use crate::model::name::{check_domain, check_label};
use crate::model::near::nearest;
use crate::model::pattern::Pattern;
use crate::model::size;
use crate::model::topology::given::{Entry, Given, Value};
use crate::model::topology::problem::{Problem, printable};
use crate::model::topology::schema::pairs::{self, Held, Pairs};
use crate::model::topology::schema::{Field, Keys, Kind, OWN, Table};
use crate::model::topology::synonyms::meant;
use crate::model::topology::yaml::{self, Node, Value as Yaml};
use crate::model::topology::{cloud_config, components, grammar, kubernetes_words};

/// Reads `node` by `table`; findings go to `problems`.
pub(crate) fn table(
    table: &Table,
    node: &Node,
    context: &str,
    problems: &mut Vec<Problem>,
) -> Given {
    let Yaml::Map(entries) = &node.value else {
        let message = format!("{context} must be a mapping, not {}", node.value.kind());
        problems.push(
            Problem::error(&code::WRONG_SHAPE, &node.span, message)
                .help("write `field: value` lines below it, indented"),
        );
        return Given { span: node.span.clone(), value: Value::Refused };
    };
    let (mut known, mut misspelt) = (Vec::new(), Vec::new());
    for entry in entries {
        match table.fields.iter().find(|field| field.name == entry.key) {
            Some(field) => known.push(Entry {
                key: entry.key.clone(),
                key_span: entry.key_span.clone(),
                given: value(&field.kind, &entry.node, &entry.key, problems),
            }),
            None if entry.key.starts_with(OWN) => {}
            None => {
                let meant = likely(&entry.key, table.fields.iter().map(|field| field.name));
                problems.push(unknown(table, entry, context, meant));
                misspelt.extend(meant);
                // It is there by another name: nobody may say that it is missing.
                known.extend(meant.map(|name| refused(name, entry)));
            }
        }
    }
    for field in table.fields.iter().filter(|field| field.required) {
        // One that is there by another name was spoken of.
        if node.get(field.name).is_none() && !misspelt.contains(&field.name) {
            let at = node.span.start..node.span.start + 1;
            let message = format!("{context} lacks '{}'", field.name);
            problems.push(
                Problem::error(&code::MISSING_FIELD, &at, message).label("in here").help(format!(
                    "add `{}:`. {}",
                    field.name,
                    field.doc()
                )),
            );
        }
    }
    Given { span: node.span.clone(), value: Value::Map(known) }
}

fn refused(name: &str, entry: &yaml::Entry) -> Entry {
    Entry {
        key: name.to_owned(),
        key_span: entry.key_span.clone(),
        given: Given { span: entry.node.span.clone(), value: Value::Refused },
    }
}

/// The word that somebody means who writes `text`: one that is spelled almost so, or what other tools call so.
fn likely<'a>(text: &str, candidates: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    nearest(text, candidates.clone()).or_else(|| meant(text, candidates))
}

fn unknown(
    table: &Table,
    entry: &yaml::Entry,
    context: &str,
    meant: Option<&'static str>,
) -> Problem {
    let problem = Problem::error(
        &code::UNKNOWN_FIELD,
        &entry.key_span,
        format!("unknown field '{}' in {context}", printable(&entry.key)),
    );
    match meant {
        Some(name) => problem.help(format!("did you mean `{name}`?")),
        None => problem.help(format!("{} has: {}", table.name, names(table.fields))),
    }
}

fn names(fields: &[Field]) -> String {
    fields.iter().map(|field| field.name).collect::<Vec<_>>().join(", ")
}

fn value(kind: &Kind, node: &Node, field: &str, problems: &mut Vec<Problem>) -> Given {
    let value = match (kind, &node.value) {
        (_, Yaml::Null) => {
            let cure = format!("give it a value, or remove the line `{field}:`");
            let message = format!("'{field}' has no value");
            problems.push(Problem::error(&code::NO_VALUE, &node.span, message).help(cure));
            Value::Refused
        }
        (Kind::TableOr(word, _), Yaml::Scalar { text, .. }) if text == word => {
            Value::Text((*word).to_owned())
        }
        (Kind::TableOr(word, _), Yaml::Scalar { text, .. }) if is_no(text) => {
            let message = format!("'{}' is not a value of '{field}'", printable(text));
            let cure = format!("did you mean `{word}`?");
            problems.push(Problem::error(&code::BAD_WORD, &node.span, message).help(cure));
            Value::Text((*word).to_owned())
        }
        (Kind::TableOr(word, _), Yaml::Scalar { .. }) => {
            let wanted = format!("a mapping, or `{word}`");
            let cure =
                format!("write `field: value` lines below it, indented; or `{field}: {word}`");
            wrong_shape(node, field, &wanted, &cure, problems)
        }
        (Kind::TableOrText(judge, _), Yaml::Scalar { .. }) => {
            return value(&Kind::Text(*judge), node, field, problems);
        }
        (Kind::Table(inner) | Kind::TableOr(_, inner) | Kind::TableOrText(_, inner), _)
        | (Kind::WordOr(_, inner), Yaml::Map(_)) => {
            return table(inner, node, &format!("'{field}'"), problems);
        }
        (Kind::Folder, Yaml::Map(entries)) => {
            let files = Kind::Pairs(&pairs::FILES);
            let read = |entry: &yaml::Entry, problems: &mut Vec<Problem>| Entry {
                key: entry.key.clone(),
                key_span: entry.key_span.clone(),
                given: value(&files, &entry.node, &entry.key, problems),
            };
            Value::Map(entries.iter().map(|entry| read(entry, problems)).collect())
        }
        (Kind::UserData, _) => cloud_config::check(node, problems),
        (Kind::Pairs(pairs), Yaml::Map(entries)) => {
            Value::Map(entries.iter().map(|entry| pair(pairs, entry, problems)).collect())
        }
        (Kind::Pairs(_), _) => {
            let cure = "write `key: value` lines below it, indented";
            wrong_shape(node, field, "a mapping", cure, problems)
        }
        (Kind::Named(inner), Yaml::Map(entries)) => {
            not_empty(entries.is_empty(), node, field, problems);
            Value::Map(entries.iter().map(|entry| named(inner, entry, problems)).collect())
        }
        (Kind::Keyed(keys, inner), Yaml::Map(entries)) => {
            not_empty(entries.is_empty(), node, field, problems);
            Value::Map(entries.iter().map(|entry| keyed(keys, inner, entry, problems)).collect())
        }
        (Kind::List(inner) | Kind::MayBeEmpty(inner), Yaml::List(items)) => {
            let is_refused = items.is_empty() && matches!(kind, Kind::List(_));
            not_empty(is_refused, node, field, problems);
            Value::List(items.iter().map(|item| value(inner, item, field, problems)).collect())
        }
        (Kind::Set(words, inner), Yaml::List(items)) => {
            let (word, inner) = (Kind::Shipped(*words), Kind::Table(inner));
            let mut item = |item: &Node| {
                let kind = if matches!(item.value, Yaml::Map(_)) { &inner } else { &word };
                value(kind, item, field, problems)
            };
            Value::List(items.iter().map(&mut item).collect())
        }
        (Kind::List(_) | Kind::MayBeEmpty(_) | Kind::Set(..), _) => {
            let short = |text: &&str| text.len() < 40 && text.chars().all(is_plain_word);
            let item = node.text().filter(short).unwrap_or("one, two");
            wrong_shape(node, field, "a list", &format!("write it as `[{item}]`"), problems)
        }
        (Kind::Named(_) | Kind::Keyed(..), _) => {
            let cure = "write `name:` lines below it, indented";
            wrong_shape(node, field, "a mapping", cure, problems)
        }
        (_, Yaml::Scalar { text, .. }) => scalar(kind, field, text).unwrap_or_else(|refusal| {
            let (code, flaw) = refusal;
            problems.push(Problem::of(code, &node.span, flaw));
            in_its_place(kind, text)
        }),
        _ => {
            let cure = format!("write `{field}: value`");
            wrong_shape(node, field, "a single value", &cure, problems)
        }
    };
    Given { span: node.span.clone(), value }
}

/// What people write who want none of it.
fn is_no(text: &str) -> bool {
    ["false", "no", "off", "disabled", "never"].contains(&text.to_ascii_lowercase().as_str())
}

fn is_plain_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c)
}

fn wrong_shape(
    node: &Node,
    field: &str,
    wanted: &str,
    cure: &str,
    problems: &mut Vec<Problem>,
) -> Value {
    let message = format!("'{field}' must be {wanted}, not {}", node.value.kind());
    problems.push(Problem::error(&code::WRONG_SHAPE, &node.span, message).help(cure));
    Value::Refused
}

fn not_empty(is_empty: bool, node: &Node, field: &str, problems: &mut Vec<Problem>) {
    if is_empty {
        problems.push(
            Problem::error(&code::NO_VALUE, &node.span, format!("'{field}' is empty"))
                .help("put something into it, or remove the line"),
        );
    }
}

fn named(kind: &Kind, entry: &yaml::Entry, problems: &mut Vec<Problem>) -> Entry {
    const NAMES: Keys =
        Keys { judge: |key| check_label("a name", key, 40), code: &code::BAD_NAME, what: "name" };
    keyed(&NAMES, kind, entry, problems)
}

fn keyed(keys: &Keys, kind: &Kind, entry: &yaml::Entry, problems: &mut Vec<Problem>) -> Entry {
    if let Err(flaw) = (keys.judge)(&entry.key) {
        problems.push(Problem::of(keys.code, &entry.key_span, flaw));
    }
    let given = match kind {
        Kind::Table(inner) => {
            let context = format!("{} '{}'", inner.name, printable(&entry.key));
            table(inner, &entry.node, &context, problems)
        }
        other => value(other, &entry.node, &entry.key, problems),
    };
    Entry { key: entry.key.clone(), key_span: entry.key_span.clone(), given }
}

/// One entry of a mapping whose keys people choose.
fn pair(pairs: &Pairs, entry: &yaml::Entry, problems: &mut Vec<Problem>) -> Entry {
    let (key, node) = (printable(&entry.key), &entry.node);
    if let Err(flaw) = (pairs.key)(&entry.key) {
        problems.push(Problem::of(pairs.code, &entry.key_span, flaw));
    }
    let given = match &pairs.held {
        Held::Anything => {
            Given { span: node.span.clone(), value: Value::Document(node.document()) }
        }
        Held::Truth => value(&Kind::Boolean, node, &key, problems),
        Held::Text(judge) => {
            let empty = matches!(node.value, Yaml::Null).then_some("");
            let value = match empty.or_else(|| node.text()) {
                None => {
                    let cure = format!("write `{key}: value`");
                    wrong_shape(node, &key, "a single value", &cure, problems)
                }
                Some(text) => match judge(text) {
                    Ok(()) => Value::Text(text.to_owned()),
                    Err(flaw) => {
                        problems.push(Problem::of(pairs.code, &node.span, flaw));
                        Value::Refused
                    }
                },
            };
            Given { span: node.span.clone(), value }
        }
    };
    Entry { key: entry.key.clone(), key_span: entry.key_span.clone(), given }
}

type Refusal = (&'static Code, Flaw);

/// Reads a single value.
fn scalar(kind: &Kind, field: &str, text: &str) -> Result<Value, Refusal> {
    let own = || Value::Text(text.to_owned());
    let refused = |code: &'static Code| move |flaw: Flaw| (code, flaw);
    match kind {
        Kind::Label(max) => check_label(&format!("'{field}'"), text, *max)
            .map(|()| own())
            .map_err(refused(&code::BAD_NAME)),
        Kind::Pattern => Pattern::parse(text).map(Value::Pattern).map_err(refused(&code::BAD_NAME)),
        Kind::Login => grammar::login(text).map(|()| own()).map_err(refused(&code::BAD_LOGIN)),
        Kind::Domain => check_domain(text).map(|()| own()).map_err(refused(&code::BAD_DOMAIN)),
        Kind::Size => size::parse(text).map(Value::Bytes).map_err(|flaw| {
            (&code::BAD_SIZE, Flaw::new(format!("{field} {}", flaw.message), flaw.help))
        }),
        Kind::Integer(min, max) => integer(*min, *max, field, text),
        Kind::Address => {
            grammar::address(text).map(Value::Address).map_err(refused(&code::BAD_ADDRESS))
        }
        Kind::Network => {
            grammar::network(text).map(Value::Network).map_err(refused(&code::BAD_NETWORK))
        }
        Kind::AddressRange => grammar::address_range(text)
            .map(|(first, last)| Value::Range(first, last))
            .map_err(refused(&code::BAD_RANGE)),
        Kind::Mac => grammar::mac(text).map(Value::Text).map_err(refused(&code::BAD_MAC)),
        Kind::Version => grammar::kubernetes_version(text)
            .map(Value::Version)
            .map_err(refused(&code::BAD_VERSION)),
        Kind::Taint => {
            kubernetes_words::taint(text).map(Value::Taint).map_err(refused(&code::BAD_LABEL))
        }
        Kind::Text(judge) => judge(text).map(|()| own()).map_err(refused(&code::BAD_TEXT)),
        Kind::Lifetime => {
            certificates::lifetime(text).map(Value::Number).map_err(refused(&code::BAD_TEXT))
        }
        Kind::Host => components::host(text).map(|()| own()).map_err(refused(&code::BAD_ARGUMENT)),
        Kind::PublicKey => {
            // A block of text ends with a line feed.
            let text = text.trim();
            let key = || Value::Text(text.to_owned());
            grammar::public_key(text).map(|()| key()).map_err(refused(&code::BAD_PUBLIC_KEY))
        }
        Kind::Path | Kind::Folder if text.is_empty() || text.contains('\0') => {
            Err((&code::BAD_PATH, Flaw::new(format!("'{field}' is not a path"), "name a folder")))
        }
        Kind::Path | Kind::Folder if text.starts_with('~') => {
            let message = format!("'{field}' begins with '~', which only a shell expands");
            let cure = "write the whole path, or one from the folder of this file";
            Err((&code::BAD_PATH, Flaw::new(message, cure)))
        }
        Kind::Choice(words) => choice(words, field, text),
        Kind::Shipped(words) | Kind::WordOr(words, _) => choice(words(), field, text),
        Kind::Boolean => text.parse().map(Value::Truth).map_err(|_| {
            let shown = printable(text);
            let message = format!("'{field}' is '{shown}', neither true nor false");
            let cure = format!("write `{field}: true` or `{field}: false`");
            (&code::BAD_TRUTH, Flaw::new(message, cure))
        }),
        _ => Ok(own()),
    }
}

fn integer(min: u64, max: u64, field: &str, text: &str) -> Result<Value, Refusal> {
    let shown = printable(text);
    let parsed = text.parse::<u64>().ok().filter(|_| !text.starts_with('+'));
    let message = match parsed {
        Some(number) if (min..=max).contains(&number) => return Ok(Value::Number(number)),
        Some(_) => format!("{field} {shown} is out of range"),
        None => format!("{field} '{shown}' is not a whole number"),
    };
    Err((&code::BAD_NUMBER, Flaw::new(message, format!("{field} goes from {min} to {max}"))))
}

fn choice(words: &[&str], field: &str, text: &str) -> Result<Value, Refusal> {
    if words.contains(&text) {
        return Ok(Value::Text(text.to_owned()));
    }
    let message = format!("'{}' is not a value of '{field}'", printable(text));
    let cure = match likely(text, words.iter().copied()) {
        Some(word) => format!("did you mean `{word}`?"),
        None => format!("choose from: {}", words.join(", ")),
    };
    Err((&code::BAD_WORD, Flaw::new(message, cure)))
}

/// What stands in for a value that was refused, so that the rules still speak of the nodes that were
/// meant: names as they are, and of the numbers that are allowed the nearest one.
fn in_its_place(kind: &Kind, text: &str) -> Value {
    match kind {
        Kind::Label(_) => Value::Text(text.to_owned()),
        Kind::Integer(min, max) => {
            text.parse::<u64>().map_or(Value::Refused, |n| Value::Number(n.clamp(*min, *max)))
        }
        _ => Value::Refused,
    }
}
