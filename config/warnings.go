package config

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"tidemark/internal/strictyaml"
	"tidemark/inventory"
)

// Warnings looks at the machine, not at the text: files that too many may read or write, a master that is not there. They stop
// nothing. What cannot be looked at gives no warning; using it will say why.
func (p *Publisher) Warnings() strictyaml.Problems {
	w := warner{file: p.File}
	w.mode(p.File, "", 0o022, "may be changed by others than its owner", "chmod go-w")
	for _, k := range p.Sign.all() {
		w.key(k)
	}
	for _, path := range p.Inventory {
		w.mode(path, "inventory", 0o002, "may be changed by everybody", "chmod o-w")
	}
	for _, name := range sortedKeys(p.Trees) {
		w.master(name, p.Trees[name].Master)
		w.quorum(name, p)
	}
	for i, t := range p.Publish {
		w.url(strictyaml.Path(strictyaml.Item("publish", i), "url"), t.URL)
	}
	w.beacon(p.Beacon)
	w.checkin(p)
	for _, file := range RootKeysBeside(filepath.Dir(p.File)) {
		w.add("", "move it to where its holder keeps it, offline", "%s: a private root key lies readable beside the online keys", file)
	}
	return w.problems
}

type warner struct {
	file     string
	problems strictyaml.Problems
}

func (w *warner) add(field, hint, format string, args ...any) {
	w.problems = append(w.problems, strictyaml.Problem{File: w.file, Field: field, Text: fmt.Sprintf(format, args...), Hint: hint})
}

func (w *warner) mode(file, field string, bits fs.FileMode, text, chmod string) {
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&bits == 0 {
		return
	}
	w.add(field, chmod+" "+file, "%s %s (mode %04o)", file, text, info.Mode().Perm())
}

func (w *warner) private(file, field string) {
	w.mode(file, field, 0o077, "may be read by others than its owner", "chmod 600")
}

// key warns of what lets others than this user sign.
func (w *warner) key(k SigningKey) {
	for _, file := range []string{k.File, k.PassphraseFile} {
		if file != "" {
			w.private(file, "sign")
		}
	}
	if home := k.home(); home != "" {
		w.mode(home, "sign", 0o077, "may be looked into by others than its owner", "chmod 700")
	}
	socket := k.socket()
	if info, err := os.Stat(filepath.Dir(socket)); socket != "" && err == nil && info.Mode().Perm()&0o011 != 0 {
		w.mode(socket, "sign", 0o022, "lets others than its owner sign", "chmod 600") // connecting takes the right to write
	}
	if k.KMS != nil {
		w.url("sign", k.KMS.Endpoint)
	}
}

func (w *warner) beacon(b *Beacon) {
	if b == nil {
		return
	}
	if b.TTL > longTTL {
		w.add(strictyaml.Path("beacon", "ttl"), "60s is kind enough to name servers", "mirrors learn of news up to %v late: resolvers keep the record for so long", strictyaml.Duration(b.TTL))
	}
	if b.RFC2136 != nil {
		w.private(b.RFC2136.TSIGFile, strictyaml.Path("beacon", "rfc2136", "tsig_file"))
	}
	if b.ZoneFile != nil && len(b.ZoneFile.Reload) == 0 {
		w.add(strictyaml.Path("beacon", "zone_file"), "give the command that loads the zone, reload: [/usr/sbin/rndc, reload, ZONE]", "without reload the name server goes on with what it has loaded")
	}
	if b.Route53 != nil {
		w.url(strictyaml.Path("beacon", "route53", "endpoint"), b.Route53.Endpoint)
	}
}

func (w *warner) master(name, master string) {
	if strings.Contains(master, "://") {
		return
	}
	if info, err := os.Stat(master); err != nil || !info.IsDir() {
		w.add(strictyaml.Path("trees", name, "master"), "nothing new of this tree is announced until it is there", "%s is no directory that can be read", master)
	}
}

// quorum warns of a number that the nodes out of maintenance cannot reach: until they are back, nothing new is announced.
func (w *warner) quorum(name string, p *Publisher) {
	counted := 0
	for _, s := range p.Servers {
		if _, carries := s.Trees[name]; carries && s.Kind == inventory.KindNode && !s.Maintenance {
			counted++
		}
	}
	if _, err := p.Trees[name].Quorum.Need(counted); err != nil {
		w.add(strictyaml.Path("trees", name, "quorum"), "nodes in maintenance do not count; nothing new of this tree is announced until they are back", "%v", err)
	}
}

// url warns of plain http, where signatures still protect readers and nothing else does.
func (w *warner) url(field, s string) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" || u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback() {
		return
	}
	w.add(field, "serve it over https", "%s is not encrypted", s)
}

// RootKeysBeside returns the private root keys that can be read in the directory root/ below dir: minisign secret keys. They
// belong offline; whoever has a threshold of them and the online keys is the network.
func RootKeysBeside(dir string) []string {
	entries, err := os.ReadDir(filepath.Join(dir, "root"))
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		file := filepath.Join(dir, "root", e.Name())
		if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() || info.Size() > 4096 {
			continue
		}
		if data, err := os.ReadFile(file); err == nil && minisignSecret(data) {
			out = append(out, file)
		}
	}
	return out
}

// minisignSecret knows the format of minisign's secret keys: a comment line, then base64 of "Ed", the key derivation
// ("Sc", or zeros when there is no passphrase), "B2" and 152 bytes more.
func minisignSecret(data []byte) bool {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(lines.Text()))
		if err == nil && len(b) == 158 && string(b[:2]) == "Ed" && string(b[4:6]) == "B2" {
			return true
		}
	}
	return false
}
