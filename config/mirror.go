package config

import (
	"net/netip"
	"time"

	"tidemark/internal/rsyncurl"
)

// Mirror is mirror.yaml, checked, with absolute paths and defaults filled in.
type Mirror struct {
	File           string // absolute path of the file itself
	Network        string
	ID             string
	URL            string // of the origin, https:// with a final slash, or an absolute directory
	CA             string // PEM file of the authorities to trust for URL; "": the system's
	Beacon         string // DNS name; "" (read, not yet used: issue 5)
	Trust          string // the pinned trust.json
	Country        string // "" when not known; "auto" was resolved by the time zone
	Auto           string // how the country was found, in words; "" when it was written down
	ASN            int64
	Family         int // 4, 6; 0: both
	State          string
	Address        netip.Addr    // local address to bind rsync to
	Proxy          string        // rsync_proxy, host:port
	Lock           string        // a lock file that an older cron line uses as well; ""
	Splay          time.Duration // 5m
	WarnAfter      time.Duration // 6h
	Avoid          []string
	Before         []string // hooks: argv
	After          []string
	Fallback       *Fallback
	Trees          map[string]MirrorTree
	Timeout        time.Duration // of silence: rsync --timeout, 10m
	ConnectTimeout time.Duration // 30s
	Rsync          string        // the program; "": rsync from PATH
}

// Fallback of mirror.yaml: where to sync from when no valid manifest is to be had.
type Fallback struct {
	Sources []rsyncurl.URL
	After   time.Duration // 24h
}

// MirrorTree is one tree of mirror.yaml.
type MirrorTree struct {
	Path       string
	Exclude    []string
	Keep       []string
	Late       []string // nil: the built-in patterns
	MaxDelete  int      // 40000
	Bandwidth  int64    // bytes a second; 0: unlimited
	Options    []string
	TimeFormat string // auto
}

// MirrorTemplateValues go into a new mirror.yaml.
type MirrorTemplateValues struct {
	Network, ID, URL, Trust, Country, State string
	Trees                                   map[string]string // name to path
}

// LoadMirror reads file. The error is a strictyaml.Problems with every problem at once, or a plain error. zone is the
// machine's time zone name ("Europe/Helsinki"), for country: auto.
func LoadMirror(file, zone string) (*Mirror, error) { panic("stub") }

// MirrorTemplate is a commented mirror.yaml that loads without problems.
func MirrorTemplate(v MirrorTemplateValues) []byte { panic("stub") }
