//! What keeps a command from its work: what was typed, the lab's own state, this computer.

use crate::model::code::entry::codes;

codes! {
    USAGE "L0601" "what was typed does not fit"
        "An argument is unknown, or cannot be used like this. Nothing was changed."
        ["`lab help COMMAND` says what a command takes",
         "`lab completion bash` writes a script that completes nodes, stages and snapshots"];
    NO_TOPOLOGY "L0602" "there is no topology to work on"
        "The command works on a lab, and neither a file nor a lab of that name was found. Nothing was changed."
        ["`lab init` writes a topology into this folder",
         "`-f FILE` names another; `-f three` takes a shipped one",
         "`lab list` shows the labs that are known, wherever they were made"];
    NO_SUCH "L0603" "the lab has nothing of that name"
        "A node, stage, role, run or target was named that is not in the topology. Nothing was changed."
        ["the line below the message names what there is, or what is spelled almost so",
         "`lab status` lists nodes, `lab stage list` stages, `lab runs list` runs"];
    CONSENT "L0604" "something would be lost, and nobody agreed to it"
        "A change of the topology removes a node, a role or a disk. It is asked before that, and where nobody can be asked, refused. Nothing was changed."
        ["`lab plan` shows what goes and why",
         "`lab snapshot create before` keeps it all",
         "`lab up --yes` agrees"];
    STALE_PLAN "L0605" "the saved plan is no longer true"
        "Since the plan was saved, the lab, its topology or its certificates changed; carrying it out would do something that nobody looked at. Nothing was changed."
        ["`lab plan --save FILE` makes a plan of what is there now"];
    STOPPED "L0606" "the run was stopped, as was asked"
        "Ctrl-C or a signal asked for it: the step that ran was finished, what was done stays."
        ["`lab up` goes on from there", "`lab down` gives all of it back"];
    BAD_LESSON "L0607" "a lesson, or a fault, cannot be used"
        "Its description says what cannot be, a file of it is missing, it asks for what this lab does not have, or one of its scripts failed."
        ["`lab lesson lint FOLDER` reads a lesson of your own without a lab",
         "`lab lesson show NAME` says which topology it is made for",
         "docs/lessons.md has all fields"];
    LESSON "L0608" "a lesson is going on, or none is"
        "While something is broken on purpose, `up` would put it right without the learner; and what is said of a lesson needs one that was started. Nothing was changed."
        ["`lab lesson status` shows the step", "`lab lesson stop` ends the lesson and puts everything right",
         "`lab up --yes` puts it right and lets the lesson go on"];
    BUSY "L0701" "another run has the lab"
        "One lab, one run: a second one would pull the ground from under the first. The lock ends with the process that holds it, however that ends. Nothing was changed."
        ["wait for it, or end the process that the message names",
         "`lab runs list` shows what runs and ran"];
    NOT_UP "L0702" "the lab was never up"
        "There are no keys, certificates or nodes yet that the command could use."
        ["`lab up` makes them", "`lab list` shows the labs that there are"];
    AT_REST "L0703" "the lab, or the node, does not run"
        "The private libvirt was ended (by `down`, a reboot of the computer or a kill), or the node was stopped. Disks stay as they were."
        ["`lab up` starts it, and all nodes in order", "`lab start NODE` starts one node"];
    OTHER_PROVIDER "L0704" "the lab stands on another provider"
        "A lab stays on the provider that made it, `private` or `system`: moving it would leave its guests behind. Nothing was changed."
        ["leave `--provider` and LAB_PROVIDER out: the lab remembers",
         "`lab down`, then `lab up --provider PROVIDER`, when it shall move"];
    FILES "L0705" "the lab's own files could not be read or written"
        "Its state directory is not writable, the disk is full, or a file was changed by hand. Files are written beside their place and renamed: what was there before is still whole."
        ["`df` and `ls -ld` on the path that the message names",
         "`lab down` works without the state directory: what the lab owns is marked"];
    CERTIFICATES "L0706" "a certificate or key could not be made or used"
        "An authority or key in the lab's state directory is missing or damaged. Keys are never made anew because they could not be read: nodes and etcd count on those they have."
        ["put back the file that the message names, or all of them: `lab certs restore FILE`",
         "`lab certs list` shows what is there", "`lab certs renew` makes the leaves anew",
         "`lab down` and `lab up` begin from nothing"];
    HALF_RESTORED "L0707" "restoring a snapshot was cut"
        "Some nodes are at the snapshot's moment and some are not, so etcd must not be trusted. Nothing else is allowed until the restore is finished."
        ["`lab snapshot restore NAME` once more: it begins anew", "`lab down`"];
    TEMPLATE "L0708" "a document could not be made from its template"
        "A template in your configuration directory replaces a shipped one and does not fit this version, or a value may not stand where it would. Nothing was changed."
        ["take the override away, or begin anew from the shipped template"];
    INTERNAL "L0709" "an error of lab itself"
        "A task of lab's own ended where it should not. What was done stays; a rerun goes on."
        ["run the command again", "`lab runs show` has the whole story for a report"];
    OTHER_FOLDER "L0710" "the lab of that name came from another folder"
        "Two topologies in different folders have the same name, and names are what labs are known by. Making the one what the other says would change a lab that nobody meant. Nothing was changed."
        ["`lab list` shows the labs that there are, and where they came from",
         "another `name` in this topology makes a second lab",
         "`--lab NAME` says that you mean the lab that is there; with `-f FILE` beside it, that it belongs to this file from now on"];
    OTHER_OWNER "L0711" "the lab's directory is another computer's or user's"
        "What a lab owns carries an id made of computer, user and name, and the directory's id is not the one that you would have: a home that several computers share, or a command run as somebody else. Its guests are not where you are. Nothing was changed."
        ["run the command on the computer, and as the user, that made the lab",
         "another state directory (XDG_STATE_HOME) for labs of this computer"];
    SHARED_DIRECTORY "L0712" "somebody else may write where keys and images are kept"
        "Whoever may write to a directory, or rename one of its parents, can put other keys, sockets or images in the place of yours. Nothing was read from it, and nothing changed."
        ["`ls -ld` on the path that the message names; `chmod go-w` takes the right away",
         "XDG_STATE_HOME, XDG_CACHE_HOME and XDG_RUNTIME_DIR name other directories"];
    NO_ROOM "L0801" "the computer has no room for the lab"
        "Memory or disk that the nodes ask for is not free, counting what running guests were promised. Nothing was changed."
        ["smaller or fewer nodes in the topology", "`lab list` shows what else runs; `lab down -f OTHER`",
         "`lab up --overcommit` insists"];
    CONFLICT "L0802" "something of somebody else is in the way"
        "A network, route, domain or address that lab did not make has a name or a range that the lab needs. It is never changed. Nothing was changed."
        ["another `cidr` or name in the topology; `lab doctor` proposes what fits",
         "`lab up --provider private`: a private lab has its network for itself"];
    NO_IMAGE "L0803" "an image or program could not be had"
        "It is not on this computer, and was not to be downloaded or could not be made here. Nothing was changed."
        ["`lab images list` shows what is here", "`lab images build NAME` makes one where that is possible",
         "LAB_ARTIFACTS=DIR names a folder of Kubernetes binaries"];
    COMPUTER "L0804" "a program or file of this computer failed"
        "Something that lab runs or reads here, outside its own files, is missing, not allowed or in use."
        ["`lab doctor` names what is missing and the command that mends it"];
    CHECKSUM "L0805" "a file is not what its publisher says it is"
        "What was downloaded has another checksum than the publisher's list gives it: a broken transfer, a mirror that is behind, or somebody in between. It got no name, and nothing was made from it."
        ["run the command again: it is downloaded anew",
         "the message names the file that was kept: a login page in it means a proxy that wants a password"];
    DISK_FULL "L0806" "the disk is full"
        "A file could not be written, because its file system has no room or the quota of this user is used up. What was there before is still whole, and what was written half has no name."
        ["`df -h` on the path that the message names",
         "`lab images list` shows what may go; `lab down` gives the space of a lab back",
         "XDG_CACHE_HOME and XDG_STATE_HOME name other places"];
    OFFLINE "L0807" "a server could not be reached"
        "A name was not found, a connection was refused or cut, or the server said that it has no such file. What came is kept, and the next try goes on from there."
        ["`curl -I` with the address that the message names; HTTPS_PROXY where there is a proxy",
         "without internet: `lab images build NAME`, and LAB_ARTIFACTS=DIR with the binaries of Kubernetes"];
    UNFIT "L0808" "an image, binary or archive cannot be used"
        "A file is there and is not what it must be: no regular file, a link out of its folder, no qcow2 disk, a binary that does not say its version. Nothing was run to find that out, and nothing was changed."
        ["the message names the file and what is wrong with it",
         "`lab images rm NAME` and `lab images pull NAME` get an image anew",
         "a file `version` beside the binaries of Kubernetes says what they are: `v1.36.2`"];
    INSECURE "L0809" "an address is not https"
        "Images and binaries are fetched by https only, and a server that sends us on to another address must name one of https, too: whoever is in between could put other bytes in their place. Nothing was fetched."
        ["an https address in your own `cloud-init/NAME/image.json`",
         "download the file in a way that you trust, and name its folder: LAB_ARTIFACTS=DIR"];
    OTHER_ASSET "L0810" "an image, binary or add-on is not the one in lab.lock"
        "The file beside the topology says what the lab is made with, so that everybody who uses the topology has the same bytes. What is on this computer is something else. Nothing was changed."
        ["`lab assets list` shows which",
         "`lab assets update` takes what is here from now on, and shows the difference",
         "for an image: `lab images rm NAME` and `lab images pull NAME`, where the publisher still has the one that is locked",
         "for binaries: the folder that has those that are locked, LAB_ARTIFACTS=DIR"];
    LOGINS "L0811" "logins of registries cannot be used"
        "`registry_logins` names a file with logins, as `podman login` and `docker login` write it. It cannot be read, others may read it, or there is no login in it. Nothing was changed."
        ["`podman login --authfile FILE REGISTRY` makes such a file",
         "`chmod 600 FILE` where others may read it",
         "a helper that keeps passwords elsewhere (`credsStore`) is of no use to nodes"];
    BAD_PATCH "L0812" "a second file cannot be put into the first"
        "With `-f` given twice, the later file says what is to be other than in the first. Mappings are gone through field by field; all else takes the place of what was there."
        ["change the first file, where a value has an anchor or comes from an alias",
         "write a value for each field: nothing is removed by a later file"];
}
