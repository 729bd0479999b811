#![allow(clippy::unwrap_used)]

use super::*;
use crate::model::user_data::Document;

fn files(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    all.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

const OBJECT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

#[test]
fn a_folder_of_manifests_is_enough() {
    let addon = Addon::of("mine", files(&[("b.yaml", OBJECT), ("a.yml", OBJECT), ("x.txt", "")]));
    let addon = addon.unwrap();
    assert_eq!(addon.manifests, ["a.yml", "b.yaml"]);
    assert_eq!((addon.title.as_str(), addon.is_shipped), ("mine", false));
}

#[test]
fn what_cannot_be_an_addon_says_why() {
    let told = |all: &[(&str, &str)]| Addon::of("mine", files(all)).unwrap_err().message;
    assert_eq!(told(&[]), "the add-on 'mine' has no manifest");
    let named = told(&[("addon.yaml", "title: M\nmanifests: [no.yaml]\n")]);
    assert_eq!(named, "the add-on 'mine' has no file 'no.yaml'");
    assert!(told(&[("addon.yaml", "name: M\n")]).contains("addon.yaml of the add-on 'mine': "));
    let broken = told(&[("a.yaml", &format!("{OBJECT}---\nkind: Pod\n"))]);
    assert!(broken.contains("a.yaml: the document in line 4 is no object"), "{broken}");
    let rule = "title: M\nparameters: {size: {is: number, says: x, most: 3, default: 4}}\n";
    let broken = told(&[("addon.yaml", rule), ("a.yaml", OBJECT)]);
    assert!(broken.contains("'size' cannot be that"), "{broken}");
}

#[test]
fn parameters_are_what_their_rules_allow() {
    let rule = |text: &str| serde_saphyr::from_str::<Rule>(text).unwrap();
    let plain = |text: &str| Document::Plain(text.into());
    let number = rule("{is: number, says: n, least: 1, most: 9, default: 2}");
    assert_eq!(number.read("n", &plain("3")).ok(), Some(Parameter::Number(3)));
    for wrong in [plain("0"), plain("10"), plain("x"), Document::Text("3".into())] {
        let flaw = number.read("n", &wrong).unwrap_err();
        assert_eq!(flaw.help, "write 1 to 9; without a word it is 2");
    }
    let switch = rule("{is: switch, says: s}");
    assert_eq!(switch.read("s", &plain("true")).ok(), Some(Parameter::Switch(true)));
    assert!(switch.read("s", &plain("yes")).is_err());
    let text = rule("{is: text, says: t, one_of: [a, b]}");
    assert_eq!(text.read("t", &plain("a")).ok(), Some(Parameter::Text("a".into())));
    assert!(text.read("t", &Document::Text("c".into())).is_err());
    let lines = rule("{is: text, says: t}").read("t", &Document::Text("a\nb".into()));
    assert!(lines.is_err());
}

#[test]
fn objects_come_in_the_order_that_the_api_can_take() {
    let text = "# first\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: site}\n\
                --- # of the site\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: site\n---\n---\n\
                apiVersion: v1\nkind: Namespace\nmetadata: {name: kube-system}\n---\n\
                apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a.b}\n";
    let manifest = Manifest::parse(text).unwrap();
    let ordered = manifest.text();
    let place = |word: &str| ordered.find(word).unwrap();
    assert!(place("name: site\n") < place("name: web") && place("name: a.b") < place("name: web"));
    let web = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"site"}}"#;
    assert_eq!(manifest.lines()[0], web);
    assert_eq!(manifest.lines().len(), 3, "kube-system is everybody's");
    let web = Workload { kind: "deployment", name: "web", namespace: "site" };
    assert_eq!(manifest.workloads(), [web]);
    assert_eq!(manifest.definitions().unwrap().matches("kind:").count(), 1);
}

#[test]
fn images_are_known_by_the_last_word_of_their_repository() {
    let images: Images =
        serde_saphyr::from_str("{registry: r.io, releases: {20: 'x/web:1', 25: 'web:2'}}").unwrap();
    let of = |text: &str| images.of(Version::parse(text).unwrap());
    assert_eq!(of("1.24.3").as_deref(), Some("r.io/x/web:1"));
    assert_eq!(of("1.30.0").as_deref(), Some("r.io/web:2"));
    assert!(images.is_one("localhost:5000/mine/web@sha256:12") && images.is_one("web"));
    assert!(!images.is_one("r.io/webs:1") && !images.is_one("web/other:1"));
}

#[test]
fn every_shipped_addon_is_one() {
    for addon in all() {
        assert!(!addon.why.is_empty(), "{}", addon.name);
        let needs = addon.needs.iter();
        assert!(needs.into_iter().all(|need| shipped(need).is_some()), "{}", addon.name);
    }
}
