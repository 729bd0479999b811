//! What a scalar without quotes is to readers of YAML 1.1, as cloud-init's is one: what looks like text is often
//! none. The forms are those of the type repository of YAML 1.1, in the selection that PyYAML makes.

use std::sync::LazyLock;

use regex_lite::Regex;

/// What an unquoted scalar means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Text.
    Text,
    /// Nothing.
    Nothing,
    /// True or false.
    Truth,
    /// A number.
    Number,
    /// A date, or a moment.
    Date,
    /// It looks like a date, and no calendar has it: readers fail at it.
    NoDate,
}

const NUMBERS: &[&str] = &[
    "[-+]?0b[01_]*[01][01_]*",
    "[-+]?0[0-7_]+",
    "[-+]?(0|[1-9][0-9_]*)",
    "[-+]?0x[0-9a-fA-F_]*[0-9a-fA-F][0-9a-fA-F_]*",
    "[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+",
    r"[-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?",
    r"\.[0-9][0-9_]*([eE][-+][0-9]+)?",
    r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*",
    r"[-+]?\.(inf|Inf|INF)",
    r"\.(nan|NaN|NAN)",
];

const DATE: &str = "([0-9]{4})-([0-9]{2})-([0-9]{2})";
const MOMENT: &str = concat!(
    "([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})([Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2}):([0-9]{2})",
    r"(\.[0-9]*)?([ \t]*(Z|[-+][0-9]{1,2}(:?[0-9]{2})?))?"
);

static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| whole(&NUMBERS.join("|")));
static DATES: LazyLock<[Option<Regex>; 2]> = LazyLock::new(|| [whole(DATE), whole(MOMENT)]);

fn whole(pattern: &str) -> Option<Regex> {
    Regex::new(&format!("^(?:{pattern})$")).ok()
}

/// What the unquoted scalar `text` means.
pub fn meaning(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Nothing,
        "yes" | "Yes" | "YES" | "no" | "No" | "NO" | "true" | "True" | "TRUE" | "false"
        | "False" | "FALSE" | "on" | "On" | "ON" | "off" | "Off" | "OFF" => return Meaning::Truth,
        _ => {}
    }
    // All other forms are short, and begin with one of these.
    let begins = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    if !begins {
        return Meaning::Text;
    }
    if NUMBER.as_ref().is_some_and(|number| number.is_match(text)) {
        return Meaning::Number;
    }
    let found = DATES.iter().flatten().find_map(|date| date.captures(text));
    match found {
        None => Meaning::Text,
        Some(parts) => {
            // Readers know no zone that is a day or more away.
            let zone =
                parts.get(9).map(|zone| zone.as_str().trim_start().trim_start_matches(['+', '-']));
            let hours = zone.and_then(|zone| zone.get(..2).or(zone.get(..1))?.parse::<u16>().ok());
            if hours.is_some_and(|hours| hours > 23) {
                return Meaning::NoDate;
            }
            let part = |n: usize| parts.get(n).and_then(|part| part.as_str().parse::<u16>().ok());
            if is_in_the_calendar(part(1), part(2), part(3), [part(5), part(6), part(7)]) {
                Meaning::Date
            } else {
                Meaning::NoDate
            }
        }
    }
}

fn is_in_the_calendar(
    year: Option<u16>,
    month: Option<u16>,
    day: Option<u16>,
    time: [Option<u16>; 3],
) -> bool {
    let month = month.and_then(|month| time::Month::try_from(month as u8).ok());
    let (Some(year @ 1..), Some(month), Some(day)) = (year, month, day) else { return false };
    let is_day = time::Date::from_calendar_date(i32::from(year), month, day as u8).is_ok();
    let is_time =
        time.iter().zip([24, 60, 60]).all(|(part, end)| part.is_none_or(|part| part < end));
    is_day && is_time
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_text_is_often_none() {
        let all = [
            (
                Meaning::Text,
                "12e5 inf nan infinity 1.20.3 0o17 12:75 +49-123 - . 08 2026-1-1 y n =a 1,000",
            ),
            (
                Meaning::Number,
                "0 -1 00123 0xff 0b1 22:30 12:30:45 +49123 1.10 1. .5 1.5e+3 -.inf .nan 1_000 12345678901234567890123",
            ),
            (Meaning::Truth, "yes No TRUE off On"),
            (Meaning::Nothing, "~ null NULL"),
            (Meaning::Date, "2026-01-01 2024-02-29 2026-1-2T3:04:05Z 2026-01-02t03:04:05.5+01:00"),
            (
                Meaning::NoDate,
                "2026-13-01 2026-01-01T10:00:00+25:00 2026-02-29 0000-01-01 2026-01-01T24:00:00",
            ),
        ];
        for (wanted, words) in all {
            for word in words.split(' ') {
                assert_eq!(meaning(word), wanted, "{word}");
            }
        }
    }
}
