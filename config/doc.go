// Package config reads the operator's file, tidemark.yaml, into plain structs: strict, with defaults filled in, paths made
// absolute, the inventory loaded, and everything that is wrong reported at once, with file, line and hint (DESIGN 4.6).
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
//	    quorum: 80%                            # all, majority (when not given), a share, a number
//	    max_wait: 12h
//	sign:                                      # each: one key, or a list
//	  openpgp: {key: keys/openpgp.asc, passphrase_file: /run/credentials/tidemark/pgp}
//	  ed25519: {key: keys/ed25519.key}         # passphrase_file, or passphrase_env, or credential
//	trust: trust.json
//	publish:                                   # the first is the authority
//	  - dir: /srv/www/centos
//	    url: https://mirrors.example.org/centos/   # where readers see it, for the read-back
//	beacon: {name: _tidemark.centos.example.org, plain: {name: plain.centos.example.org, order: [centos]}}
//	probe: {concurrency: 64, timeout: 30s, recheck: 6h, sample: 3}
//	settle: 1m                                 # between the two reads of the master
//	guard: {share: 30, least: 5, runs: 3}
//	policy: {check_interval: 5m, max_hold: 2h, nearby: {FI: [SE, NO]}}
//
// Relative paths start at the directory of the file. Durations are whole numbers with a unit (10m, 24h, 7d). The
// key rfc2136 of the beacon is known, and refused by this version. A publish target is a directory, or a bucket:
//
//	publish:
//	  - s3: {bucket: mirrors, prefix: centos/, region: eu-north-1}   # endpoint, path_style, ca, checksum: when_required
//	    url: https://mirrors.example.org/centos/
//	    purge: [{cloudfront: E2EXAMPLE}, {url: "http://127.0.0.1:6081/centos/", method: BAN, token_file: ban.token}]
//
// Only cmd imports this package; it copies the values on.
package config
