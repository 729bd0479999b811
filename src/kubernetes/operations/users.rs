//! What people may do: bindings of roles that carry a label of lab's, by which they are found again.

use minijinja::context;

use crate::kubernetes::flavour::Script;
use crate::model::user::Grant;
use crate::render::Templates;

/// Binds the role; whatever lab had bound of that name before is replaced.
pub(crate) fn admit(templates: &Templates, grant: &Grant) -> Script {
    let Grant { user, role, namespace } = grant;
    templates.render("stages/operations/admit.sh.j2", &context! { user, role, namespace })
}

/// Takes away what [`admit`] gave; prints what that was.
pub(crate) fn dismiss(templates: &Templates, user: &str) -> Script {
    templates.render("stages/operations/dismiss.sh.j2", &context! { user })
}
