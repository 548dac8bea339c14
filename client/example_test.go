package client_test

import (
	"fmt"
	"os"
	"time"

	"tidemark/client"
	"tidemark/manifest"
)

func ExampleDecide() {
	text, err := os.ReadFile("../testdata/example/manifest.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := manifest.Parse(text) // a reader has it from Look
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	d := client.Decide(m, "centos", "ftp.a.example", 1488300000, nil, now)
	fmt.Println(d.Action)
	fmt.Println(d.Reason)
	d = client.Decide(m, "centos", "ftp.a.example", 1488300000, d.Behind, now.Add(20*time.Minute))
	fmt.Println(d.Action)
	fmt.Println(d.Reason)
	for _, r := range client.Choose(m, "centos", manifest.Client{ID: "ftp.a.example", Country: "SE"}) {
		fmt.Println(r.Source.ID, r.Tree.URL, r.Reason)
	}
	// Output:
	// hold
	// holds 1488300000, announced is 1488372781; not admitted yet: admitted 12 %, you are at 17 %; it may start at 2026-11-22T09:19:30Z at the latest
	// sync
	// holds 1488300000, announced is 1488372781; admitted 17 %, you are at 16 %
	// ftp.funet.fi rsync://ftp.funet.fi/centos/ same continent EU
	// eu-msync-1 rsync://eu-msync.example.org/CentOS/ node on the same continent EU
}

func ExampleFallbackDue() {
	const after = 24 * time.Hour
	since := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC) // when none in force was first found, as NoManifestSince says
	var last time.Time                                     // none yet
	fmt.Println(client.FallbackDue(since, last, since.Add(23*time.Hour), after))
	fmt.Println(client.FallbackDue(since, last, since.Add(24*time.Hour), after))
	last = since.Add(24 * time.Hour)
	fmt.Println(client.FallbackDue(since, last, since.Add(29*time.Hour), after))
	fmt.Println(client.FallbackDue(since, last, since.Add(30*time.Hour), after))
	// Output:
	// false
	// true
	// false
	// true
}
