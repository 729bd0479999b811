//! Taking a stage off a node that no longer has it. What is there to be taken follows from the steps
//! that brought it: units, files, links and directories, without those that another stage of the node
//! still has.

use minijinja::context;

use crate::kubernetes::flavour::Flavour;
use crate::kubernetes::marker;
use crate::kubernetes::operations::traces::Traces;
use crate::kubernetes::stage::{Context, Retire, Stage, StageError};
use crate::model::Node;

/// Script that takes `stage` off `node`, which keeps the other stages that it has in the lab of `context`.
///
/// # Errors
/// When steps cannot be made or the script cannot be rendered.
pub fn script(
    flavour: &Flavour,
    stage: &Stage,
    context: &Context<'_>,
    node: &Node,
) -> Result<String, StageError> {
    let mut kept = Traces::default();
    let others = flavour.stages_of(context.lab, node).filter(|other| other.name != stage.name);
    for other in others {
        let traces = Traces::of(&(other.steps)(context, node)?);
        kept.units.extend(traces.units);
        kept.files.extend(traces.files);
        kept.directories.extend(traces.directories);
    }
    let left = Traces::left(stage, context, node)?;
    let units = left.units.iter().rev().filter(|unit| !kept.units.contains(unit));
    let files = left.files.difference(&kept.files);
    let data = match stage.retire {
        Retire::Never => &[][..],
        Retire::WithData(directories) => directories,
    };
    let data = data.iter().filter(|directory| !kept.needs(directory));
    // The deepest first: then those above are empty.
    let directories = left.directories.iter().rev().filter(|directory| !kept.needs(directory));
    Ok(context.templates.render(
        "stages/operations/retire.sh.j2",
        &context! {
            units => units.cloned().collect::<Vec<_>>(),
            files => files.cloned().collect::<Vec<_>>(),
            data => data.copied().collect::<Vec<_>>(),
            directories => directories.cloned().collect::<Vec<_>>(),
            undone => stage.undone,
            marker => format!("{}{}", marker::DIRECTORY, stage.name),
        },
    )?)
}
