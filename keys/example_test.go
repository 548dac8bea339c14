package keys_test

import (
	"fmt"
	"os"
	"strings"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/keys"
)

// A stolen key is revoked: what the root holders are told before they sign.
func ExampleDiff() {
	now := time.Date(2027, 3, 1, 8, 0, 0, 0, time.UTC)
	old := &keys.Trust{Schema: keys.TrustSchema, Network: "centos", Version: 3, Issued: strictjson.At(now.AddDate(0, -4, 0)), Expires: strictjson.At(now.AddDate(0, 8, 0))}
	certificate, err := os.ReadFile("testdata/test-only-certificate.asc")
	if err != nil {
		panic(err)
	}
	if _, err := old.PutKey("publisher", certificate); err != nil {
		panic(err)
	}
	next := old.Successor(now, 365*24*time.Hour)
	if err := next.RevokeKey("9b627514ee"); err != nil {
		panic(err)
	}
	for _, c := range keys.Diff(old, next, now) {
		fmt.Printf("%s: %s\n", c.Code, c.Text)
		if c.Alarm != "" {
			fmt.Printf("  ALARM: %s\n", c.Alarm)
		}
	}
	// Output:
	// key-revoked: The openpgp key 228E22D0ED0C41F3766EC7A5FF658E9B627514EE of publisher is revoked: nothing that it signs, or ever signed, counts.
	//   ALARM: it may sign today: mirrors refuse what is signed by it alone as soon as they have this version
	// overlap: The keys of version 3 that may still sign in version 4 do not suffice for version 4.
	//   ALARM: mirrors refuse the manifest of today as soon as they have this version: publish both together, with a manifest signed by the new keys
	// version: Version 4 follows version 3; issued 2027-03-01 08:00 UTC (the one before: 2026-11-01 08:00 UTC).
	// expires: It ends 2028-02-29 08:00 UTC, in 365 days; it was 2027-11-01 08:00 UTC.
}

func ExampleWords() {
	fmt.Println(strings.Join(keys.Words([]byte{0xE5, 0x82, 0x94, 0xF2}), " "))
	// Output: topmost Istanbul Pluto vagabond
}
