//! A page that needs nothing but itself.

use std::fmt::Write as _;

use quick_xml::escape::escape;

use crate::render::graph::scene::{Health, Item, Scene};
use crate::render::graph::svg::svg;

const STYLE: &str = "\
:root{color-scheme:light}*{box-sizing:border-box}\
body{margin:0;padding:24px;background:#fbfbf9;color:#1c2733;font:16px/1.5 system-ui,sans-serif}\
main{max-width:1180px;margin:0 auto}h1{margin:0;font-size:28px}p{margin:4px 0 20px;color:#5a6772}\
.picture{overflow-x:auto;border:1px solid #dfe3e6;border-radius:12px;background:#fbfbf9}\
.picture svg{display:block;margin:0 auto;max-width:100%;height:auto}\
ul{list-style:none;padding:0;margin:24px 0 0;display:grid;gap:12px;grid-template-columns:repeat(auto-fill,minmax(240px,1fr))}\
li{background:#fff;border:1px solid #dfe3e6;border-radius:10px;padding:12px 14px}\
li b{display:block;overflow-wrap:anywhere}li span{display:block;color:#46525d;font-size:14px;overflow-wrap:anywhere}\
.good{border-left:5px solid #2f855a}.bad{border-left:5px solid #c53030}.off{border-left:5px solid #a0aec0}\
@media(max-width:600px){body{padding:14px}h1{font-size:22px}}";

/// The page.
pub fn html(scene: &Scene) -> String {
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>lab {0}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{0}</h1>\n<p>{1}</p>\n<div class=\"picture\" tabindex=\"0\">\n{2}</div>\n<ul>\n",
        escape(&scene.title),
        escape(&scene.subtitle),
        svg(scene, false)
    );
    for item in scene.items() {
        card(&mut text, item);
    }
    text.push_str("</ul>\n</main>\n</body>\n</html>\n");
    text
}

fn card(text: &mut String, item: &Item) {
    let (class, word) = match item.health {
        Some(Health::Good) => ("good", "up"),
        Some(Health::Bad) => ("bad", "not well"),
        Some(Health::Off) => ("off", "off"),
        None => ("plain", ""),
    };
    let lines = std::iter::once(&item.address).chain(&item.lines);
    let lines: String = lines.map(|line| format!("<span>{}</span>", escape(line))).collect();
    let word = if word.is_empty() { String::new() } else { format!("<span>{word}</span>") };
    let _ = writeln!(text, "<li class=\"{class}\"><b>{}</b>{lines}{word}</li>", escape(&item.name));
}
