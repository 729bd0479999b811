//! What is wrong with a topology as a file, and with single fields of it.

use crate::model::code::entry::codes;

codes! {
    FILE_TOO_LARGE "L0101" "the file is too large for a topology"
        "A topology is a few kilobytes. What is larger than 1 MiB is not read at all."
        ["`-f FILE` names the file that was meant"];
    NOT_YAML "L0102" "the file is not valid YAML"
        "The text cannot be read as YAML from the marked place on: an indentation, a quote or a bracket is not as YAML wants it."
        ["mend the marked line or the one before it",
         "write text with `:`, `#`, `{` or `*` in quotation marks, and indent with spaces"];
    NUL_BYTE "L0103" "the file contains a NUL byte"
        "No text has such a byte: the file is an image, an archive, or text in another encoding than UTF-8."
        ["`file FILE` says what it is", "`-f FILE` names the file that was meant"];
    EMPTY_FILE "L0104" "the topology is empty"
        "The file has nothing in it, or comments alone."
        ["`lab init` writes a topology to start from"];
    SECOND_DOCUMENT "L0105" "the file holds a second document"
        "YAML separates documents by a line of `---`; a topology is one document."
        ["take the line `---` away, or make a second file"];
    TOO_DEEP "L0106" "the file is nested too deeply or repeats too much"
        "Few lines with aliases can stand for more values than a computer has room for, so there is a limit. A topology needs no more than five levels."
        ["write the values out where they are needed"];
    KEY_TWICE "L0107" "a key is given twice"
        "YAML's readers disagree about which of the two counts, so neither is taken."
        ["keep one of the two lines"];
    UNKNOWN_TAG "L0108" "a tag of YAML that lab does not know"
        "A tag, like `!include`, asks whoever reads the file to do something with the value. What cannot be done is not left out without a word."
        ["take the tag away", "quote a value that begins with `!`"];
    NO_TEXT "L0109" "the file is no text that lab can read"
        "A topology is text in UTF-8. What stands there is in another encoding, or packed, or no text at all."
        ["the line below the message says how it becomes one", "`-f FILE` names the file that was meant"];
    WRONG_SHAPE "L0110" "a field has the wrong shape"
        "A list, a mapping or a single value stands where one of the others belongs."
        ["`lab help topology` says what each field holds", "`lab init` writes a topology with all shapes"];
    UNKNOWN_FIELD "L0111" "a field that lab does not know"
        "It is misspelled, stands at another level than it belongs to, or comes from a newer lab."
        ["the line below the message names a field that is spelled almost so, or all that there are",
         "`lab help topology` has every field and where it belongs"];
    MISSING_FIELD "L0112" "a field that must be there is not"
        "A lab needs a name, a network and nodes; a floating address needs its address and a role."
        ["add the field", "`lab init` writes a topology with all of them"];
    NO_VALUE "L0113" "a field has no value"
        "The name of a field stands there with nothing behind it, or an empty list or mapping. That could mean the default or nothing at all, so it is asked."
        ["give it a value", "take the line away: the default counts then"];
    BAD_SIZE "L0120" "an amount cannot be read"
        "Memory and disks are a number and a unit. Without a unit nobody knows whether bytes or gigabytes are meant."
        ["write it like `2GiB`; MiB, GiB, TiB, MB, GB and TB exist"];
    BAD_NUMBER "L0121" "a number cannot be read or is out of range"
        "The field takes whole numbers of a range; the line below the message says which."
        ["write a number of that range"];
    BAD_PATH "L0122" "a path cannot be used"
        "The path is empty, or has a character that no file name has."
        ["name a folder, absolute or relative to the topology"];
    BAD_WORD "L0123" "a word is not one of those that a field takes"
        "The field takes one of a few words. This one is misspelled, or belongs to a newer lab."
        ["the line below the message names the word that is spelled almost so, or all that there are"];
    BAD_TRUTH "L0124" "a field is neither true nor false"
        "YAML's readers disagree about `yes` and `on`, so only `true` and `false` are taken."
        ["write `true` or `false`"];
    BAD_TEXT "L0125" "a text cannot stand where it is"
        "What reads it later takes some characters and lengths only: DNS, or the subject of a certificate; times that certificates live have a unit."
        ["the line below the message says how it is written"];
    NO_VARIABLE "L0126" "a variable has no value"
        "Values of a topology may hold variables of the environment: `${NAME}`, with `${NAME:-default}` for those that may be missing. What is below `user_data` is not looked at."
        ["`export NAME=...` before the command", "write `${NAME:-default}`", "write `$${` where the characters themselves are meant"];
    BAD_NAME "L0201" "a name cannot be used"
        "Names become host names, names of libvirt's objects and of files: small letters, digits and hyphens, and nothing that means something else already."
        ["write it with the letters a to z, digits and hyphens; begin with a letter"];
    BAD_DOMAIN "L0202" "a domain cannot be used"
        "A domain is names joined by dots, of small letters, digits and hyphens, at most 200 characters."
        ["write it like `lab.example`", "leave it out: the default follows from the lab's name"];
    NAME_TWICE "L0203" "a name is used twice"
        "Nodes and floating addresses are found by their names in DNS, so all of them must differ. Nodes of groups with `count` are called GROUP1, GROUP2 and so on. A name of an image stands for one image."
        ["rename one of the two groups, nodes, addresses or images"];
    COUNT_AND_NAMES "L0204" "one thing is said in two ways"
        "Names say already how many nodes there are and how they are called, addresses where the first one is. An image is in a file or at an address."
        ["keep `names`, or keep `count` and `name`", "keep `addresses`, or keep `first_address`", "keep `file`, or keep `url`"];
    NO_ROLES "L0205" "a group says no roles"
        "What its nodes are for is neither said nor given by the group's name."
        ["add `roles`, like `roles: [worker]`",
         "name the group after its role: etcd, control-plane, worker, load-balancer"];
    NO_SUCH_OVERRIDE "L0206" "an override is for a node that the group does not have"
        "Overrides belong to nodes of their own group, by full name."
        ["name a node of this group; the nodes of a group with `count` are called GROUP1, GROUP2 and so on"];
    TOO_MANY_NODES "L0207" "more nodes than a lab can have"
        "A lab is of one computer, and what it does is bounded. Nothing of the nodes was read."
        ["make the groups smaller", "split it into several labs"];
    MEMORY_SIZE "L0210" "a node has too little or too much memory"
        "An operating system with Kubernetes does not start in less than 256 MiB, and QEMU takes no more than 4 TiB."
        ["give it between `256MiB` and `4TiB`; workers do well with 1GiB or more"];
    DISK_SIZE "L0211" "a node's disk is too small"
        "The image of the operating system and what Kubernetes adds to it do not fit. Space is taken only as it fills, so a large disk costs nothing at first."
        ["give it at least `3GiB`"];
    BAD_DISK "L0212" "further disks of a node cannot be so"
        "Each is found by a serial number and mounted at a folder; two of one node cannot have the same, and one without a file system cannot be mounted. A node has 16 at most."
        ["the line below the message says what to change"];
    NO_FIREWALL "L0213" "ports are opened where nothing shuts them"
        "`open_ports` says what a node's firewall lets through. Without one, everything is let through already."
        ["write `firewall: on` at the top of the topology", "take `open_ports` away"];
}
