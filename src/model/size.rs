//! Amounts of memory and disk, written with a unit.

use crate::model::flaw::Flaw;

/// Bytes in one MiB.
pub const MIB: u64 = 1 << 20;

const UNITS: &[(&str, u64)] = &[
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// Reads `2GiB`, `512MiB`, `20GB`, `1.5Gi` as bytes.
///
/// # Errors
/// What is wrong and how to write it.
pub fn parse(text: &str) -> Result<u64, Flaw> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = (text[..split].trim(), text[split..].trim());
    if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Err(Flaw::new(
            format!("'{text}' is not an amount"),
            "write a number and a unit, like 2GiB",
        ));
    }
    let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        let message = if unit.is_empty() {
            format!("'{text}' has no unit")
        } else {
            format!("'{unit}' is not a unit lab knows")
        };
        let meant = meant(number, unit).unwrap_or_else(|| format!("{number}GiB"));
        let cure = format!("write \"{meant}\" (MiB, GiB, TiB, MB, GB and TB exist)");
        return Err(Flaw::new(message, cure));
    };
    let Ok(number) = number.parse::<f64>() else {
        return Err(Flaw::new(format!("'{number}' is not a number"), "write for example 1.5GiB"));
    };
    let bytes = number * *factor as f64;
    if !bytes.is_finite() || bytes < 1.0 || bytes > (1u64 << 50) as f64 {
        return Err(Flaw::new(
            format!("'{text}' is out of range"),
            "amounts go from 1MiB to 1024TiB",
        ));
    }
    Ok(bytes as u64)
}

/// What is probably meant: units of other tools, and a plain number of MiB as virt-install and Vagrant take it.
fn meant(number: &str, unit: &str) -> Option<String> {
    let number: f64 = number.parse().ok()?;
    let bytes = match unit.to_ascii_lowercase().as_str() {
        "" if (256.0..=65536.0).contains(&number) => number * MIB as f64,
        "k" | "kb" | "ki" | "kib" => number * 1024.0,
        "m" => number * MIB as f64,
        "g" => number * (1u64 << 30) as f64,
        "t" => number * (1u64 << 40) as f64,
        other => {
            let (_, factor) = UNITS.iter().find(|(name, _)| name.to_ascii_lowercase() == other)?;
            number * *factor as f64
        }
    };
    let is_fit = bytes >= MIB as f64 && bytes < (1u64 << 50) as f64;
    let whole = |factor: u64| (bytes / factor as f64).fract() == 0.0;
    match () {
        () if !is_fit => None,
        () if whole(1 << 30) => Some(format!("{}GiB", bytes as u64 >> 30)),
        () => Some(format!("{}MiB", bytes as u64 >> 20)),
    }
}

/// Shows bytes in the largest unit that keeps the number above one.
pub fn human(bytes: u64) -> String {
    let (unit, factor) = match bytes {
        b if b >= 1 << 30 => ("GiB", 1u64 << 30),
        _ => ("MiB", 1 << 20),
    };
    let value = bytes as f64 / factor as f64;
    if (value - value.round()).abs() < 0.05 {
        format!("{} {unit}", value.round())
    } else {
        format!("{value:.1} {unit}")
    }
}
