// Package manifest is the document that everything else is about: what is new in a
// mirror network, and where to get it. It reads, writes and checks its text, ranks the
// sources for a mirror, and holds the admission test and the text of the beacon. All of
// it is pure: no files, no clock, no network. Signatures are package sign's.
//
// # The text
//
// This is testdata/example/manifest.json, as the encoder writes it:
//
//	{
//	  "schema": "tidemark/manifest/v1",
//	  "network": "centos",
//	  "serial": 4127,
//	  "issued": "2026-11-22T08:00:00Z",
//	  "expires": "2026-11-23T08:00:00Z",
//	  "trust_version": 3,
//	  "previous": "b6351211106fc1fc6b1b3d6f6a4dcf92227e1231271227b3f58539fbb9a71711",
//	  "trees": {
//	    "centos": {
//	      "timestamp": 1488372781,
//	      "announced": "2026-11-22T07:55:00Z",
//	      "time_file": "TIME",
//	      "files": 240201,
//	      "bytes": 118111600640,
//	      "nodes": {
//	        "verified": 12,
//	        "counted": 13,
//	        "quorum": 11
//	      },
//	      "admit": 120000,
//	      "anchors": [
//	        {
//	          "path": "7/os/x86_64/repodata/repomd.xml",
//	          "size": 3735,
//	          "sha256": "bf83524ece3c23a115f1c8fe6eec7a4253f47c312e7f2c706ec8fcea22594581"
//	        }
//	      ]
//	    }
//	  },
//	  "sources": [
//	    {
//	      "id": "eu-msync-1",
//	      "kind": "node",
//	      "country": "DE",
//	      "continent": "EU",
//	      "slots": 4,
//	      "trees": {
//	        "centos": {
//	          "url": "rsync://eu-msync.example.org/CentOS/",
//	          "timestamp": 1488372781,
//	          "since": "2026-11-22T07:54:31Z",
//	          "depth": "listing",
//	          "families": [
//	            4,
//	            6
//	          ]
//	        }
//	      }
//	    },
//	    {
//	      "id": "ftp.funet.fi",
//	      "kind": "mirror",
//	      "country": "FI",
//	      "continent": "EU",
//	      "asn": 1741,
//	      "slots": 2,
//	      "trees": {
//	        "centos": {
//	          "url": "rsync://ftp.funet.fi/centos/",
//	          "timestamp": 1488372781,
//	          "since": "2026-11-22T07:58:02Z",
//	          "depth": "anchors",
//	          "families": [
//	            4
//	          ]
//	        }
//	      }
//	    }
//	  ],
//	  "policy": {
//	    "check_interval": 300,
//	    "max_hold": 7200,
//	    "nearby": {
//	      "FI": [
//	        "SE",
//	        "DK",
//	        "NO",
//	        "DE",
//	        "NL",
//	        "EE"
//	      ]
//	    }
//	  }
//	}
//
// Times are RFC 3339 in UTC and whole seconds; timestamps of trees are Unix seconds, as
// in the trees' time files. A source is listed for a tree while it is verified at the
// announced timestamp or at one of later (absent here): newer ones that were recorded,
// oldest first, each with the anchors that differ from the announced ones. admit is the
// share of mirrors that may start now, in parts per million (MayStart). slots is how many
// mirrors a source can feed at once, and its weight (Rank). policy.nearby is the only
// table of neighbours that clients use.
//
// The signed bytes are the file's exact bytes. Encode has one text for a value (struct
// order, maps sorted, two-space indent, ASCII, integers only, one final line feed), and
// Encode(Parse(b)) == b for all that it writes. Parse is strict, and every rule has a
// name: Rules lists them, testdata/bad has a document for each.
//
// Forward compatibility: within tidemark/manifest/v1 unknown members are ignored, but are
// signed; a reader of today meets the writer of next year. Another major is refused.
//
// Limits: 8 MiB, 64 trees, 64 newer timestamps of a tree, 20,000 trees of all sources added up, 4,000 anchors in all,
// serial at most 2^53-1. An optional member is absent, never empty. Sources are sorted by id; ids are [a-z0-9][a-z0-9._-]{0,99};
// countries are ISO 3166-1 alpha-2; URLs are of package rsyncurl, so that a manifest can
// never carry an option.
//
// # By hand
//
// In testdata/example, with stock tools; each command succeeds, and with one byte of
// manifest.json changed the last three fail:
//
//	$ jq -c '.trees | map_values(.timestamp)' manifest.json
//	{"centos":1488372781}
//	$ jq -r '.sources[] | select(.slots > 0) | .trees.centos.url // empty' manifest.json
//	rsync://eu-msync.example.org/CentOS/
//	rsync://ftp.funet.fi/centos/
//	$ gpgv -q --keyring ./centos.gpg manifest.json.asc manifest.json
//	$ minisign -Q -Vm manifest.json -p centos.pub
//	tidemark centos serial=4127 issued=2026-11-22T08:00:00Z expires=2026-11-23T08:00:00Z sha256=SUM
//	$ echo "SUM  manifest.json" | sha256sum -c
//	manifest.json: OK
//
// (SUM stands for 19f74f5671bb7061c43cdf546bb9bbf693dc43c33c1445fcdc5a858ad4d8dfbc.)
//
// # Admission
//
// With h, the first four bytes, big-endian, of SHA-256("<mirror id> <tree> <timestamp>"),
// a mirror may start when h x 10^6 < max(admit, 10^6 x (now - behind_since) / max_hold) x
// 2^32. In a shell:
//
//	$ h=$(printf '%s %s %s' ftp.funet.fi centos 1488372781 | sha256sum | cut -c1-8); echo $(( 0x$h * 1000000 / 4294967296 ))
//	888311
//
// parts per million: this mirror may start when the share is above that.
//
// # Ranking
//
// Tiers, best first: mirrors of the same ASN, of the same country, of the nearby countries
// in their order, of the same continent; then nodes of the same continent, other nodes,
// and last mirrors of other continents. Inside a tier by score, larger first, ties by id.
// The score is the largest of the first `slots` eight-digit hex words of
// SHA-256("<mirror id> <source id>"), compared as text:
//
//	$ printf '%s %s' ftp.funet.fi eu-msync-1 | sha256sum | cut -c1-32 | fold -w8 | LC_ALL=C sort | tail -n1
//	ed54f7f9
//
// # Beacon
//
// One DNS TXT record (RFC 1035), signed by itself:
//
//	v=tm1 n=centos s=4127 e=1795420800 t=centos:1488372781 k=C6E8270B592965FF g=<base64url of an Ed25519 signature over all before " g=">
//
// Trees are sorted by name; e is the manifest's expires in Unix seconds; k is a minisign
// key id. Strings cuts a record into strings of at most 255 bytes, which readers join.
package manifest
