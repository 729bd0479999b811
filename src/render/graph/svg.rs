//! An image that a person would put into a talk: rows of boxes, one colour per kind of traffic.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use quick_xml::escape::escape;

use crate::render::graph::scene::{Edge, Flow, Health, Item, Kind, Row, Scene};

const BOX: (f64, f64) = (186.0, 98.0);
const GAP: (f64, f64) = (34.0, 84.0);
/// Between the two halves of a row: a way for lines that pass by.
const AISLE: f64 = 90.0;
const MARGIN: f64 = 40.0;
const HEADING: f64 = 84.0;
const LEGEND: f64 = 66.0;
/// Characters of a line in a box.
const FITS: usize = 25;

const STYLE: &str = "\
.page{fill:#fbfbf9}.title{font:700 24px system-ui,sans-serif;fill:#1c2733}\
.small{font:13px system-ui,sans-serif;fill:#5a6772}\
.name{font:600 15px system-ui,sans-serif;fill:#1c2733}\
.line{font:12px ui-monospace,monospace;fill:#46525d}\
.box{fill:#fff;stroke:#9aa5ae;stroke-width:1.5}\
.stripe-etcd{fill:#b7791f}.stripe-control-plane{fill:#2b6cb0}.stripe-worker{fill:#2f855a}\
.stripe-load-balancer{fill:#805ad5}.stripe-outside{fill:#4a5568}.stripe-floating-address{fill:#d53f8c}\
.edge{fill:none;stroke-width:1.7;opacity:.75}\
.api{stroke:#2b6cb0}.held{stroke:#d53f8c;stroke-dasharray:5 4}.etcd{stroke:#b7791f}\
.web{stroke:#805ad5}.pods{stroke:#2f855a;stroke-dasharray:2 3}\
.good{fill:#2f855a}.bad{fill:#c53030}.off{fill:#a0aec0}";

/// Centre of a box.
#[derive(Clone, Copy)]
struct Place {
    x: f64,
    y: f64,
    row: usize,
    side: Side,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Middle,
    Left,
    Right,
}

/// Where everything is.
struct Layout<'s> {
    width: f64,
    height: f64,
    /// Where lines pass between the halves.
    aisle: f64,
    places: BTreeMap<&'s str, Place>,
}

/// Width of so many boxes side by side.
fn span(count: usize) -> f64 {
    (count as f64 * (BOX.0 + GAP.0) - GAP.0).max(0.0)
}

impl<'s> Layout<'s> {
    fn new(scene: &'s Scene, top: f64) -> Self {
        let widest = |half: fn(&Row) -> usize| scene.rows.iter().map(half).max().unwrap_or(0);
        let (left, right) =
            (span(widest(|row| row.left.len())), span(widest(|row| row.right.len())));
        let between = if left > 0.0 && right > 0.0 { AISLE } else { 0.0 };
        let content = (left + between + right).max(legend_width(scene)).max(560.0);
        let width = content + 2.0 * MARGIN;
        let start = (width - left - between - right) / 2.0;
        let mut places = BTreeMap::new();
        for (row, items) in scene.rows.iter().enumerate() {
            let y = top + row as f64 * (BOX.1 + GAP.1) + BOX.1 / 2.0;
            for (half, side, centre) in [
                (&items.middle, Side::Middle, width / 2.0),
                (&items.left, Side::Left, start + left / 2.0),
                (&items.right, Side::Right, start + left + between + right / 2.0),
            ] {
                let first = centre - span(half.len()) / 2.0 + BOX.0 / 2.0;
                for (column, item) in half.iter().enumerate() {
                    let x = first + column as f64 * (BOX.0 + GAP.0);
                    places.insert(item.id.as_str(), Place { x, y, row, side });
                }
            }
        }
        let rows = scene.rows.len() as f64;
        let height = top + rows * (BOX.1 + GAP.1) - GAP.1 + LEGEND + MARGIN;
        Self { width, height, aisle: start + left + between / 2.0, places }
    }
}

/// The image, with everything in it that it needs; `heading` says which lab it is.
pub fn svg(scene: &Scene, heading: bool) -> String {
    let layout = Layout::new(scene, if heading { HEADING } else { MARGIN });
    let (width, height) = (layout.width, layout.height);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-label=\"the lab {}\">\n<style>{STYLE}</style>\n<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n",
        escape(&scene.title)
    );
    if heading {
        label(&mut text, "title", MARGIN, 42.0, "start", &scene.title);
        label(&mut text, "small", MARGIN, 63.0, "start", &scene.subtitle);
    }
    for edge in &scene.edges {
        line(&mut text, edge, &layout);
    }
    for item in scene.items() {
        if let Some(place) = layout.places.get(item.id.as_str()) {
            draw(&mut text, item, *place);
        }
    }
    let mut x = MARGIN;
    for flow in scene.flows() {
        entry(
            &mut text,
            flow.word(),
            &flow.meaning(scene.api_port),
            x,
            height - MARGIN / 2.0 - 8.0,
        );
        x += entry_width(&flow.meaning(scene.api_port));
    }
    text.push_str("</svg>\n");
    text
}

/// A letter of the small kind is about seven wide.
fn entry_width(meaning: &str) -> f64 {
    60.0 + meaning.len() as f64 * 7.2
}

fn legend_width(scene: &Scene) -> f64 {
    scene.flows().into_iter().map(|flow| entry_width(&flow.meaning(scene.api_port))).sum()
}

fn label(text: &mut String, class: &str, x: f64, y: f64, anchor: &str, words: &str) {
    let _ = writeln!(
        text,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
        escape(words)
    );
}

/// A line leaves below and arrives above, bends around where both stand in one row, and takes the aisle
/// where it would pass behind a box.
fn line(text: &mut String, edge: &Edge, layout: &Layout<'_>) {
    let (Some(from), Some(to)) =
        (layout.places.get(edge.from.as_str()), layout.places.get(edge.to.as_str()))
    else {
        return;
    };
    let _ = writeln!(
        text,
        "<path class=\"edge {}\" d=\"{}\"/>",
        edge.flow.word(),
        path(*from, *to, edge.flow, layout.aisle)
    );
}

fn path(from: Place, to: Place, flow: Flow, aisle: f64) -> String {
    let half = BOX.1 / 2.0;
    // Kinds of traffic leave a box side by side, so that they can be told apart.
    let lane = (flow as usize as f64 - 2.0) * 14.0;
    let (x1, x2) = (from.x + lane, to.x + lane);
    if from.row == to.row {
        let (y, low) = (from.y + half, from.y + half + 24.0 + flow as usize as f64 * 9.0);
        return format!("M{x1:.1} {y:.1} C{x1:.1} {low:.1} {x2:.1} {low:.1} {x2:.1} {y:.1}");
    }
    let down = if from.row < to.row { 1.0 } else { -1.0 };
    let (y1, y2) = (from.y + half * down, to.y - half * down);
    let far = from.row.abs_diff(to.row) > 1;
    if far && from.side != to.side && from.side != Side::Middle {
        let pull = GAP.1 / 2.0 * down;
        let (turn, back) = (y1 + pull, y2 - pull);
        return format!(
            "M{x1:.1} {y1:.1} C{x1:.1} {turn:.1} {aisle:.1} {y1:.1} {aisle:.1} {:.1} L{aisle:.1} {:.1} C{aisle:.1} {y2:.1} {x2:.1} {back:.1} {x2:.1} {y2:.1}",
            turn + pull,
            back - pull
        );
    }
    let pull = ((y2 - y1).abs() / 2.0).min(90.0) * down;
    let (a, b) = (y1 + pull, y2 - pull);
    format!("M{x1:.1} {y1:.1} C{x1:.1} {a:.1} {x2:.1} {b:.1} {x2:.1} {y2:.1}")
}

fn draw(text: &mut String, item: &Item, place: Place) {
    let (x, y) = (place.x - BOX.0 / 2.0, place.y - BOX.1 / 2.0);
    let radius = if item.kind == Kind::Floating { BOX.1 / 2.0 } else { 9.0 };
    let _ = writeln!(
        text,
        "<g><title>{}</title><rect class=\"box\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{}\" height=\"{}\" rx=\"{radius}\"/>",
        escape(&item.name),
        BOX.0,
        BOX.1
    );
    let stripe = item.kind.word();
    let _ = writeln!(
        text,
        "<rect class=\"stripe-{stripe}\" x=\"{:.1}\" y=\"{:.1}\" width=\"72\" height=\"5\" rx=\"2.5\"/>",
        place.x - 36.0,
        y - 2.5
    );
    if let Some(health) = item.health {
        let class = match health {
            Health::Good => "good",
            Health::Bad => "bad",
            Health::Off => "off",
        };
        let _ = writeln!(
            text,
            "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"6\"/>",
            x + BOX.0 - 14.0,
            y + 16.0
        );
    }
    label(text, "name", place.x, y + 26.0, "middle", &item.name);
    label(text, "line", place.x, y + 44.0, "middle", &item.address);
    let lines = item.lines.iter().flat_map(|line| wrapped(line));
    for (number, words) in lines.take(3).enumerate() {
        label(text, "line", place.x, y + 60.0 + number as f64 * 15.0, "middle", &words);
    }
    text.push_str("</g>\n");
}

/// Words in lines as wide as a box; a word that is wider is cut.
fn wrapped(words: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split(' ') {
        let word: String = match word.chars().count() > FITS {
            true => word.chars().take(FITS - 1).chain(['…']).collect(),
            false => word.into(),
        };
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= FITS => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

fn entry(text: &mut String, word: &str, meaning: &str, x: f64, y: f64) {
    let _ = writeln!(text, "<path class=\"edge {word}\" d=\"M{x:.1} {y:.1} h26\"/>");
    label(text, "small", x + 33.0, y + 4.0, "start", meaning);
}
