//! What a lab needs from outside and is not on this computer: said before anything begins.

use serde::Serialize;

use crate::drivers::assets::binaries;
use crate::drivers::assets::goldens::Goldens;
use crate::drivers::assets::images::how_to_get;
use crate::engine::lab::open::Session;
use crate::kubernetes;
use crate::model::Platform;
use crate::model::assets::{Asset, AssetKind, Source, Wanted, assets, golden_name};

/// One asset that is not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingAsset {
    /// The asset.
    #[serde(flatten)]
    pub asset: Asset,
    /// How it is got, for people.
    pub how: String,
}

impl MissingAsset {
    /// Kind and name.
    pub fn what(&self) -> String {
        format!("{} {}", self.asset.kind.word(), self.asset.name)
    }
}

impl std::fmt::Display for MissingAsset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not here yet: {}; {}", self.what(), self.how)
    }
}

/// What a lab needs from outside and is not here, with the way to get it. Changes nothing.
pub fn missing_assets(session: &Session, platform: &Platform) -> Vec<MissingAsset> {
    let all = all_assets(session, platform).into_iter();
    let missing = all.filter_map(|asset| {
        let how = how(session, platform, &asset)?;
        Some(MissingAsset { asset, how })
    });
    missing.collect()
}

fn all_assets(session: &Session, platform: &Platform) -> Vec<Asset> {
    let folder = session.chosen_artifacts();
    let pods = (session.flavour().images)(platform.version);
    let wanted = Wanted {
        pods: &pods,
        binaries: session.flavour().binaries,
        folder: folder.as_deref(),
        containers: match session.flavour().is_a_cluster() {
            true => kubernetes::CONTAINER_IMAGES,
            false => &[],
        },
        outside: session.provider.reaches_outside(&session.lab),
    };
    assets(&session.lab, platform, &wanted)
}

/// How an asset is got; `None` for one that is here, or that guests get by themselves.
fn how(session: &Session, platform: &Platform, asset: &Asset) -> Option<String> {
    let cache = session.images.cache();
    match (asset.kind, &asset.source) {
        (AssetKind::Image, Source::Download(from)) => {
            // One that is here and not as it was is not downloaded over what stands on it.
            if session.images.local(&asset.name).is_some() {
                return session.images.image(&asset.name).err().map(|error| error.to_string());
            }
            if from.url.is_empty() {
                return Some(how_to_get(&session.images.os(&asset.name).ok()?));
            }
            let build = match session.images.os(&asset.name).ok()?.suite {
                Some(_) => format!("; without internet, `lab images build {}`", asset.name),
                None => String::new(),
            };
            Some(format!("`lab up` downloads it from {}{build}", from.url))
        }
        (AssetKind::Image, Source::Folder(file)) => {
            let is_here = session.images.local(&asset.name).is_some();
            (!is_here).then(|| format!("`lab up` copies it from {}", file.display()))
        }
        (AssetKind::Binary, Source::Download(from)) => {
            let dir = binaries::release_dir(platform.version, cache);
            let is_missing = !dir.join(&asset.name).exists();
            is_missing.then(|| {
                format!("`lab up` downloads it from {}; or LAB_ARTIFACTS=DIR has it", from.url)
            })
        }
        (AssetKind::ContainerImage, Source::Nowhere) => Some(
            "guests have no way to a registry: LAB_IMAGES=DIR names a folder with its archive"
                .into(),
        ),
        (AssetKind::Golden, _) => {
            let goldens = Goldens::new(cache).all();
            let is_here = goldens.iter().any(|(mould, _)| {
                golden_name(&mould.os, mould.cpus, mould.memory_mib) == asset.name
            });
            (!is_here).then(|| "`lab up` makes it: one guest boots first".into())
        }
        _ => None,
    }
}
