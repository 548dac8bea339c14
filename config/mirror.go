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
	URL            string         // of the origin, https:// with a final slash, or an absolute directory
	CA             string         // PEM file of the authorities to trust for URL; "": the system's
	Beacon         *MirrorBeacon  // nil: HTTPS alone
	Checkin        *MirrorCheckin // nil: none
	Trust          string         // the pinned trust.json
	Country        string         // "" when not known; "auto" was resolved by the time zone
	Auto           string         // how the country was found, or that none was, in words; "" when it was written down
	ASN            int64          // 0 when not known
	Family         int            // 4, 6; 0: both
	State          string
	Address        netip.Addr    // local address to bind rsync to
	Proxy          string        // rsync_proxy, host:port
	Lock           string        // a lock file that an older cron line uses as well; ""
	Splay          time.Duration // 5m
	WarnAfter      time.Duration // 6h
	Avoid          []string
	Before         []string // hooks: argv, the program with an absolute path
	After          []string
	Fallback       *Fallback
	Trees          map[string]MirrorTree
	Timeout        time.Duration // of silence: rsync --timeout, 10m; whole seconds
	ConnectTimeout time.Duration // 30s; whole seconds
	Rsync          string        // absolute path of the program; "": rsync from PATH
}

// MirrorBeacon of mirror.yaml: a name, or a name with the DNS servers to ask.
type MirrorBeacon struct {
	Name    string
	Servers []string // "address:port"; nil: the system's resolvers
}

// MirrorCheckin of mirror.yaml: where to say that a sync is done, and the mirror's own key.
type MirrorCheckin struct {
	URL string // https://
	Key string // minisign secret key file, absolute path
}

// Fallback of mirror.yaml: where to sync from when no valid manifest is to be had. A file with a fallback has one tree.
type Fallback struct {
	Sources []rsyncurl.URL
	After   time.Duration // 24h
}

// MirrorTree is one tree of mirror.yaml.
type MirrorTree struct {
	Path       string   // absolute; outside State, and of no other tree
	Exclude    []string // rsync's patterns, as Keep and Late
	Keep       []string
	Late       []string // nil: the built-in patterns
	MaxDelete  int      // 40000
	Bandwidth  int64    // bytes a second; 0: unlimited
	Options    []string
	TimeFormat string // auto
}

// RsyncRules are package rsync's rules for what is handed to rsync, given by cmd since config imports only the inventory.
// A rule that is nil is not applied.
type RsyncRules struct {
	Pattern func(string) error // exclude, keep, late
	Option  func(string) error // options
}
