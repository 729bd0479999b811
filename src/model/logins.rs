//! Logins of registries, in the form in which `podman login` and `docker login` keep them.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use crate::model::flaw::Flaw;

/// Logins by registry. What is in them is never shown.
#[derive(Clone)]
pub struct Logins(Map<String, Value>);

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "logins of {}", self.registries().collect::<Vec<_>>().join(", "))
    }
}

const HELP: &str = "make it with `podman login --authfile FILE REGISTRY`";

impl Logins {
    /// Reads the text of such a file; what it holds besides logins is left out.
    ///
    /// # Errors
    /// Why nobody could log in with it. No login is in the message.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let refused = |message: String| Err(Flaw::new(message, HELP));
        let Ok(Value::Object(mut file)) = serde_json::from_str(text) else {
            return refused("it is no JSON object".into());
        };
        let auths = match file.remove("auths") {
            Some(Value::Object(auths)) => auths,
            _ => Map::new(),
        };
        let has =
            |login: &Value, key: &str| login[key].as_str().is_some_and(|text| !text.is_empty());
        // What kubelets read: tokens of an identity are not among it.
        let is_whole = |login: &Value| {
            login["auth"].as_str().is_some_and(is_login)
                || has(login, "username") && has(login, "password")
        };
        if let Some((registry, _)) = auths.iter().find(|(_, login)| !is_whole(login)) {
            let kept = file.contains_key("credsStore") || file.contains_key("credHelpers");
            let why = if kept { ": a helper of this computer keeps it" } else { "" };
            return refused(format!("it has no login for {registry:?}{why}"));
        }
        match auths.is_empty() {
            true => refused("it has no `auths`".into()),
            false => Ok(Self(auths)),
        }
    }

    /// Whose they are.
    pub fn registries(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The file as kubelets read it. A secret.
    pub fn file(&self) -> String {
        format!("{:#}\n", json!({ "auths": self.0 }))
    }
}

/// True for `user:password` in base64.
fn is_login(auth: &str) -> bool {
    let bytes = BASE64_STANDARD.decode(auth).unwrap_or_default();
    bytes.iter().position(|byte| *byte == b':').is_some_and(|at| at > 0 && at + 1 < bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_read_and_never_shown() {
        let text = r#"{"auths": {"a.example": {"auth": "bWU6d29yZA=="}}, "psFormat": "x"}"#;
        let logins = Logins::parse(text).ok();
        let shown = logins.as_ref().map(|logins| format!("{logins:?}"));
        assert_eq!(shown.as_deref(), Some("logins of a.example"));
        let file = logins.as_ref().map(Logins::file).unwrap_or_default();
        assert!(file.contains("bWU6d29yZA==") && !file.contains("psFormat"), "{file}");
        let told = |text: &str| Logins::parse(text).err().map(|flaw| flaw.message);
        assert_eq!(told("bWU6d29yZA==").as_deref(), Some("it is no JSON object"));
        assert_eq!(told("{}").as_deref(), Some("it has no `auths`"));
        let helped = r#"{"auths": {"a": {}}, "credsStore": "desktop"}"#;
        let wanted = "it has no login for \"a\": a helper of this computer keeps it";
        assert_eq!(told(helped).as_deref(), Some(wanted));
        for other in
            [r#"{"auths": {"a": {"auth": "bWU="}}}"#, r#"{"auths": {"a": {"identitytoken": "x"}}}"#]
        {
            assert_eq!(told(other).as_deref(), Some("it has no login for \"a\""));
        }
        let half = r#"{"auths": {"a": {"username": "me"}}}"#;
        assert_eq!(told(half).as_deref(), Some("it has no login for \"a\""));
    }
}
