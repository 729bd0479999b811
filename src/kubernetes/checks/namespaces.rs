//! Namespaces that checks work in. Each is labelled as ours, and has the word of its run in its name: what
//! a run left that was killed is found by the next.

use crate::kubernetes::checks::KUBECTL;

const LABEL: &str = "app.kubernetes.io/managed-by";

/// Script that makes the namespace `name`, with `kubectl` as it is called there.
pub(crate) fn make(kubectl: &str, name: &str) -> String {
    format!(
        "{kubectl} create --validate=false -f - >/dev/null <<NAMESPACE
apiVersion: v1
kind: Namespace
metadata: {{name: {name}, labels: {{{LABEL}: lab}}}}
NAMESPACE
"
    )
}

/// Script that removes what this run of checks made, and what others made that ended more than an hour
/// ago without doing so: no run takes that long, and one that goes on needs its own.
pub(crate) fn clear() -> String {
    format!(
        "hour=$(date -u -d '1 hour ago' +%Y-%m-%dT%H:%M:%SZ)
old=$({KUBECTL} get namespaces -l {LABEL}=lab -o 'jsonpath={{range .items[*]}}{{.metadata.name}} {{.metadata.creationTimestamp}}{{\"\\n\"}}{{end}}' |
  awk -v hour=\"$hour\" '$1 ~ /^lab-(check|secret)-[0-9a-f]+$/ && $2 < hour {{ print $1 }}')
{KUBECTL} delete namespaces lab-check-$LAB_RUN $old --ignore-not-found --wait=false >/dev/null
"
    )
}

/// Script that removes what earlier runs of `verify --failover` left: there is one at a time.
pub(crate) fn clear_failover(kubectl: &str) -> String {
    format!(
        "old=$({kubectl} get namespaces -l {LABEL}=lab -o name | awk '/^namespace.lab-failover-[0-9a-f]+$/')
test -z \"$old\" || {kubectl} delete $old --wait=false >/dev/null
"
    )
}
