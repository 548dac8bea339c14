// Package config reads the operator's file, tidemark.yaml, and the mirror's, mirror.yaml, into plain structs: strict, with
// defaults filled in, paths made absolute, the inventory loaded, and everything that is wrong reported at once, with file,
// line and hint (DESIGN 4.6).
//
// # The publisher's file
//
//	network: centos
//	state: /var/lib/tidemark
//	validity: 24h                              # 2h to 30d; 24h when not given
//	keep: 7d                                   # how long old manifests stay; at least validity + 1h
//	inventory: [nodes.yaml, mirrors.d/]        # package inventory
//	trees:
//	  centos:
//	    master: /srv/master/centos             # directory, or rsync://
//	    time_file: TIME
//	    anchors: ["**/repodata/repomd.xml"]    # patterns of doublestar, from the tree's top
//	    exclude: [".htpasswd"]                 # rsync patterns of what the master has and no server gets
//	    quorum: 80%                            # all, majority (when not given), a share, a number
//	    max_wait: 12h
//	sign:                                      # each: one key, or a list
//	  openpgp: {key: keys/openpgp.asc, passphrase_file: /run/credentials/tidemark/pgp}
//	  ed25519: {key: keys/ed25519.key}         # passphrase_file, or passphrase_env, or credential
//	trust: trust.json
//	publish:                                   # the first is the authority
//	  - dir: /srv/www/centos
//	    url: https://mirrors.example.org/centos/   # where readers see it, for the read-back
//	beacon:
//	  name: _tidemark.centos.example.org
//	  ttl: 60s                                 # 1s to 1d
//	  plain: {name: plain.centos.example.org, order: [centos]}
//	  rfc2136: {server: ns.example.org, zone: example.org, tsig_file: /etc/tidemark/tsig.key}
//	  servers: [ns1.example.org, 192.0.2.1:53] # what readers ask; the zone's name servers when left out
//	checkin:
//	  spool: /var/spool/tidemark               # required; outside state, master and what is published
//	  listen: 127.0.0.1:8440                   # an address and a port; port 0: any free one
//	  cert: tls/cert.pem                       # with key; left out behind a web server that has TLS
//	  key: tls/key.pem
//	  per_mirror: 1m                           # one check-in of a mirror in so long
//	  per_second: 20                           # of all mirrors
//	probe:                                     # package probe
//	  concurrency: 64                          # servers at the same time, 1 to 1024
//	  per_second: 40                           # servers that are begun with in a second; 0: no bound
//	  per_group: 2                             # servers of one organisation (group in the inventory) at the same time
//	  backoff: 1h                              # the longest that a server is left alone that does not answer; 0s: never
//	  timeout: 30s                             # for one probe of one address
//	  recheck: 6h                              # content is looked at again after this
//	  sample: 3                                # anchors that did not change and are checked nevertheless
//	  list_share: 10                           # percent of the mirrors whose file list is compared when their time file moved
//	  spot: 5                                  # servers in a thousand that every run looks at closely by chance
//	  lists: 8                                 # file lists at the same time; 0: none is looked at
//	  list_timeout: 2m                         # for all file lists of a run
//	  allow_private: false                     # private, loopback and link-local addresses are refused without it
//	  ca: ca.pem                               # whose certificate rsync+tls:// servers have; the system's when left out
//	settle: 1m                                 # between the two reads of the master
//	guard: {share: 30, least: 5, runs: 3}
//	policy: {check_interval: 5m, max_hold: 2h, nearby: {FI: [SE, NO]}}
//
// Relative paths start at the directory of the file. Durations are whole numbers with a unit (10m, 24h, 7d). The beacon's
// record is kept at one place, or at none, and then `tidemark beacon` prints it for who keeps it by hand:
//
//	rfc2136: {server: ns.example.org, zone: example.org, tsig_file: tsig.key}   # zone: found by asking when left out
//	route53: {zone: Z0123456789EXAMPLE}                                         # endpoint: another address of the API
//	zone_file: {path: /var/lib/bind/tidemark.inc, reload: [/usr/sbin/rndc, reload, example.org]}   # reload: argv, no shell
//
// A signing key lives in one of these places; all but key name what holds it, and nothing secret:
//
//	{key: keys/openpgp.asc, passphrase_file: pass}                # a file; passphrase_file, passphrase_env or credential
//	{gpg: 0123…4567, gpg_home: /var/lib/tidemark/gnupg}           # openpgp: gpg-agent, a smartcard; with a passphrase_…, too
//	{ssh_agent: /run/tidemark/agent.sock, public: keys/token.pub} # ed25519; env: the agent of SSH_AUTH_SOCK
//	{kms: {key: alias/centos, region: eu-north-1, endpoint: https://…, ca: kms.pem}, public: keys/kms.asc}    # or kms: alias/centos
//
// gpg is a whole fingerprint, with or without the spaces that gpg prints; public is what `tidemark keys adopt` wrote.
//
// Both records' names are inside rfc2136's zone. A publish target is a directory, or a bucket:
//
//	publish:
//	  - s3: {bucket: mirrors, prefix: centos/, region: eu-north-1}   # endpoint, path_style, ca, checksum: when_required
//	    url: https://mirrors.example.org/centos/
//	    purge: [{cloudfront: E2EXAMPLE}, {url: "http://127.0.0.1:6081/centos/", method: BAN, token_file: ban.token}]
//
// # The mirror's file
//
//	network: centos
//	id: ftp.funet.fi                           # this mirror in the inventory
//	url: https://mirrors.example.org/centos/   # the site; or a directory; http:// on loopback only
//	ca: ca.pem                                 # whose certificate the site has, when it is none of the system's
//	beacon: _tidemark.centos.example.org       # or {name: ..., servers: [192.0.2.53, "[2001:db8::53]:5353"]}, at most 8 addresses
//	trust: /etc/tidemark/trust.json            # pinned
//	country: FI                                # or auto, from the time zone; not known when left out
//	asn: 1741
//	state: /var/lib/tidemark-mirror
//	checkin: {url: https://mirrors.example.org/centos/checkin, key: mirror.key}   # or the URL alone: mirror.key beside the file
//	trees:
//	  centos:
//	    path: /srv/mirror/centos
//	    exclude: ["*/isos/"]                   # patterns of rsync, as keep and late
//	    keep: ["/HEADER.html"]                 # the mirror's own files
//	    late: ["repodata/"]                    # what comes last; the built-in list when left out
//	    max_delete: 40000                      # 0: never unasked
//	    bandwidth: 50M                         # bytes a second: K, M, G as rsync's --bwlimit has them (K is 1024); a unit is a must
//	    options: [--fuzzy]                     # from rsync's allow-list
//	    time_format: auto                      # the only one
//	fallback: {sources: [rsync://eu-msync.example.org/CentOS/], after: 24h}   # in a file with one tree only
//	avoid: [ftp.example.net]                   # one id, or many
//	hooks: {before: [bin/report, start], after: [/usr/bin/logger, done]}      # argv, no shell
//	address: 192.0.2.7                         # to connect from
//	family: 4                                  # or 6
//	rsync_proxy: proxy.example.org:3128
//	lock: /run/lock/mirror.lock                # an older cron line's
//	splay: 5m                                  # 0s to 55m
//	warn_after: 6h
//	timeout: 10m                               # of silence
//	connect_timeout: 30s
//	rsync: /usr/local/bin/rsync                # the one in PATH when left out
//
// network, id, url, trust, state and trees with their paths are required. Relative paths, those of rsync and of a hook's
// program included, start at the directory of the file; a program's path has a slash, since cron's PATH is not the one it
// was tried with. A hook's other words are handed on as they are.
//
// A sync deletes. So a tree's directory is none of the system's (/, /root, /usr, …), does not hold the file itself, trust,
// ca, lock, rsync or the check-in's key, is neither the state directory nor above nor below it, and so it is between two trees. Paths are compared
// as they are written; [Mirror.Warnings] compares them again without symlinks.
//
// A fallback's URL does not say which tree it holds, and nothing proves what comes from it: with two trees one would get the
// other's files. So a file with a fallback has one tree.
//
// The host of url keeps to the rule of rsync URLs (package rsyncurl): 0x7f.1 and 2130706433 are addresses to a resolver, and
// are refused. What may hold a password is not repeated in messages.
//
// Patterns and options are package rsync's to judge, and this package imports the inventory alone: [RsyncRules] hands the
// rules in, so that a pattern that rsync would read as something else is refused here, with its line:
//
//	config.LoadMirror(file, "Europe/Helsinki", config.RsyncRules{Option: rsync.CheckOption})
//
// Only cmd imports this package; it copies the values on.
package config
