//! The objects of an add-on: its manifests, rendered.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::kubernetes::stage::{Context, StageError};
use crate::model::addon::{Addon, Manifest, Parameter, TEMPLATE, Used};
use crate::model::{Lab, Role};
use crate::render::{RenderError, Templates};

/// What manifests of add-ons may put in.
#[derive(Serialize)]
struct Data<'a> {
    lab: &'a Lab,
    /// Its images, by the names that it has for them.
    images: &'a BTreeMap<String, String>,
    /// What the topology tells it.
    parameters: &'a BTreeMap<String, Parameter>,
    /// Address of the cluster's DNS service.
    dns_service: String,
    /// Two, where two workers are there to have one each.
    replicas: usize,
    /// Minor release of Kubernetes.
    minor: u32,
    /// Its `texts`.
    texts: BTreeMap<&'a str, String>,
}

/// All objects, where the add-on's images can be had.
pub(super) fn manifest(context: &Context<'_>, used: &Used) -> Result<Option<Manifest>, StageError> {
    let addon = &used.addon;
    let Some(images) = context.platform.addon_images.get(&addon.name) else { return Ok(None) };
    let lab = context.lab;
    let mut data = Data {
        lab,
        images,
        parameters: &used.parameters,
        dns_service: lab.kubernetes.dns_service().to_string(),
        replicas: lab.with_role(Role::Worker).count().clamp(1, 2),
        minor: context.platform.version.minor,
        texts: BTreeMap::new(),
    };
    for (name, file) in &addon.texts {
        let text = rendered(context.templates, addon, file, &data)?;
        data.texts.insert(name, text);
    }
    let mut all = Manifest::default();
    for file in &addon.manifests {
        let text = rendered(context.templates, addon, file, &data)?;
        all.extend(Manifest::parse(&text).map_err(|flaw| {
            StageError(format!("the add-on '{}': {file}: {}", addon.name, flaw.message))
        })?);
    }
    Ok(Some(all))
}

/// A file of the add-on as it counts: people may have shipped templates of their own, and their own add-ons in full.
pub(super) fn rendered(
    templates: &Templates,
    addon: &Addon,
    file: &str,
    data: &impl Serialize,
) -> Result<String, RenderError> {
    let name = addon.template(file);
    match addon.files.get(file) {
        Some(text) if !file.ends_with(TEMPLATE) => Ok(text.clone()),
        Some(text) if !addon.is_shipped => templates.render_text(&name, text, data),
        _ => templates.render(&name, data),
    }
}
