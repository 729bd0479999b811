//! For tools that lay out by themselves.

use crate::render::graph::scene::{Flow, Health, Item, Kind, Scene};

/// A Mermaid flow chart, as Markdown pages show it.
pub fn mermaid(scene: &Scene) -> String {
    let ids =
        |id: &str| format!("n{}", scene.items().position(|item| item.id == id).unwrap_or_default());
    let mut text = format!("%% lab {}\nflowchart TD\n", scene.title);
    for item in scene.items() {
        let label = lines(item).join("<br/>").replace('"', "#quot;");
        let (open, close) = match item.kind {
            Kind::Outside => ("((", "))"),
            Kind::Floating => ("([", "])"),
            Kind::Node(_) => ("[", "]"),
        };
        let class = class(item);
        text.push_str(&format!("  {}{open}\"{label}\"{close}:::{class}\n", ids(&item.id)));
    }
    for edge in &scene.edges {
        let arrow = match edge.flow {
            Flow::Held => "-.->",
            Flow::Pods => "<-->",
            _ => "-->",
        };
        let (from, to) = (ids(&edge.from), ids(&edge.to));
        text.push_str(&format!("  {from} {arrow}|{}| {to}\n", edge.flow.word()));
    }
    text.push_str("  classDef good stroke:#2e8b57,stroke-width:3px\n  classDef bad stroke:#c0392b,stroke-width:3px\n  classDef off stroke-dasharray:4 4\n  classDef plain stroke-width:1px\n");
    text
}

fn class(item: &Item) -> &'static str {
    match item.health {
        Some(Health::Good) => "good",
        Some(Health::Bad) => "bad",
        Some(Health::Off) => "off",
        None => "plain",
    }
}

/// A Graphviz graph.
pub fn dot(scene: &Scene) -> String {
    let quote = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut text = format!(
        "digraph {} {{\n  label={};\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n",
        quote(&scene.title),
        quote(&format!("{} · {}", scene.title, scene.subtitle))
    );
    for row in &scene.rows {
        text.push_str("  { rank=same;\n");
        for item in row.items() {
            let colour = match class(item) {
                "good" => ", color=seagreen, penwidth=2",
                "bad" => ", color=firebrick, penwidth=2",
                "off" => ", style=\"rounded,dashed\"",
                _ => "",
            };
            let shape = if item.kind == Kind::Floating { ", shape=oval" } else { "" };
            let label = quote(&lines(item).join("\n")).replace('\n', "\\n");
            text.push_str(&format!("    {} [label={label}{shape}{colour}];\n", quote(&item.id)));
        }
        text.push_str("  }\n");
    }
    for edge in &scene.edges {
        let style = match edge.flow {
            Flow::Held => ", style=dashed",
            Flow::Pods => ", dir=both, constraint=false",
            _ => "",
        };
        text.push_str(&format!(
            "  {} -> {} [label={}{style}];\n",
            quote(&edge.from),
            quote(&edge.to),
            quote(edge.flow.word())
        ));
    }
    text + "}\n"
}

fn lines(item: &Item) -> Vec<String> {
    let head = [item.name.clone(), item.address.clone()];
    head.into_iter().chain(item.lines.iter().cloned()).collect()
}
