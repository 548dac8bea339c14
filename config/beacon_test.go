package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestLoadPublisher_BeaconPlaces: each of the three, and none.
func TestLoadPublisher_BeaconPlaces(t *testing.T) {
	for text, want := range map[string]Beacon{
		"": {},
		", rfc2136: {server: ns.example.org, tsig_file: /etc/tsig.key}":                                    {RFC2136: &RFC2136{Server: "ns.example.org", TSIGFile: "/etc/tsig.key"}},
		", rfc2136: {server: 192.0.2.1, zone: example.org., tsig_file: /k}":                                {RFC2136: &RFC2136{Server: "192.0.2.1", Zone: "example.org", TSIGFile: "/k"}},
		", rfc2136: {server: \"[::1]:5353\", zone: org, tsig_file: /k}":                                    {RFC2136: &RFC2136{Server: "[::1]:5353", Zone: "org", TSIGFile: "/k"}},
		", rfc2136: {server: \"ns:53\", tsig_file: /k}":                                                    {RFC2136: &RFC2136{Server: "ns:53", TSIGFile: "/k"}},
		", route53: {zone: Z0123456789EXAMPLE}":                                                            {Route53: &Route53{Zone: "Z0123456789EXAMPLE"}},
		", route53: {zone: Z1, endpoint: \"http://127.0.0.1:8080/\"}":                                      {Route53: &Route53{Zone: "Z1", Endpoint: "http://127.0.0.1:8080"}},
		", zone_file: {path: /etc/bind/t.inc}":                                                             {ZoneFile: &ZoneFile{Path: "/etc/bind/t.inc"}},
		", zone_file: {path: /etc/bind/t.inc, reload: [/usr/sbin/rndc, reload, example.org]}, servers: ns": {ZoneFile: &ZoneFile{Path: "/etc/bind/t.inc", Reload: []string{"/usr/sbin/rndc", "reload", "example.org"}}, Servers: []string{"ns"}},
	} {
		p, err := LoadPublisher(writeConfig(t, "beacon: {name: _t.example.org"+text+"}\n"))
		if err != nil {
			t.Error(err)
			continue
		}
		want.Name, want.TTL = "_t.example.org", time.Minute
		if diff := cmp.Diff(&want, p.Beacon); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// At the zone's apex stand others' TXT records.
func TestLoadPublisher_BeaconAtTheApex(t *testing.T) {
	for text, want := range map[string]string{
		"name: Example.org., rfc2136": "beacon.name: example.org is the zone itself",
		"name: _t.example.org, plain: {name: example.org, order: [centos]}, rfc2136": "beacon.plain.name: example.org is the zone itself",
	} {
		_, err := LoadPublisher(writeConfig(t, "beacon: {"+text+": {server: 192.0.2.1, zone: example.org, tsig_file: /k}}\n"))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "_tidemark.example.org") {
			t.Errorf("%s: %v, expected %s", text, err, want)
		}
	}
}

func TestLoadPublisher_CheckinDefaults(t *testing.T) {
	p, err := LoadPublisher(writeConfig(t, "checkin: {spool: /var/spool/tidemark}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := &Checkin{Listen: "127.0.0.1:8440", Spool: "/var/spool/tidemark", PerMirror: time.Minute, PerSecond: 20}
	if diff := cmp.Diff(want, p.Checkin); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWarnings_Beacon(t *testing.T) {
	file := writeConfig(t, "beacon: {name: _t.example.org, ttl: 601s, rfc2136: {server: ns.example.org, tsig_file: tsig.key}}\n")
	write(t, filepath.Join(filepath.Dir(file), "tsig.key"), []byte("key"))
	chmod(t, filepath.Join(filepath.Dir(file), "tsig.key"), 0o640)
	checkWarnings(t, file,
		"beacon.ttl: mirrors learn of news up to 10m1s late: resolvers keep the record for so long (60s is kind enough to name servers)",
		"beacon.rfc2136.tsig_file: tsig.key may be read by others than its owner (mode 0640) (chmod 600 tsig.key)")
	checkWarnings(t, writeConfig(t, "beacon: {name: _t.example.org, ttl: 10m, route53: {zone: Z1, endpoint: \"http://r53.example.org\"}}\n"),
		"beacon.route53.endpoint: http://r53.example.org is not encrypted (serve it over https)")
	checkWarnings(t, writeConfig(t, "beacon: {name: _t.example.org, zone_file: {path: /etc/bind/t.inc}}\n"),
		"beacon.zone_file: without reload the name server goes on with what it has loaded (give the command that loads the zone, reload: [/usr/sbin/rndc, reload, ZONE])")
	checkWarnings(t, writeConfig(t, "beacon: {name: _t.example.org, zone_file: {path: /etc/bind/t.inc, reload: [/bin/true]}}\n"))
}

func TestWarnings_Checkin(t *testing.T) {
	const nobody = "checkin: nobody can check in: no server of the inventory has a key (give a mirror's public key in the inventory, as key: RW...; on the mirror, tidemark-mirror init makes it)"
	const open = "checkin.listen: check-ins would come to %s unencrypted, and mirrors send them over https only (set cert and key, or listen at 127.0.0.1:8440 behind a web server that has TLS)"
	for text, want := range map[string][]string{
		"":                           {nobody},
		", listen: \"[::1]:8440\"":   {nobody},
		", listen: localhost:8440":   {nobody},
		", listen: \"0.0.0.0:8440\"": {strings.Replace(open, "%s", "0.0.0.0:8440", 1), nobody},
		", listen: \"[::]:8440\"":    {strings.Replace(open, "%s", "[::]:8440", 1), nobody},
		", listen: \"[::]:8440\", cert: c, key: k": {"checkin.key: k may be read by everybody, or changed by its group (mode 0644) (chmod u=rw,g=r,o= k)", nobody},
	} {
		file := writeConfig(t, "checkin: {spool: /var/spool/tidemark"+text+"}\n")
		write(t, filepath.Join(filepath.Dir(file), "k"), []byte("key"))
		checkWarnings(t, file, want...)
	}

	file := writeConfig(t, "checkin: {spool: /var/spool/tidemark}\n")
	inventory := filepath.Join(filepath.Dir(file), "inventory.yaml")
	data, err := os.ReadFile(inventory)
	if err != nil {
		t.Fatal(err)
	}
	write(t, inventory, append(data, "\n- {id: ftp.example.com, trees: {centos: rsync://ftp.example.com/centos/}, key: RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3}\n"...))
	checkWarnings(t, file)
}

// checkWarnings wants just these; a directory for the master is made.
func checkWarnings(t *testing.T, file string, want ...string) {
	t.Helper()
	dir := filepath.Dir(file)
	if err := os.MkdirAll(filepath.Join(dir, "master"), 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := LoadPublisher(file)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, w := range p.Warnings() {
		got = append(got, strings.TrimPrefix(strings.ReplaceAll(w.String(), dir+"/", ""), "tidemark.yaml: "))
	}
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoadMirror_BeaconAndCheckin(t *testing.T) {
	for text, want := range map[string]Mirror{
		"beacon: _T.example.org.":                                            {Beacon: &MirrorBeacon{Name: "_t.example.org"}},
		"beacon: {name: _t.example.org}":                                     {Beacon: &MirrorBeacon{Name: "_t.example.org"}},
		"beacon: {name: _t.example.org, servers: 127.0.0.1:5353}":            {Beacon: &MirrorBeacon{Name: "_t.example.org", Servers: []string{"127.0.0.1:5353"}}},
		"beacon: {name: t.org, servers: [\"::1\", \"[::1]:54\", \"[::2]\"]}": {Beacon: &MirrorBeacon{Name: "t.org", Servers: []string{"[::1]:53", "[::1]:54", "[::2]:53"}}},
		"checkin: https://mirrors.example.org/c/":                            {Checkin: &MirrorCheckin{URL: "https://mirrors.example.org/c/", Key: "/etc/tidemark/mirror.key"}},
		"checkin: {url: \"http://127.0.0.1:8440/\", key: ../k}":              {Checkin: &MirrorCheckin{URL: "http://127.0.0.1:8440/", Key: "/etc/k"}},
		"checkin: {url: \"http://localhost:8440\"}":                          {Checkin: &MirrorCheckin{URL: "http://localhost:8440", Key: "/etc/tidemark/mirror.key"}},
	} {
		m, err := parseMirror("/etc/tidemark/mirror.yaml", mirrorText(t, text), "", RsyncRules{})
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff([]any{want.Beacon, want.Checkin}, []any{m.Beacon, m.Checkin}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}
