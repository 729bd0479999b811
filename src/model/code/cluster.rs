//! What is wrong with a topology's cluster, logins and cloud-config.

use crate::model::code::entry::codes;

codes! {
    BAD_VERSION "L0401" "a version of Kubernetes cannot be used"
        "A version has three numbers. Releases older than the oldest that lab knows are set up in ways that it does not have."
        ["write it like `1.36.2`; the line below the message says which releases are known",
         "leave it out: the default is one that works"];
    NEWER_VERSION "L0402" "the version of Kubernetes is newer than this lab"
        "It is set up like the newest release that lab knows. Most releases change nothing that matters here, so this is no error."
        ["`lab verify` shows whether it works", "a newer lab may know more"];
    MISSING_ROLE "L0410" "no node has a role that a cluster needs"
        "A cluster needs etcd, a control plane and a worker. One node may be all of them."
        ["add a group with the role, or the role to a group"];
    ETCD_MEMBERS "L0411" "the number of etcd members is not a good one"
        "Members decide by majority: of four no more may fail than of three. And each one more makes every write slower."
        ["use 1, 3 or 5 members; 7 at most"];
    NO_FRONT "L0412" "several controllers, and nothing in front of them"
        "Nodes and kubeconfigs know one address of the API. If it is a single controller's own, the others are of no use when that one fails."
        ["add a floating address with `role: control-plane` under `vips`",
         "add nodes with the role load-balancer"];
    ROUTER_ID_TWICE "L0413" "two floating addresses have the same router id"
        "VRRP tells its groups apart by it: two of one id would take each other's messages for their own."
        ["take one `router_id` away: lab chooses one that is free"];
    UNKNOWN_ENDPOINT "L0414" "the endpoint is no floating address of this lab"
        "`endpoint` names, among the floating addresses, the one that clients of the API use."
        ["name one that stands under `vips`", "leave it out: the controllers' own counts, else the load balancers'"];
    BALANCERS_WITHOUT_ADDRESS "L0415" "several load balancers, and no floating address"
        "Clients know the address of the first only, so the others are of no use when that one fails."
        ["add a floating address with `role: load-balancer` under `vips`"];
    SHARED_PORT "L0416" "API server and load balancer want the same port"
        "On a node that is both, each wants the API's port. With a floating address HAProxy takes that one's, and the API server the node's own."
        ["add a floating address with `role: load-balancer` under `vips`", "give the two roles to different nodes"];
    FLOATING_ON_BALANCERS "L0417" "a floating address of controllers is on a load balancer"
        "One of the controllers is a load balancer, too. There API server and HAProxy would both want the floating address's port 6443."
        ["write `role: load-balancer` for the floating address", "give the two roles to different nodes"];
    ROLES_ALONE "L0418" "a group has roles where there is no Kubernetes"
        "`kubernetes: none` makes a lab of machines alone. Roles are parts of a cluster, so one of the two is not meant."
        ["remove `roles` from the group", "remove the line `kubernetes: none`"];
    DOMAINS_MEET "L0419" "nodes and services share a domain"
        "The network's DNS answers for the nodes' domain and the cluster's DNS for that of services. Where one lies in the other, pods do not find nodes by their names, or are asked about names that nobody knows."
        ["write another `domain` or another `cluster_domain`; `NAME.lab` and `cluster.local` do not meet"];
    INGRESS_TWICE "L0420" "web traffic of two kinds goes to one port"
        "Ports 80 and 443 of the load balancers lead to one node port: what answers there speaks one of the two."
        ["give `http` and `https` node ports of their own"];
    BAD_LABEL "L0421" "a label, annotation or taint cannot be used"
        "Keys are a name, or a domain and a name; values of labels and taints are short words. Some keys belong to kubelets or to lab."
        ["the line below the message says how it is written", "text of any kind can stand in an annotation"];
    TOLD_OF_NOBODY "L0422" "something is told of a node that Kubernetes does not know"
        "Labels, annotations and taints are kept with the node's object, which only a kubelet makes: nodes without the role worker have none."
        ["take the line away", "add the role worker to the group"];
    BAD_ARGUMENT "L0423" "something of a component cannot be said so"
        "Flags, feature gates and fields of configuration files are names and values of Kubernetes' own. Those that decide where a component listens, whom it trusts and who it is follow from the topology."
        ["the line below the message says how it is written, or where it comes from",
         "`lab stage show NODE STAGE` shows the flags and files as they are"];
    NO_ROOM_FOR_PODS "L0424" "every worker keeps pods off"
        "Each worker has a taint that only pods with a toleration come past. Cluster DNS, and pods that say nothing, wait for a node for ever."
        ["leave one worker without a taint, or give taints the effect `PreferNoSchedule`"];
    BAD_ADDON "L0425" "an add-on cannot be used"
        "An add-on is a folder with manifests, and an `addon.yaml` where there is more to say of it; what a topology tells it is what that file allows."
        ["the line below the message says what to change", "`lab addons show NAME` shows a shipped one, for a pattern"];
    BAD_PUBLIC_KEY "L0501" "an SSH public key cannot be used"
        "What stands there is not the line of a public key. A private key must never be in a topology, which is shown and shared."
        ["take the line of the .pub file, like `ssh-ed25519 AAAA... you@host`"];
    BAD_LOGIN "L0502" "a login name cannot be used"
        "The name is not one that a Linux account can have, or the system has that account for itself."
        ["leave `user` out; it is then `lab`"];
    OWNED_CLOUD_CONFIG "L0510" "a key of cloud-config belongs to lab"
        "Logins, host keys, names and addresses follow from the topology. Another value would undo what lab relies on to reach the node and to know it."
        ["take the key away", "`lab help topology` has the fields for logins, names and addresses"];
    BAD_CLOUD_CONFIG_KEY "L0511" "a key of cloud-config cannot be one"
        "Keys of cloud-config are letters, digits, underscores and hyphens; cloud-init would ignore any other without a word."
        ["use keys such as packages, write_files, runcmd, timezone"];
    BAD_CLOUD_CONFIG "L0512" "a value of cloud-config has the wrong shape"
        "cloud-init would stumble over the value, or take it for something else, after the node has booted: then nobody looks any more."
        ["the line below the message says what to write", "quote text that looks like a number, a date or a truth"];
    USELESS_CLOUD_CONFIG "L0513" "a key of cloud-config does nothing here"
        "The key is known to cloud-init, and nothing would come of it on nodes of a lab."
        ["the line below the message says what does what is meant, where something does"];
    UNKNOWN_CLOUD_CONFIG "L0514" "a key of cloud-config that cloud-init does not know"
        "cloud-init ignores keys that no module asks for. Most often such a key is misspelled."
        ["the line below the message names the key that is spelled almost so",
         "where a module of your own asks for it, nothing is to be done"];
}
