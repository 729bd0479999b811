//! What a person adds to a domain's document: elements come in, attributes and children that are there already are
//! replaced, devices are more.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, Writer};

use crate::render::templates::RenderError;

/// An element with what is in it.
struct Element {
    tag: BytesStart<'static>,
    children: Vec<Child>,
}

enum Child {
    Element(Element),
    /// Text and comments.
    Other(Event<'static>),
}

/// The document with `snippet` in it.
///
/// # Errors
/// When one of them is not XML.
pub(super) fn merged(document: &str, snippet: &str) -> Result<String, RenderError> {
    let bad = |error: String| RenderError::new(format!("add to a domain's document: {error}"));
    let mut whole = children(&mut Reader::from_str(document)).map_err(|e| bad(e.to_string()))?;
    let added = children(&mut Reader::from_str(snippet)).map_err(|e| bad(e.to_string()))?;
    let Some(Child::Element(domain)) = whole.iter_mut().find(|c| matches!(c, Child::Element(_)))
    else {
        return Err(bad("it has no element".into()));
    };
    for element in elements(added) {
        add(domain, element);
    }
    let mut writer = Writer::new(Vec::new());
    write(&mut writer, &whole).map_err(|error| bad(error.to_string()))?;
    String::from_utf8(writer.into_inner()).map_err(|error| bad(error.to_string()))
}

fn elements(children: Vec<Child>) -> impl Iterator<Item = Element> {
    children.into_iter().filter_map(|child| match child {
        Child::Element(element) => Some(element),
        Child::Other(_) => None,
    })
}

/// All that stands until the end of the element that was begun, or of the text.
fn children(reader: &mut Reader<&[u8]>) -> Result<Vec<Child>, quick_xml::Error> {
    let mut found = Vec::new();
    loop {
        match reader.read_event()? {
            Event::Eof | Event::End(_) => return Ok(found),
            Event::Start(tag) => {
                let tag = tag.into_owned();
                found.push(Child::Element(Element { tag, children: children(reader)? }));
            }
            Event::Empty(tag) => {
                let tag = tag.into_owned();
                found.push(Child::Element(Element { tag, children: Vec::new() }));
            }
            other => found.push(Child::Other(other.into_owned())),
        }
    }
}

impl Element {
    fn name(&self) -> String {
        self.tag.name().as_ref().to_owned()
    }

    fn child(&mut self, name: &str) -> Option<&mut Element> {
        self.children.iter_mut().find_map(|child| match child {
            Child::Element(element) if element.name() == name => Some(element),
            _ => None,
        })
    }
}

fn add(domain: &mut Element, element: Element) {
    let name = element.name();
    let Some(there) = domain.child(&name) else {
        domain.children.push(Child::Element(element));
        return;
    };
    for attribute in element.tag.attributes().flatten() {
        let others = there.tag.attributes().flatten().filter(|a| a.key != attribute.key);
        let mut tag = BytesStart::new(name.clone());
        others.for_each(|other| tag.push_attribute(other));
        tag.push_attribute(attribute);
        there.tag = tag;
    }
    let is_text =
        |child: &Child| matches!(child, Child::Other(Event::Text(text)) if !text.trim().is_empty());
    if element.children.iter().any(is_text) {
        there.children = element.children;
        return;
    }
    let added: Vec<Element> = elements(element.children).collect();
    let replaced = |child: &Child| match child {
        Child::Element(old) => added.iter().any(|new| new.name() == old.name()),
        Child::Other(_) => false,
    };
    if name != "devices" {
        there.children.retain(|child| !replaced(child));
    }
    there.children.extend(added.into_iter().map(Child::Element));
}

fn write(writer: &mut Writer<Vec<u8>>, children: &[Child]) -> std::io::Result<()> {
    for child in children {
        match child {
            Child::Other(event) => writer.write_event(event.borrow())?,
            Child::Element(element) if element.children.is_empty() => {
                writer.write_event(Event::Empty(element.tag.borrow()))?;
            }
            Child::Element(element) => {
                writer.write_event(Event::Start(element.tag.borrow()))?;
                write(writer, &element.children)?;
                writer.write_event(Event::End(element.tag.to_end()))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_replaced_and_devices_are_more() {
        let document = "<domain type=\"kvm\"><name>a&amp;b</name><features><acpi/></features><cpu mode=\"maximum\"/>\
                        <devices><rng model=\"virtio\"/></devices></domain>";
        let snippet = "<cpu mode='host-model'><topology sockets='1'/></cpu><features><pae/></features>\
                       <devices><rng model='other'/></devices><memtune/>";
        let wanted = "<domain type=\"kvm\"><name>a&amp;b</name><features><acpi/><pae/></features>\
                      <cpu mode=\"host-model\"><topology sockets='1'/></cpu>\
                      <devices><rng model=\"virtio\"/><rng model='other'/></devices><memtune/></domain>";
        assert_eq!(merged(document, snippet).unwrap_or_default(), wanted);
        let repeated = "<cpu><feature name='a'/><feature name='b'/></cpu><name>other</name>";
        let found = merged(document, repeated).unwrap_or_default();
        assert!(
            found.contains("<cpu mode=\"maximum\"><feature name='a'/><feature name='b'/></cpu>"),
            "{found}"
        );
        assert!(found.contains("<name>other</name>"), "{found}");
        assert_eq!(merged(document, "<!-- nothing -->").unwrap_or_default(), document);
    }
}
