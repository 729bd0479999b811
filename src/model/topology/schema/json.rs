//! The same table as JSON Schema, for editors.

use serde_json::{Value as Json, json};

use crate::model::topology::schema::pairs::Held;
use crate::model::topology::schema::{Kind, TOPOLOGY, Table};

/// Fields of a person's own, see [`OWN`](crate::model::topology::schema::OWN).
const OWN_FIELD: &str = "^x-";

/// The JSON Schema (2020-12) of the topology file.
pub fn json_schema() -> Json {
    let mut schema = table_schema(&TOPOLOGY);
    if let Some(map) = schema.as_object_mut() {
        map.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        map.insert("title".into(), json!("lab topology"));
    }
    schema
}

fn table_schema(table: &Table) -> Json {
    let properties: serde_json::Map<String, Json> = table
        .fields
        .iter()
        .map(|field| {
            let mut schema = kind_schema(&field.kind);
            if let Some(map) = schema.as_object_mut() {
                map.insert("description".into(), json!(field.doc()));
            }
            (field.name.to_owned(), schema)
        })
        .collect();
    let required: Vec<_> = table.fields.iter().filter(|f| f.required).map(|f| f.name).collect();
    json!({"type": "object", "additionalProperties": false, "properties": properties,
           "patternProperties": {OWN_FIELD: true}, "required": required})
}

fn kind_schema(kind: &Kind) -> Json {
    const ADDRESS: &str = r"([0-9]{1,3}\.){3}[0-9]{1,3}";
    match kind {
        Kind::Label(max) => json!({"type": "string", "maxLength": max,
            "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}),
        Kind::Pattern => json!({"type": "string", "maxLength": 40,
            "pattern": "^[-a-z0-9]*(%(0[1-9])?d)?[-a-z0-9]*$"}),
        Kind::Login => json!({"type": "string", "maxLength": 31,
            "pattern": "^[a-z][-a-z0-9]*$"}),
        Kind::Domain => json!({"type": "string", "pattern": "^[a-z0-9][-a-z0-9.]*$"}),
        Kind::Integer(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Size => json!({"type": "string",
            "pattern": "^[0-9.]+ ?(MiB|GiB|TiB|Mi|Gi|Ti|MB|GB|TB)$", "examples": ["2GiB"]}),
        Kind::Address => json!({"type": "string", "pattern": format!("^{ADDRESS}$")}),
        Kind::Network => json!({"type": "string", "pattern": format!("^{ADDRESS}/[0-9]{{1,2}}$")}),
        Kind::AddressRange => {
            json!({"type": "string", "pattern": format!("^{ADDRESS} ?- ?{ADDRESS}$")})
        }
        Kind::Mac => json!({"type": "string", "pattern": "^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$"}),
        Kind::Version => json!({"type": "string", "pattern": r"^v?1\.[0-9]+\.[0-9]+"}),
        Kind::Path | Kind::Folder | Kind::PublicKey => json!({"type": "string"}),
        Kind::Choice(words) => json!({"enum": words}),
        Kind::Shipped(words) => json!({"enum": words()}),
        Kind::WordOr(words, table) => json!({"anyOf": [
            {"type": "string", "examples": words()}, table_schema(table)]}),
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::Set(words, table) => json!({"type": "array", "uniqueItems": true,
            "items": {"anyOf": [{"enum": words()}, table_schema(table)]}}),
        Kind::List(item) => json!({"type": "array", "minItems": 1, "items": kind_schema(item)}),
        Kind::MayBeEmpty(item) => json!({"type": "array", "items": kind_schema(item)}),
        Kind::Named(item) => json!({"type": "object", "additionalProperties": kind_schema(item)}),
        Kind::Keyed(_, item) => {
            json!({"type": "object", "additionalProperties": kind_schema(item)})
        }
        Kind::Text(_) => json!({"type": "string"}),
        Kind::Lifetime => json!({"type": "string", "pattern": "^[0-9]+[hd]$"}),
        Kind::Table(table) => table_schema(table),
        Kind::TableOr(word, table) => json!({"anyOf": [{"const": word}, table_schema(table)]}),
        Kind::TableOrText(_, table) => {
            json!({"anyOf": [{"type": "string"}, table_schema(table)]})
        }
        Kind::Pairs(pairs) => json!({"type": "object", "additionalProperties": match pairs.held {
            Held::Text(_) => json!({"type": ["string", "number", "boolean", "null"]}),
            Held::Truth => json!({"type": "boolean"}),
            Held::Anything => json!(true),
        }}),
        Kind::Host => json!({"type": "string", "maxLength": 200}),
        Kind::Taint => json!({"type": "string",
            "pattern": "^[^:=]+(=[^:=]*)?:(NoSchedule|PreferNoSchedule|NoExecute)$"}),
        Kind::UserData => {
            let one = json!([{"type": "object"}, {"type": "string", "pattern": "^(#!|#cloud-config[ \\t\\r]*(\\n|$)|\\.{0,2}/)"}]);
            json!({"anyOf": [one[0], one[1], {"type": "array", "items": {"anyOf": one}}]})
        }
    }
}
