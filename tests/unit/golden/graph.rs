//! Pictures of every shipped topology: well-formed, whole, nothing on top of something else, nothing
//! from elsewhere.

use std::collections::BTreeMap;

use lab::model::Lab;
use lab::model::topology;
use lab::render::graph::{Flow, Health, Scene, dot, html, mermaid, svg};
use quick_xml::events::Event;

use crate::rig;

fn lab(name: &str) -> Lab {
    topology::load(&rig::shipped(name), &rig::owner()).unwrap().lab
}

fn scene(lab: &Lab) -> Scene {
    Scene::new(lab, None, &BTreeMap::new())
}

type Element = (String, BTreeMap<String, String>);

/// Every element with its attributes; the document must be well-formed.
fn elements(text: &str) -> Vec<Element> {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut all = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) | Event::Empty(start) => {
                let attributes = start.attributes().map(|attribute| {
                    let attribute = attribute.unwrap();
                    let key = attribute.key.as_ref().to_owned();
                    (key, attribute.value.into_owned())
                });
                let name = start.name().as_ref().to_owned();
                all.push((name, attributes.collect()));
            }
            Event::Eof => return all,
            _ => {}
        }
    }
}

fn boxes(all: &[Element]) -> Vec<[f64; 4]> {
    let is_box = |element: &&Element| element.1.get("class").is_some_and(|class| class == "box");
    let number = |element: &Element, key: &str| element.1[key].parse().unwrap();
    let corners = |element: &Element| ["x", "y", "width", "height"].map(|key| number(element, key));
    all.iter().filter(is_box).map(corners).collect()
}

#[test]
fn images_are_whole_and_nothing_covers_anything() {
    for name in rig::SHIPPED {
        let lab = lab(name);
        let text = svg(&scene(&lab), true);
        let all = elements(&text);
        let size: Vec<f64> = all[0].1["viewBox"].split(' ').map(|n| n.parse().unwrap()).collect();
        let boxes = boxes(&all);
        assert_eq!(boxes.len(), 1 + lab.vips.len() + lab.nodes.len(), "{name}");
        for (at, [x, y, width, height]) in boxes.iter().enumerate() {
            assert!(*x >= 0.0 && *y >= 0.0, "{name}");
            assert!(x + width <= size[2] && y + height <= size[3], "{name}: outside");
            for [left, top, wide, high] in &boxes[at + 1..] {
                let apart =
                    x + width < *left || left + wide < *x || y + height < *top || top + high < *y;
                assert!(apart, "{name}: two boxes overlap");
            }
        }
        for node in &lab.nodes {
            assert!(text.contains(&format!(">{}<", node.name)), "{name}: {}", node.name);
            assert!(text.contains(&format!(">{}<", node.address)), "{name}: {}", node.name);
        }
        let foreign = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!foreign.contains("http"), "{name}: something from elsewhere");
    }
}

#[test]
fn a_page_needs_nothing_but_itself() {
    let lab = lab("book");
    let health: BTreeMap<String, Health> =
        [("worker1".to_owned(), Health::Good), ("worker2".to_owned(), Health::Bad)].into();
    let holders = [("lb".to_owned(), "lb2".to_owned())].into();
    let page = html(&Scene::new(&lab, Some(&health), &holders));
    for forbidden in ["<script", "src=", "href=", "@import", "url("] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("width=device-width"), "phones would shrink it");
    assert_eq!(page.matches("<li class=\"good\">").count(), 1);
    assert_eq!(page.matches("<li class=\"bad\">").count(), 1);
    // Those that nobody heard of are off; the outside and floating addresses have no health.
    assert_eq!(page.matches("<li class=\"off\">").count(), 7);
    assert!(page.contains("on lb2"));
}

#[test]
fn what_a_name_holds_is_never_markup() {
    let mut lab = lab("three");
    lab.name = "<b>&\"]".into();
    let scene = scene(&lab);
    assert!(!elements(&svg(&scene, true)).iter().any(|(name, _)| name == "b"));
    assert!(!html(&scene).contains("<b>&\""));
    assert!(dot(&scene).contains("digraph \"<b>&\\\"]\""));
}

#[test]
fn the_book_in_words() {
    let scene = scene(&lab("book"));
    let mut wrong = Vec::new();
    rig::golden("graph/book.mmd", &mermaid(&scene), &mut wrong);
    rig::golden("graph/book.dot", &dot(&scene), &mut wrong);
    assert!(wrong.is_empty(), "read these, then `make golden`: {wrong:#?}");
    let flows: Vec<&str> = scene.flows().into_iter().map(Flow::word).collect();
    assert_eq!(flows, ["api", "held", "etcd", "web", "pods"]);
}
