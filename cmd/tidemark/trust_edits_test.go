package main

import (
	"flag"
	"testing"
	"time"

	"github.com/urfave/cli/v2"
)

// trustFlags are flags of trust sign, none of them given.
func trustFlags(t *testing.T, args ...string) *cli.Context {
	t.Helper()
	set := flag.NewFlagSet("sign", flag.ContinueOnError)
	for _, name := range []string{"passphrase-file", "ssh-agent", "socket"} {
		set.String(name, "", "")
	}
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return cli.NewContext(cli.NewApp(), set, nil)
}

func TestParseSpan(t *testing.T) {
	for in, want := range map[string]time.Duration{"365d": 365 * 24 * time.Hour, "1d": 24 * time.Hour, "36h": 36 * time.Hour, "3660d": 3660 * 24 * time.Hour} {
		if got, err := parseSpan(in); err != nil || got != want {
			t.Errorf("%s: found %s, %v, expected %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "d", "0d", "-1d", "3661d", "99999999999999999999d", "106752000d", "1y", "59m", "365", "-365d", "1e3d"} {
		if got, err := parseSpan(in); err == nil {
			t.Errorf("%q: found %s, expected a refusal", in, got)
		}
	}
}

func TestParseDate(t *testing.T) {
	for in, want := range map[string]time.Time{"2027-11-22": time.Date(2027, 11, 22, 0, 0, 0, 0, time.UTC), "2027-11-22T10:00:00+02:00": time.Date(2027, 11, 22, 8, 0, 0, 0, time.UTC)} {
		if got, err := parseDate(in); err != nil || !got.Equal(want) {
			t.Errorf("%s: found %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "22.11.2027", "2027-02-30", "2027", "tomorrow"} {
		if got, err := parseDate(in); err == nil {
			t.Errorf("%q: found %s, expected a refusal", in, got)
		}
	}
}
