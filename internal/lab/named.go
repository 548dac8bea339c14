package lab

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// NamedOptions say what a named serves.
type NamedOptions struct {
	Zone    string
	Records []string // lines of the zone file, names relative to the zone; without one that begins with "@ NS " the server itself is ns1
	DNSSEC  bool     // signed: dnssec-policy default, inline-signing
	Port    int      // of UDP and TCP of 127.0.0.1 (named listens on addresses of interfaces only); 0: a free one

	Of    *NameServer // a secondary of this server; Zone, Records and DNSSEC are its
	Fixed bool        // no updates: SIGHUP to Pid makes it read the zone file, and what that includes, anew
	Extra string      // more lines for the zone, e.g. "allow-query { none; };"
}

const namedHint = "apt-get install -y bind9"

// StartNamed starts BIND's named: the primary of a zone that takes updates and transfers with the TSIG key in KeyFile, as
// tsig-keygen wrote it; or, with Of, a secondary of that server: it transfers the zone at the start, hears of no change, and
// so lags until Notify.
func StartNamed(ctx context.Context, dir string, o NamedOptions) (*NameServer, error) {
	return startNames(ctx, dir, "named", nameOptions{zone: o.Zone, port: o.Port, records: o.Records, signed: o.DNSSEC, of: o.Of, hint: namedHint,
		prepare: func(n *NameServer) ([]string, error) { return namedFiles(ctx, n, o) }})
}

func namedFiles(ctx context.Context, n *NameServer, o NamedOptions) ([]string, error) {
	program, err := sbin("named")
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, namedHint)
	}
	n.KeyFile = n.file("tsig.key")
	if err := n.makeKey(ctx, "key %q {\n\talgorithm %s;\n\tsecret \"%s\";\n};\n", "tsig-keygen", "-a", labAlgorithm, labKey); err != nil {
		return nil, err
	}
	if err := n.writeZone(); err != nil {
		return nil, err
	}
	conf := strings.NewReplacer("@DIR", n.Dir, "@PORT", fmt.Sprint(n.Addr.Port()), "@ADDRESS", n.Addr.Addr().String(), "@KEYFILE", n.KeyFile, "@KEY", labKey,
		"@ZONE", n.Zone, "@KIND", namedKind(o), "@EXTRA", o.Extra).Replace(namedConfig)
	file := n.file("named.conf")
	return []string{program, "-g", "-n", "1", "-c", file}, os.WriteFile(file, []byte(conf), 0o644)
}

func namedKind(o NamedOptions) string {
	if o.Of != nil {
		at := o.Of.Addr
		return fmt.Sprintf("type secondary;\n  file \"secondary.db\";\n  primaries { %s port %d key %s; };\n  allow-notify { any; };", at.Addr(), at.Port(), labKey)
	}
	kind := "type primary;\n  file \"zone.db\";"
	if !o.Fixed {
		kind += "\n  allow-update { key " + labKey + "; };"
	}
	if o.DNSSEC {
		kind += "\n  dnssec-policy default;\n  inline-signing yes;"
	}
	return kind
}

// namedConfig has no control channel, no managed keys, nothing outside its directory.
const namedConfig = `include "@KEYFILE";
controls { };
options {
  directory "@DIR";
  key-directory "@DIR";
  managed-keys-directory "@DIR";
  pid-file "@DIR/pid";
  session-keyfile "@DIR/session.key";
  lock-file none;
  listen-on port @PORT { @ADDRESS; };
  listen-on-v6 { none; };
  recursion no;
  dnssec-validation no;
  empty-zones-enable no;
  notify no;
  allow-query { any; };
  allow-transfer { key @KEY; };
};
zone "@ZONE" {
  @KIND
  @EXTRA
};
`
