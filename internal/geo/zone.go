package geo

import (
	_ "embed"
	"os"
	"path"
	"strings"
)

// zonesCSV is the table zone.tab of the tz database (public domain) with the older names that its file backward has, each with
// the country that it lies in, not the one whose clocks it shares.
//
//go:embed zones.csv
var zonesCSV string

// CountryOfZone returns the country of a time zone of the tz database: FI for Europe/Helsinki, US for US/Eastern; "" for
// one of no country (UTC, CET) and for one that is not known.
func CountryOfZone(zone string) string {
	if zone == "" || strings.ContainsAny(zone, " ,\n") {
		return ""
	}
	_, table, _ := strings.Cut(zonesCSV, "\n") // the first line is its header
	for line := range strings.Lines(table) {
		country, zones, _ := strings.Cut(strings.TrimSpace(line), ",")
		for zones != "" {
			var name string
			if name, zones, _ = strings.Cut(zones, " "); name == zone {
				return country
			}
		}
	}
	return ""
}

// LocalZone returns the name of this machine's time zone, and what says so: the variable TZ, the link /etc/localtime, or the
// file /etc/timezone, below root ("/"). Both are "" when nothing names a zone.
func LocalZone(root string, getenv func(string) string) (zone, from string) {
	if tz := strings.TrimPrefix(getenv("TZ"), ":"); tz != "" {
		if name := zoneName(tz); name != "" {
			return name, "TZ"
		}
	}
	if link, err := os.Readlink(path.Join(root, "etc/localtime")); err == nil {
		if name := zoneName(link); name != "" {
			return name, "/etc/localtime"
		}
	}
	if b, err := os.ReadFile(path.Join(root, "etc/timezone")); err == nil {
		line, _, _ := strings.Cut(string(b), "\n")
		if name := zoneName(strings.TrimSpace(line)); name != "" {
			return name, "/etc/timezone"
		}
	}
	return "", ""
}

// zoneName takes the name out of a path (/usr/share/zoneinfo/Europe/Helsinki, …/posix/Europe/Helsinki).
func zoneName(s string) string {
	if _, below, ok := strings.Cut(s, "zoneinfo/"); ok {
		s = strings.TrimPrefix(strings.TrimPrefix(below, "posix/"), "right/")
	}
	if strings.HasPrefix(s, "/") || strings.HasPrefix(s, ".") {
		return ""
	}
	return s
}
