//! Pictures of a lab: what there is and which way traffic goes, as text for other tools (mermaid,
//! dot), as an image (SVG) and as a page (HTML).

mod html;
mod scene;
mod svg;
mod text;

pub use html::html;
pub use scene::{Flow, Health, Row, Scene};
pub use svg::svg;
pub use text::{dot, mermaid};
