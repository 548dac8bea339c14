package lab

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// KnotOptions say what a knotd serves.
type KnotOptions struct {
	Zone    string
	Records []string // as NamedOptions has them
	DNSSEC  bool     // signed: dnssec-signing, with knot's default policy
	Address string   // loopback IP literal; "": 127.0.0.1
	Port    int      // of UDP and TCP; 0: a free one

	Of *NameServer // a secondary of this server; Zone, Records and DNSSEC are its
}

const knotHint = "apt-get install -y knot"

// StartKnot starts Knot's knotd: the primary of a zone that takes updates and transfers with the TSIG key in KeyFile, as
// keymgr wrote it; or, with Of, a secondary, as StartNamed has it.
func StartKnot(ctx context.Context, dir string, o KnotOptions) (*NameServer, error) {
	return startNames(ctx, dir, "knotd", nameOptions{zone: o.Zone, address: o.Address, port: o.Port, records: o.Records, signed: o.DNSSEC, of: o.Of, hint: knotHint,
		prepare: func(n *NameServer) ([]string, error) { return knotFiles(ctx, n, o) }})
}

func knotFiles(ctx context.Context, n *NameServer, o KnotOptions) ([]string, error) {
	program, err := sbin("knotd")
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, knotHint)
	}
	n.KeyFile = n.file("tsig.conf")
	if err := n.makeKey(ctx, "key:\n  - id: %s\n    algorithm: %s\n    secret: %s\n", "keymgr", "-t", labKey, labAlgorithm); err != nil {
		return nil, err
	}
	if err := n.writeZone(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(n.file("db"), 0o700); err != nil {
		return nil, err
	}
	conf := strings.NewReplacer("@DIR", n.Dir, "@PORT", fmt.Sprint(n.Addr.Port()), "@ADDRESS", n.Addr.Addr().String(), "@KEYFILE", n.KeyFile, "@KEY", labKey,
		"@ZONE", n.Zone, "@KIND", knotKind(o), "@REMOTES", knotRemotes(o)).Replace(knotConfig)
	file := n.file("knot.conf")
	return []string{program, "-c", file}, os.WriteFile(file, []byte(conf), 0o644)
}

func knotKind(o KnotOptions) string {
	switch {
	case o.Of != nil:
		return "file: secondary.db\n    master: primary\n    acl: [lab, notice]"
	case o.DNSSEC:
		return "file: zone.db\n    dnssec-signing: on\n    acl: lab"
	}
	return "file: zone.db\n    acl: lab"
}

func knotRemotes(o KnotOptions) string {
	if o.Of == nil {
		return ""
	}
	return fmt.Sprintf("remote:\n  - id: primary\n    address: %s@%d\n    key: %s", o.Of.Addr.Addr(), o.Of.Addr.Port(), labKey)
}

// knotConfig names its control socket by a relative path: the whole one could be longer than a socket's may be.
const knotConfig = `include: "@KEYFILE"
server:
    rundir: "."
    pidfile: "@DIR/pid"
    listen: "@ADDRESS@@PORT"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
control:
    listen: control
log:
  - target: stderr
    any: info
database:
    storage: "@DIR/db"
    journal-db-max-size: 16M
    kasp-db-max-size: 16M
    timer-db-max-size: 16M
acl:
  - id: lab
    key: @KEY
    action: [update, transfer]
  - id: notice
    address: 127.0.0.0/8
    action: notify
@REMOTES
zone:
  - domain: @ZONE
    storage: "@DIR"
    zonefile-sync: -1
    zonefile-load: difference
    journal-content: changes
    @KIND
`
