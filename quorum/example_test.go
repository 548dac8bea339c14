package quorum_test

import (
	"fmt"
	"strings"
	"time"

	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
	"tidemark/inventory"
	"tidemark/manifest"
	"tidemark/quorum"
)

// Two of three nodes have what the master shows: that is a majority.
func Example() {
	now := time.Date(2017, 3, 1, 13, 0, 0, 0, time.UTC)
	repomd := func(sum string) manifest.Anchor {
		return manifest.Anchor{Path: "7/os/x86_64/repodata/repomd.xml", Size: 3735, SHA256: strings.Repeat(sum, 64)}
	}
	server := func(id, kind string) inventory.Server {
		url, err := rsyncurl.Parse("rsync://" + id + ".example.org/centos/")
		if err != nil {
			panic(err)
		}
		return inventory.Server{ID: id, Kind: kind, Slots: 2, Trees: map[string]rsyncurl.URL{"centos": url}}
	}
	majority, err := inventory.ParseQuorum("majority")
	if err != nil {
		panic(err)
	}
	policy := quorum.Policy{
		Network: "centos", Settle: time.Minute, GuardShare: 30, GuardLeast: 5, GuardRuns: 3,
		Trees:   map[string]quorum.TreePolicy{"centos": {TimeFile: "TIME", Quorum: majority, MaxWait: 12 * time.Hour}},
		Servers: []inventory.Server{server("node-1", "node"), server("node-2", "node"), server("node-3", "node"), server("mirror-1", "mirror")},
	}

	look := func(minute int) quorum.MasterReading {
		return quorum.MasterReading{
			Tree: "centos", At: strictjson.At(now.Add(time.Duration(minute) * time.Minute)),
			Timestamp: 1488372781, Anchors: []manifest.Anchor{repomd("a")},
		}
	}
	answer := func(id string, timestamp int64, a manifest.Anchor) quorum.Reading {
		return quorum.Reading{
			Server: id, Tree: "centos", Address: "192.0.2.1", Family: 4, At: strictjson.At(now), Depth: manifest.DepthAnchors,
			Timestamp: timestamp, Anchors: []quorum.AnchorSeen{{Path: a.Path, Size: a.Size, SHA256: a.SHA256}},
		}
	}
	readings := quorum.Readings{
		Masters: []quorum.MasterReading{look(-2), look(-1)},
		Servers: []quorum.Reading{
			answer("node-1", 1488372781, repomd("a")),
			answer("node-2", 1488372781, repomd("a")),
			answer("node-3", 1488369181, repomd("0")),
			answer("mirror-1", 1488372781, repomd("0")),
		},
	}

	d := quorum.Decide(readings, policy, nil, quorum.NewMemory(), now)
	fmt.Println(d.Trees[0].Note)
	for _, v := range d.Verdicts {
		fmt.Printf("%s is %s: %s\n", v.Server, v.State, v.Reason)
	}
	tree := d.Manifest.Trees["centos"]
	fmt.Printf("announced %d, admitted %d of 1000000, %d sources\n", tree.Timestamp, tree.Admit, len(d.Manifest.Sources))
	// Output:
	// 1488372781 (2017-03-01 12:53:01 UTC) is newly announced, 2 of 3 nodes have it or newer
	// mirror-1 is wrong: its time file says 1488372781 (2017-03-01 12:53:01 UTC), but anchor 7/os/x86_64/repodata/repomd.xml has 3735 bytes with SHA-256 000000000000...: expected 3735 bytes with aaaaaaaaaaaa..., so it is no source
	// node-1 is verified: its time file says 1488372781 (2017-03-01 12:53:01 UTC), the announced timestamp, and the 1 anchor looked at equals the master's, so it is a source
	// node-2 is verified: its time file says 1488372781 (2017-03-01 12:53:01 UTC), the announced timestamp, and the 1 anchor looked at equals the master's, so it is a source
	// node-3 is behind: its time file says 1488369181 (2017-03-01 11:53:01 UTC), 1 h older than the announced timestamp 1488372781 (2017-03-01 12:53:01 UTC), so it is no source
	// announced 1488372781, admitted 1000000 of 1000000, 2 sources
}
