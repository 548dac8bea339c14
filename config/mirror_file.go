package config

import (
	"fmt"
	"strconv"
	"strings"

	"tidemark/internal/strictyaml"
)

// mirror.yaml as it is written: pointers are nil when a key is absent.

type mirrorFile struct {
	strictyaml.Pos `yaml:"-"`
	Network        string                       `yaml:"network,required" want:"the network's name, e.g. centos"`
	ID             string                       `yaml:"id,required" want:"this mirror's name in the network's inventory, e.g. ftp.funet.fi"`
	URL            string                       `yaml:"url,required" want:"where the network publishes, e.g. https://mirrors.example.org/centos/"`
	CA             *string                      `yaml:"ca" want:"a PEM file with the site's certificate authority"`
	Beacon         *mirrorBeaconFile            `yaml:"beacon" want:"the beacon's DNS name, e.g. _tidemark.example.org, or {name: NAME, servers: [192.0.2.53]}"`
	Checkin        *mirrorCheckinFile           `yaml:"checkin" want:"where to check in, e.g. https://mirrors.example.org/centos/checkin, or {url: URL, key: FILE}"`
	Trust          string                       `yaml:"trust,required" want:"the pinned trust document, e.g. /etc/tidemark/trust.json"`
	Country        *string                      `yaml:"country" want:"a country like FI, or auto"`
	ASN            *int64                       `yaml:"asn" want:"the number of an autonomous system, e.g. 1741"`
	State          string                       `yaml:"state,required" want:"a directory for what must be remembered, e.g. /var/lib/tidemark-mirror"`
	Fallback       *fallbackFile                `yaml:"fallback" want:"sources and after of the fallback"`
	Trees          map[string]mirrorTreeFile    `yaml:"trees,required" want:"the trees by their names" each:"path, and more, of the tree"`
	Address        *string                      `yaml:"address" want:"an IP address of this machine"`
	Family         *int                         `yaml:"family" want:"4 or 6"`
	Proxy          *string                      `yaml:"rsync_proxy" want:"the proxy's host:port"`
	Lock           *string                      `yaml:"lock" want:"a lock file, e.g. /run/lock/mirror.lock"`
	Splay          *strictyaml.Duration         `yaml:"splay"`
	WarnAfter      *strictyaml.Duration         `yaml:"warn_after"`
	Avoid          strictyaml.OneOrMany[string] `yaml:"avoid" want:"a source's id, or a list of such" each:"a source's id"`
	Hooks          hooksFile                    `yaml:"hooks" want:"the commands before and after, e.g. {after: [/usr/local/bin/report]}"`
	Timeout        *strictyaml.Duration         `yaml:"timeout"`
	ConnectTimeout *strictyaml.Duration         `yaml:"connect_timeout"`
	Rsync          *string                      `yaml:"rsync" want:"the path of the rsync program"`
}

type mirrorBeaconFile struct {
	strictyaml.Pos `yaml:"-"`
	Name           string                       `yaml:"name,short" want:"the beacon's DNS name, e.g. _tidemark.example.org"`
	Servers        strictyaml.OneOrMany[string] `yaml:"servers" want:"the address of a DNS server, or a list of such" each:"the address of a DNS server, e.g. 192.0.2.53"`
}

type mirrorCheckinFile struct {
	strictyaml.Pos `yaml:"-"`
	URL            string  `yaml:"url,short" want:"the network's address for check-ins, https://..."`
	Key            *string `yaml:"key" want:"the file with this mirror's own secret key, e.g. mirror.key"`
}

type fallbackFile struct {
	strictyaml.Pos `yaml:"-"`
	Sources        strictyaml.OneOrMany[string] `yaml:"sources,required" want:"rsync:// URLs of the tree" each:"an rsync:// URL"`
	After          *strictyaml.Duration         `yaml:"after"`
}

type mirrorTreeFile struct {
	strictyaml.Pos `yaml:"-"`
	Path           string     `yaml:"path,required" want:"the tree's directory, e.g. /srv/mirror/centos"`
	Exclude        []string   `yaml:"exclude" want:"a list of rsync's patterns, e.g. [\"*/isos/\"]" each:"a pattern"`
	Keep           []string   `yaml:"keep" want:"a list of rsync's patterns, e.g. [\"/HEADER.html\"]" each:"a pattern"`
	Late           []string   `yaml:"late" want:"a list of rsync's patterns, e.g. [\"repodata/\"]" each:"a pattern"`
	MaxDelete      *int       `yaml:"max_delete"`
	Bandwidth      *bandwidth `yaml:"bandwidth" want:"bytes a second, e.g. 50M"`
	Options        []string   `yaml:"options" want:"a list of options of rsync" each:"an option like --fuzzy"`
	TimeFormat     *string    `yaml:"time_format" want:"auto"`
}

type hooksFile struct {
	strictyaml.Pos `yaml:"-"`
	Before         []string `yaml:"before" want:"a program and its arguments, e.g. [/usr/local/bin/report, start]" each:"the program, or an argument"`
	After          []string `yaml:"after" want:"a program and its arguments, e.g. [/usr/local/bin/report, end]" each:"the program, or an argument"`
}

// bandwidth in bytes a second: a whole number with K, M or G, the binary units of rsync's --bwlimit (K is 1024).
type bandwidth int64

const maxBandwidth = 1 << 40 // 1024G

// UnmarshalText reads "50M". A number alone is refused: to rsync it means KiB, to others bytes or bits.
func (b *bandwidth) UnmarshalText(t []byte) error {
	s := string(t)
	digits := strings.TrimRight(s, "KMG")
	unit, known := map[string]int64{"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[s[len(digits):]]
	n, err := strconv.ParseInt(digits, 10, 64)
	if _, bare := strconv.ParseFloat(s, 64); bare == nil {
		return advised{fmt.Errorf("found %.40s without a unit, expected bytes a second such as 500K, 50M or 1G", s), fmt.Sprintf("write %.40[1]sK or %.40[1]sM", s)}
	}
	if !known || err != nil || strings.Trim(digits, "0123456789") != "" {
		return advised{fmt.Errorf("found %.40q, expected bytes a second such as 500K, 50M or 1G", s), "K is 1024 bytes, as rsync's --bwlimit has it"}
	}
	if n < 1 || n > maxBandwidth/unit {
		return advised{fmt.Errorf("found %.40q, expected 1K to 1024G", s), "leave it out for no limit"}
	}
	*b = bandwidth(n * unit)
	return nil
}

// advised is an error with a hint for strictyaml.
type advised struct {
	error
	hint string
}

func (a advised) Hint() string { return a.hint }
