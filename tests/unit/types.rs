//! Errors are types: no text stands in for one, and no pair of texts goes about without names.

use std::fs;
use std::path::Path;

use syn::visit::Visit;

use crate::architecture::sources;

/// Types that say nothing of what they hold: an error that is a text, and two texts of which nobody
/// knows which is which.
#[derive(Default)]
struct Untyped(Vec<&'static str>);

fn is_string(ty: &syn::Type) -> bool {
    matches!(ty, syn::Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "String"))
}

impl<'ast> Visit<'ast> for Untyped {
    fn visit_type_tuple(&mut self, tuple: &'ast syn::TypeTuple) {
        if tuple.elems.len() == 2 && tuple.elems.iter().all(is_string) {
            self.0.push("(String, String)");
        }
        syn::visit::visit_type_tuple(self, tuple);
    }

    fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
        if let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments
            && segment.ident == "Result"
            && let Some(syn::GenericArgument::Type(error)) = arguments.args.iter().nth(1)
            && is_string(error)
        {
            self.0.push("Result<_, String>");
        }
        syn::visit::visit_path_segment(self, segment);
    }
}

fn untyped(source: &str) -> Vec<&'static str> {
    let mut found = Untyped::default();
    found.visit_file(&syn::parse_file(source).unwrap());
    found.0
}

#[test]
fn errors_are_types_and_pairs_have_names() {
    let mut wrong = Vec::new();
    for path in sources(Path::new("src")) {
        let found = untyped(&fs::read_to_string(&path).unwrap());
        wrong.extend(found.iter().map(|what| format!("{}: {what}", path.display())));
    }
    assert!(wrong.is_empty(), "texts in place of types:\n{}", wrong.join("\n"));
}

#[test]
fn texts_in_place_of_types_are_found_wherever_they_stand() {
    let code = "fn a() -> std::result::Result<Vec<u8>, String> {}
        struct B { b: Option<(String, String)> }
        fn good() -> Result<String, Error> {}
        type C = std::collections::BTreeMap<(String, u8), io::Result<String>>;";
    assert_eq!(untyped(code), ["Result<_, String>", "(String, String)"]);
}
