//! What a table of the grammar is made of.

use crate::model::code::Code;
use crate::model::flaw::Flaw;
use crate::model::topology::preset::Preset;
use crate::model::topology::schema::pairs::Pairs;

/// A mapping with known fields.
#[derive(Debug)]
pub struct Table {
    /// What an error message calls it: "node group", "network".
    pub name: &'static str,
    /// Its fields, in the order they are documented.
    pub fields: &'static [Field],
}

/// One known field.
#[derive(Debug)]
pub struct Field {
    /// Key in the file.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// True when it must be there.
    pub required: bool,
    /// One sentence for a person.
    meaning: &'static str,
    /// What counts where it is absent.
    pub preset: Preset,
}

impl Field {
    /// The same field with what counts where it is absent.
    pub(super) const fn or(self, preset: Preset) -> Self {
        Self { preset, ..self }
    }

    /// What it means and what counts without it, for a person.
    pub fn doc(&self) -> String {
        match self.preset.told() {
            Some(default) => format!("{} Default: {default}", self.meaning),
            None => self.meaning.to_owned(),
        }
    }
}

/// What a field can hold.
#[derive(Debug)]
pub enum Kind {
    /// An RFC 1123 label of at most so many characters.
    Label(usize),
    /// A name with a place for a number.
    Pattern,
    /// A login name.
    Login,
    /// A dotted domain name.
    Domain,
    /// A whole number in a range.
    Integer(u64, u64),
    /// An amount with a unit.
    Size,
    /// An IPv4 address.
    Address,
    /// An IPv4 network.
    Network,
    /// An address range, `10.0.0.100-10.0.0.200`.
    AddressRange,
    /// A unicast MAC address.
    Mac,
    /// A Kubernetes version.
    Version,
    /// A path, relative to the topology file.
    Path,
    /// The same of a folder, or what stands there once it was read: its name, and its files.
    Folder,
    /// An OpenSSH public key line.
    PublicKey,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of the words that are listed by what is shipped: a folder each.
    Shipped(fn() -> &'static [&'static str]),
    /// The same, or a mapping where there is more to say than a word.
    WordOr(fn() -> &'static [&'static str], &'static Table),
    /// A list, also an empty one, of these words, or of mappings where there is more to say than a word.
    Set(fn() -> &'static [&'static str], &'static Table),
    /// `true` or `false`.
    Boolean,
    /// A list of one kind.
    List(&'static Kind),
    /// A list of one kind that may be empty.
    MayBeEmpty(&'static Kind),
    /// A nested mapping, or this word.
    TableOr(&'static str, &'static Table),
    /// A nested mapping, or text that this judges where there is no more to say.
    TableOrText(fn(&str) -> Result<(), Flaw>, &'static Table),
    /// A mapping from names to one kind.
    Named(&'static Kind),
    /// A mapping from keys of their own grammar to one kind.
    Keyed(&'static Keys, &'static Kind),
    /// Text that this judges.
    Text(fn(&str) -> Result<(), Flaw>),
    /// How long a certificate lives.
    Lifetime,
    /// A nested mapping.
    Table(&'static Table),
    /// A mapping whose keys people choose.
    Pairs(&'static Pairs),
    /// A name or an address that a certificate has.
    Host,
    /// A taint, as kubectl writes it.
    Taint,
    /// What a person gives cloud-init: cloud-config, a script, or a list of these.
    UserData,
}

/// The keys of a mapping.
#[derive(Debug)]
pub struct Keys {
    /// Judges one.
    pub judge: fn(&str) -> Result<(), Flaw>,
    /// The code of what is wrong with one.
    pub code: &'static Code,
    /// What they are, for the reference: "name".
    pub what: &'static str,
}

pub(super) const fn need(name: &'static str, kind: Kind, meaning: &'static str) -> Field {
    Field { name, kind, required: true, meaning, preset: Preset::Nothing }
}

pub(super) const fn may(name: &'static str, kind: Kind, meaning: &'static str) -> Field {
    Field { name, kind, required: false, meaning, preset: Preset::Nothing }
}
