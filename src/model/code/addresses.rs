//! What is wrong with a topology's addresses and networks.

use crate::model::code::entry::codes;

codes! {
    BAD_ADDRESS "L0301" "an address cannot be read"
        "Addresses are IPv4, four numbers from 0 to 255. Leading zeros are refused: some tools read them as octal numbers."
        ["write it like `10.240.0.11`"];
    BAD_NETWORK "L0302" "a network cannot be read or used"
        "A network is its first address and a prefix length from /8 to /29."
        ["write it like `10.240.0.0/24`"];
    BAD_RANGE "L0303" "a range of addresses cannot be read"
        "A range is two addresses joined by a hyphen, the smaller one first."
        ["write it like `10.240.0.200-10.240.0.250`"];
    BAD_MAC "L0304" "a MAC address cannot be used"
        "A guest's card has six bytes that begin with 52:54:00, the range of QEMU's guests: another one may belong to a real device."
        ["write it like `52:54:00:0a:0b:0c`", "leave `mac` out: lab derives one that stays the same"];
    BAD_RECORD "L0305" "a DNS record cannot be as it is written"
        "A record is one of `a`, `cname`, `txt` and `srv`. Names are those that DNS can have; a `cname` and the target of a `srv` are names that the lab knows; only addresses stand for all names below one."
        ["write one of the four, with what the line below the message asks for"];
    MODE_AND_UPLINK "L0306" "a network's mode and its uplink contradict each other"
        "`mode: isolated` says that nothing leads out of the network, `routed` that something does, and `uplink` what is reached outside."
        ["take `uplink` away", "write `mode: nat`"];
    ADDRESSES_OF_GROUP "L0307" "a group's addresses are not as many as its nodes"
        "`addresses` lists the address of each node of a group, in the order of their names."
        ["list one for each node", "write `first_address` instead: the others follow"];
    FIELD_AND_PROVIDER "L0308" "a field does not fit what the nodes stand on"
        "Existing machines have their processors, memory, disks, network and logins; guests get theirs from lab, host keys included. A field of the other kind would be without effect."
        ["remove the field", "add or remove `provider: existing`"];
    JOINED_NETWORK "L0309" "a field does not fit a network that is there already"
        "Nodes on a bridge of this computer, or on a network of its libvirt, take both as they are: who answers DNS and DHCP there, what is reached outside and which routes lead where is not lab's to say."
        ["remove the field", "remove `bridge` or `existing`: lab makes a network of its own then"];
    TOO_FEW_ADDRESSES "L0310" "the network has too few addresses"
        "Each node needs an address. The network's own, the gateway's and the broadcast address cannot be theirs, nor those of the DHCP range."
        ["a larger network under `cidr`", "fewer nodes, or a smaller DHCP range"];
    UNUSABLE_ADDRESS "L0311" "an address that cannot be used for this"
        "It is outside the lab's network, or is the network's own, the gateway's or the broadcast address."
        ["take another of the network's addresses; the line below the message names one"];
    ADDRESS_TWICE "L0312" "two nodes have the same address"
        "Groups count from their `first_address` on, and reach into each other."
        ["move one group's `first_address`", "give one node another address under `overrides`"];
    MAC_TWICE "L0313" "two nodes have the same MAC address"
        "libvirt accepts this, and both nodes would fight for one address."
        ["take one `mac` line away: lab derives one that stays the same"];
    DHCP_OUTSIDE "L0314" "the DHCP range is not inside the network"
        "An end of the range is outside the lab's network, or is an address that no guest can have."
        ["choose both ends inside `cidr`"];
    DHCP_COVERS "L0315" "the DHCP range covers an address that is taken"
        "DHCP could hand the address of a node, or a floating one, to another guest."
        ["move the range, or the address"];
    FLOATING_TAKEN "L0316" "a floating address is somebody's already"
        "A floating address moves between nodes, so it can be no node's own, nor another floating one's."
        ["take an address that nobody has"];
    FLOATING_WITHOUT_NODES "L0317" "no node can hold the floating address"
        "The address belongs to the nodes of a role, and no node has that role."
        ["give a group the role", "take the floating address away"];
    NETWORKS_OVERLAP "L0320" "two networks have addresses in common"
        "The networks of nodes, pods and services lead to different places, so each address may be in one of them only."
        ["choose networks apart, like 10.240.0.0/24, 10.200.0.0/16 and 10.32.0.0/24"];
    SERVICE_NETWORK_SIZE "L0321" "the service network has the wrong size"
        "Cluster DNS has the tenth address, so there must be ten; and API servers take no network larger than /12."
        ["use a prefix from /12 to /28; a /24 has room for 254 services"];
    POD_SUBNET_SIZE "L0322" "the pod network is too small for a subnet per node"
        "Each worker gets a part of the pod network of the length `node_mask`, which must be smaller than the whole."
        ["a larger `pod_cidr`, or a longer `node_mask`"];
    POD_SUBNET_OUTSIDE "L0323" "a pod subnet is not inside the pod network"
        "Routes, and the addresses that Kubernetes hands out, follow from the pod network."
        ["choose a part of `pod_cidr`", "leave `pod_subnet` out: it follows from the node's address"];
    POD_SUBNETS_CLASH "L0324" "two workers would share a pod subnet"
        "Each worker takes the subnet of its address, counted round the pod network. Two whose addresses are as far apart as there are subnets take the same one."
        ["a larger `pod_cidr`, or a longer `node_mask`",
         "set `pod_subnet` of one of them under `overrides`"];
    POD_SUBNET_WITHOUT_PODS "L0325" "a node without pods has a pod subnet"
        "Only workers run pods."
        ["take its `pod_subnet` away", "give it the role worker"];
    PUBLIC_NETWORK "L0326" "a network of addresses that are somebody's in the internet"
        "Nodes and this computer take these addresses for their own: whoever has them in the internet is not reached any more."
        ["take one for private use, such as 10.240.0.0/24, 172.20.0.0/24 or 192.168.200.0/24"];
}
