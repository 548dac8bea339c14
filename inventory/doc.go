// Package inventory holds the operator's list of servers: nodes, which form the quorum, and mirrors (DESIGN 4.6).
//
// A file holds one server (keys with values) or a list of them; a directory is read file by file (*.yaml, *.yml), in the
// order of names. All files together are one inventory:
//
//   - {id: eu-msync-1, kind: node, country: DE, slots: 4, trees: {centos: rsync://eu-msync.example.org/CentOS/}}
//   - id: ftp.funet.fi
//     country: FI                     # ISO 3166-1 alpha-2
//     city: Espoo
//     asn: 1741
//     trees: {centos: rsync://ftp.funet.fi/centos/}
//     key: RWQ...                     # its own minisign public key, for check-ins
//     maintenance: false              # true: not probed; a node is not counted either
//     private: false                  # true: counted, never in manifest or site
//     partial: false                  # true: judged and shown, never a source
//     exclude: ["*/isos/"]            # what it leaves out of every tree, as rsync patterns; makes it partial
//     group: funet                    # the organisation, free text: few of its servers are asked at the same time
//     slots: 2                        # 0 to 8: how many mirrors it can feed at once; 4 a node, 2 a mirror when not given
//     max_connections: 20             # 1 to 10000, what the server itself allows: slots are no more
//
// A URL is rsync://host[:port]/module[/path], or rsync+tls://, which is checked and never offered: mirrors do not speak it.
//
// Reading is strict (package internal/strictyaml): everything that is wrong in any file is reported at once. Beyond the
// form it is checked that ids are unique, that countries exist, that URLs are rsync daemon URLs, and that no two nodes
// claim the same URL for a tree: one server would be counted twice. [Review] says what a sound entry will not be used for.
//
// # Foreign lists
//
// [Import] makes servers of the lists that other projects keep, and [Marshal] writes them as a file. What it reads is of strangers:
// files, entries and fields are bounded, aliases not followed, texts made printable. Every entry is a server or a note that says
// why not; what is plainly meant is mended (a country's name, UK, host::module, capitals, blanks), and a note says so. A word for private
// or active that is neither yes nor no skips the entry. A list of another form than its format is [ErrForm]; [Sniff] says which one it
// looks like. [Merge] puts a newer list into servers that were imported before: what their operator declared stays.
package inventory
