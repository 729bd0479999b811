//! What goes wrong with machines and the cluster on them.

use crate::model::code::entry::codes;

codes! {
    LIBVIRT "L0901" "libvirt, or QEMU, refused or did not answer"
        "The message says what was being done to which object, and in libvirt's words why not. Every call may be made again."
        ["`lab doctor`", "run the command again: what is done already is not done twice",
         "`lab logs` and the provider's own logs, which the message quotes"];
    CHANGED_BASE "L0902" "an image below the nodes' disks was changed"
        "Disks of nodes hold only differences to a base image. Another byte below them is damage that nobody reports, so guests are not started on it."
        ["`lab down`, then `lab up` makes everything anew",
         "put the image back as it was, if you know how it was changed"];
    LACKS "L0903" "the provider cannot do that"
        "What nodes stand on differs: guests of libvirt have snapshots, consoles and a power switch, machines that are there anyway have not. Nothing was changed."
        ["the line below the message says what to do instead",
         "`lab help providers` tells which provider can do what"];
    UNREACHABLE "L1001" "a node does not answer by SSH"
        "Its guest is off, still boots, lost its network, or sshd is gone. The stage that was cut is tried again by the next run."
        ["`lab status`", "`lab console NODE` shows its screen; `--log` all that it said since it started",
         "`lab restart NODE`"];
    HOST_KEY "L1002" "a node shows a host key that is not its own"
        "Keys are made before the guest, so a wrong one is another machine at this address, or a guest rebuilt outside lab. Of an existing machine `host_key` or known_hosts says the right one. Nothing was sent to it, no login was tried."
        ["find out who has the address: `ip neigh`, `virsh list`",
         "where an existing machine was set up anew: put its new key where the old one is",
         "where the guest was rebuilt: take the node out of the topology, `lab up --yes --force`, put it back, `lab up`"];
    LOGIN "L1003" "a node refused the login"
        "The key is right, but the user is not there (yet): cloud-init failed or did not end, or the user was removed in the guest."
        ["`lab console NODE`: cloud-init says there what it could not do",
         "to make the node anew: take it out of the topology, `lab up --yes --force`, put it back, `lab up`"];
    STEP "L1004" "a step of a stage failed"
        "A command in the guest ended badly; its last lines are below the message. Steps are idempotent: the next run begins the stage anew."
        ["`lab stage show NODE STAGE` prints what is done, file by file and command by command",
         "`lab logs NODE` and `lab ssh NODE`", "`lab up` goes on from here"];
    PATIENCE "L1005" "what was waited for did not come"
        "A service did not become ready in its time. The journal's last lines are below the message. Guests without KVM, and more of them than processors, may simply be slow."
        ["`lab logs NODE UNIT`", "`lab verify STAGE`", "`lab up` waits again"];
    BOOT "L1006" "a node did not come up"
        "Its guest was started and never answered, or stopped or hung while it booted, and that again and again. The console's last lines are below the message."
        ["`lab console NODE --log`", "`boot_timeout` under `options` where it is only slow",
         "`lab restart NODE`"];
    QUORUM "L1007" "etcd would lose its majority"
        "So many members at once would go or be made anew that those that stay could not decide, or that none stays and all that Kubernetes knows is lost. Nothing was changed."
        ["change fewer than half of the members in one run",
         "where all go, add the new ones and `lab up` first, then take the old ones away",
         "`lab down` and `lab up`, where what etcd holds may go"];
    NOT_WHOLE "L1008" "the lab is not whole"
        "After a restore, a renewal or a restart, one of the questions that must be answered well was not: the message says which, and by whom."
        ["`lab verify` asks all of them", "`lab status`", "`lab up`"];
    VERSION "L1009" "Kubernetes cannot go to that version from here"
        "API servers and what they keep in etcd move up one minor release at a time, and never back. Nothing was changed."
        ["`version` under `kubernetes`: the next minor release, then `lab up`, then the one after it",
         "`lab snapshot restore NAME` goes back, disks and all",
         "`lab down` and `lab up`, where the cluster may be made anew"];
    NO_HOST_KEY "L1010" "nobody says which host key an existing machine has"
        "The first connection to a machine that lab did not make must be to the right one. Its public host key comes from `host_key` in the topology, or from a known_hosts file; it is never taken from whoever answers."
        ["read it on the machine itself: /etc/ssh/ssh_host_ed25519_key.pub, and write it as `host_key`",
         "`known_hosts` under `ssh` names the file that has it"];
    UNFIT_MACHINE "L1011" "an existing machine is not fit for its roles"
        "Before anything is changed, each machine is asked for its system, memory, disk, ports, clock and kernel, and for what would be in the way: another cluster, another container runtime, a firewall that lab does not know."
        ["the message names the machine and what is wrong with it; `lab inspect` shows all that was asked",
         "`--overcommit` takes machines with less memory or disk than is asked for"];
    SNAPSHOT "L1101" "the snapshot cannot be made, found or restored"
        "Its name is taken or unknown, a part of it is gone, or the lab is not as a snapshot needs it. Nothing was changed."
        ["`lab snapshot list` shows which there are, and why one cannot be restored"];
}
