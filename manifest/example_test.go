package manifest_test

import (
	"fmt"
	"log"
	"os"
	"time"

	"tidemark/manifest"
)

func Example() {
	b, err := os.ReadFile("../testdata/example/manifest.json")
	if err != nil {
		log.Fatal(err)
	}
	m, err := manifest.Parse(b) // after its signatures were verified
	if err != nil {
		log.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	fmt.Println("in date:", m.CheckTime(now) == nil)

	me := manifest.Client{ID: "mirror.example.se", Country: "FI", Continent: "EU"}
	t := m.Trees["centos"]
	hold := time.Duration(m.Policy.MaxHold) * time.Second
	fmt.Println("at once:", manifest.MayStart(me.ID, "centos", t.Timestamp, t.Admit, now, now, hold))
	fmt.Println("after two hours:", manifest.MayStart(me.ID, "centos", t.Timestamp, t.Admit, now, now.Add(2*time.Hour), hold))
	for _, r := range manifest.Rank(m, "centos", me) {
		fmt.Printf("%s (%s)\n", r.Tree.URL, r.Reason)
	}
	// Output:
	// in date: true
	// at once: false
	// after two hours: true
	// rsync://ftp.funet.fi/centos/ (same country FI)
	// rsync://eu-msync.example.org/CentOS/ (node on the same continent EU)
}

func ExampleBeaconOf() {
	b, err := os.ReadFile("../testdata/example/manifest.json")
	if err != nil {
		log.Fatal(err)
	}
	m, err := manifest.Parse(b)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(manifest.BeaconOf(m, "C6E8270B592965FF").Signed())
	// Output: v=tm1 n=centos s=4127 e=1795420800 t=centos:1488372781 k=C6E8270B592965FF
}
