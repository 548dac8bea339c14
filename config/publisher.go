package config

import (
	"time"

	"tidemark/inventory"
)

// Publisher is tidemark.yaml, checked, with absolute paths and defaults filled in.
type Publisher struct {
	File      string // absolute path of the file itself
	Network   string
	State     string        // directory
	Validity  time.Duration // 24h
	Inventory []string
	Trees     map[string]Tree
	Sign      Sign
	Trust     string
	Publish   []Target      // at least one; the first is the authority
	Keep      time.Duration // publish.keep of DESIGN 4.5: 7 days, never below validity + 1 h
	Beacon    *Beacon       // nil when not given
	Checkin   *Checkin      // nil when not given
	Probe     Probe
	Settle    time.Duration // 1m; 0 is allowed
	Guard     Guard
	Policy    Policy
	Servers   []inventory.Server // loaded from Inventory
}

// Tree of tidemark.yaml.
type Tree struct {
	Master   string           // absolute directory or rsync URL
	TimeFile string           // TIME
	Anchors  []string         // doublestar patterns, at least one
	Exclude  []string         // rsync patterns of what no server is expected to have
	Quorum   inventory.Quorum // majority
	MaxWait  time.Duration    // 12h
}

// Sign names the signing keys in their order; more than one of a kind is allowed, one of each is needed.
type Sign struct {
	OpenPGP []SigningKey
	Ed25519 []SigningKey
}

// SigningKey is a private key where it lives: exactly one of File, GPG, SSHAgent and KMS is given.
type SigningKey struct {
	File     string  // a private key's file, absolute
	GPG      *GPGKey // openpgp only
	SSHAgent string  // ed25519 only: an agent's socket, absolute, or [AgentOfEnvironment]
	KMS      *KMSKey
	Public   string // file with the public half, absolute: with SSHAgent and KMS

	// Where the passphrase comes from: at most one, with File and GPG only.
	PassphraseFile string
	PassphraseEnv  string
	Credential     string // a systemd credential's name, below $CREDENTIALS_DIRECTORY
}

// AgentOfEnvironment as a socket is the one that SSH_AUTH_SOCK names.
const AgentOfEnvironment = "env"

// GPGKey is a key that gpg-agent holds, or a smartcard behind it.
type GPGKey struct {
	Fingerprint string // 40 hex digits in capitals: of the primary key, or of the signing subkey itself
	Home        string // absolute; "": the user's own
}

// KMSKey is a key of AWS KMS. Credentials come by the AWS SDK's usual chain.
type KMSKey struct {
	Key      string // id, ARN or alias/NAME
	Region   string // "": as the environment says
	Endpoint string // "": AWS
	CA       string // PEM file, absolute; "": the system's
}

// String names the key as errors do: where it lives, and nothing secret.
func (k SigningKey) String() string {
	switch {
	case k.GPG != nil && k.GPG.Home != "":
		return "gpg key " + k.GPG.Fingerprint + " in " + k.GPG.Home
	case k.GPG != nil:
		return "gpg key " + k.GPG.Fingerprint
	case k.SSHAgent == AgentOfEnvironment:
		return "key " + k.Public + " in the ssh-agent of SSH_AUTH_SOCK"
	case k.SSHAgent != "":
		return "key " + k.Public + " in the ssh-agent at " + k.SSHAgent
	case k.KMS != nil:
		return "KMS key " + k.KMS.Key
	}
	return k.File
}

// Target is one store: either a directory or a bucket.
type Target struct {
	Dir   string
	S3    *S3
	URL   string // where readers see it, with a final slash
	Purge []Purge
}

// String names the target as errors do.
func (t Target) String() string {
	if t.S3 != nil {
		return "s3://" + t.S3.Bucket + "/" + t.S3.Prefix
	}
	return t.Dir
}

// S3 is a bucket of an S3-compatible store. Credentials come by the AWS SDK's usual chain.
type S3 struct {
	Bucket    string
	Prefix    string // "" or with a final slash
	Region    string // "": as the environment says
	Endpoint  string // "": AWS
	PathStyle bool
	CA        string // PEM file, "": the system's
	Checksum  string // "" or "when_required"
}

// Purge is a cache before a target: a CloudFront distribution, or an address that takes PURGE or BAN.
type Purge struct {
	CloudFront string
	URL        string
	Method     string // PURGE or BAN
	TokenFile  string
}

// Beacon of tidemark.yaml. At most one of RFC2136, Route53 and ZoneFile is given; none: `tidemark beacon` prints the record.
type Beacon struct {
	Name       string        // of the TXT record, lower case, no final dot
	TTL        time.Duration // 60s; whole seconds
	PlainName  string        // "" when no plain record is wanted
	PlainOrder []string      // trees
	RFC2136    *RFC2136
	Route53    *Route53
	ZoneFile   *ZoneFile
	Servers    []string // "host" or "host:port": what readers ask, where it is not the zone's NS records
}

// RFC2136 is a primary server that takes dynamic updates.
type RFC2136 struct {
	Server   string // "host" or "host:port"
	Zone     string // "": found by asking
	TSIGFile string // absolute path
}

// Route53 is a hosted zone of Amazon Route 53.
type Route53 struct {
	Zone     string // its id, e.g. Z0123456789EXAMPLE
	Endpoint string // "": AWS
}

// ZoneFile is a fragment that a zone file includes.
type ZoneFile struct {
	Path   string   // absolute
	Reload []string // argv, the program with an absolute path; nil: none
}

// Checkin is where mirrors check in: `checkin serve` listens, and run takes the spool.
type Checkin struct {
	Listen    string // "host:port"; 127.0.0.1:8440
	Spool     string // absolute directory
	Cert      string // PEM files for TLS; "": plain HTTP, behind a web server that has TLS
	Key       string
	PerMirror time.Duration // one check-in of a mirror in so long, 1m
	PerSecond int           // accepted ones of all mirrors, 20
}

// Probe settings.
type Probe struct {
	Concurrency  int           // 64
	Timeout      time.Duration // 30s
	Recheck      time.Duration // 6h
	Sample       int           // 3
	ListShare    int           // percent, 10
	Spot         int           // per mille, 5
	Backoff      time.Duration // 1h; 0: none
	PerSecond    int           // hosts that are begun with, 40; 0: no bound
	PerGroup     int           // servers of one organisation at a time, 2
	Lists        int           // file lists at a time, 8; 0: none is looked at
	ListTimeout  time.Duration // for all file lists of a run, 2m
	AllowPrivate bool          // ask private, loopback and link-local addresses, too
	CA           string        // PEM file for rsync+tls, absolute; "": the system's
}

// Guard settings.
type Guard struct {
	Share int // percent, 30
	Least int // 5
	Runs  int // 3
}

// Policy goes into the manifest.
type Policy struct {
	CheckInterval time.Duration       // 5m; whole seconds
	MaxHold       time.Duration       // 2h; whole seconds
	Nearby        map[string][]string // nil: the built-in table
}
