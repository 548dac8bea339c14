package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"tidemark/internal/console"
	"tidemark/internal/lab"
	"tidemark/publish"
)

// A place that does not take the records is told, with what to do; nothing else is touched, and the next run catches up.
func TestKeepBeacon_Trouble(t *testing.T) {
	t.Parallel()
	w := newBeaconWorld(t)
	m := w.document(stamp1, stamp1)
	wrong := filepath.Join(w.dir, "wrong.key")
	w.write("wrong.key", "key \"tidemark-lab\" {\n\talgorithm hmac-sha256;\n\tsecret \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\";\n};\n")
	w.write("no.key", "secret\n")
	right, dead := w.place, "127.0.0.1:9"
	for _, tt := range []struct{ name, place, text, hint string }{
		{"wrong TSIG key", strings.Replace(right, w.named.KeyFile, wrong, 1), "is not the one the server has (BADSIG)|BADKEY", ""},
		{"no TSIG key", strings.Replace(right, w.named.KeyFile, filepath.Join(w.dir, "no.key"), 1), "TSIG key", "tsig-keygen"},
		{"no key file", strings.Replace(right, w.named.KeyFile, filepath.Join(w.dir, "missing"), 1), "no such file", "tsig-keygen"},
		{"server down", strings.Replace(right, w.named.Addr.String(), dead, 1), "the record", "server " + dead + " must be up"},
	} {
		w.place = tt.place
		w.configure()
		o, _, trouble := w.keep(m)
		if o.State != beaconFailed || len(trouble) != 1 || w.text(beaconName) != "" {
			t.Fatalf("%s: %+v, %v, record %s", tt.name, o, trouble, w.text(beaconName))
		}
		said := false
		for _, text := range strings.Split(tt.text, "|") {
			said = said || strings.Contains(trouble[0].Error(), text)
		}
		_, errs := report(trouble[0])
		if !said || !strings.Contains(errs, tt.hint) || strings.Contains(errs, "hint: ") != (tt.hint != "") {
			t.Errorf("%s: %s, expected %q and %q", tt.name, errs, tt.text, tt.hint)
		}
		w.now = w.now.Add(59 * time.Minute)
		_, _, again := w.keep(nil)
		if len(again) != 1 || again[0].Error() != trouble[0].Error() {
			t.Fatalf("%s: %v, and then %v", tt.name, trouble, again)
		}
		if code, errs := report(again[0]); code != 1 || errs != "" {
			t.Errorf("%s: told again within the hour, or no trouble any more: exit code %d, %s", tt.name, code, errs)
		}
		w.now = w.now.Add(time.Minute)
	}
	w.place = right
	w.configure()
	w.good(nil, beaconWritten)
}

// report is how an error looks on the screen, and its exit code.
func report(err error) (code int, errs string) {
	var b strings.Builder
	e := &console.Program{Env: console.Env{Stderr: &b}, Name: "tidemark", Judge: judge}
	return e.Report(err), b.String()
}

// A secondary that lags is named with what it says; runs that write nothing tell it once an hour.
func TestKeepBeacon_Lagging(t *testing.T) {
	t.Parallel()
	w := newBeaconWorld(t)
	m := w.document(stamp1, stamp1)
	w.good(m, beaconWritten)
	second := startNamed(t, lab.NamedOptions{Of: w.named})
	w.served = append(w.served, second.Addr.String())
	w.configure()
	w.now = w.now.Add(time.Hour)
	w.good(nil, beaconUnchanged)

	w.now = w.now.Add(time.Minute)
	o, out, trouble := w.keep(w.document(stamp2, stamp2))
	if len(trouble) != 1 || o.State != beaconWritten || len(o.Lagging) != 2 || out != "beacon "+beaconName+": wrote serial 2 (timestamps changed), seen at 1 of 2 servers\n" {
		t.Fatalf("%s%+v, %v", out, o, trouble)
	}
	code, errs := report(trouble[0])
	for _, want := range []string{"beacon " + beaconName + ": server " + second.Addr.String() + " says serial 1, expires in 22h; expected serial 2, expires in 24h", "hint: ", "NOTIFY", "beacon --check"} {
		if !strings.Contains(errs, want) || code != 1 {
			t.Errorf("no %q in (exit code %d)\n%s", want, code, errs)
		}
	}
	if !strings.Contains(errs, fmt.Sprintf("plain record %s: server %s says \"%d:%[3]d\"; expected \"%d:%[4]d\"", plainName, second.Addr, stamp1, stamp2)) {
		t.Error(errs)
	}
	w.now = w.now.Add(59 * time.Minute)
	if o, _, trouble := w.keep(nil); len(trouble) > 0 || len(o.Lagging) != 2 || o.Agree != 1 {
		t.Errorf("told within the hour: %v, %+v", trouble, o)
	}
	w.now = w.now.Add(time.Minute)
	if _, _, trouble := w.keep(nil); len(trouble) != 1 {
		t.Errorf("not told after an hour: %v", trouble)
	}
	w.now = w.now.Add(time.Minute)
	if _, _, trouble := w.keep(w.document(stamp2+60, stamp2)); len(trouble) != 1 {
		t.Errorf("not told after a rewrite: %v", trouble)
	}
	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Hour)
	if _, _, trouble := w.keep(nil); len(trouble) != 1 || strings.Count(trouble[0].Error(), "cannot be asked: ") != 1 {
		t.Errorf("a server that is down: %v", trouble)
	}
	w.served = w.served[:1]
	w.configure()
	w.good(nil, beaconUnchanged)
}

// A run that wrote nothing asks the servers once an hour, or when one lagged; a run for check-ins never.
func TestKeepBeacon_Round(t *testing.T) {
	t.Parallel()
	w := newBeaconPublisher(t)
	d, err := lab.StartDNS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	w.served = []string{d.Addr.String()}
	w.configure()
	w.keep(w.document(stamp1, stamp1)) // d lags
	asks := func(what string, want bool, servers, agree int, flags ...string) {
		t.Helper()
		d.Reset()
		o, out, _ := w.keep(nil, flags...)
		if asked := d.Counts().Questions > 0; asked != want || o.State != beaconUnchanged || o.Servers != servers || o.Agree != agree {
			t.Errorf("%s: asked %v, expected %v; %s%+v", what, asked, want, out, o)
		}
	}
	asks("for check-ins while one lags", false, 1, 0, "--checkins")
	asks("while one lags", true, 1, 0)
	for name, text := range w.fragment() {
		d.SetText(name, text)
	}
	asks("while one lagged at the last look", true, 1, 1)
	asks("in order", false, 1, 1)
	w.now = w.now.Add(59 * time.Minute)
	asks("in order, 59 minutes later", false, 1, 1)
	w.now = w.now.Add(time.Minute)
	asks("for check-ins, an hour later", false, 1, 1, "--checkins")
	asks("an hour later", true, 1, 1)
	w.now = w.now.Add(-2 * time.Minute)
	asks("a clock that was set back", true, 1, 1)
}

// fragment is what stands in beacon.zone, by name.
func (w *beaconWorld) fragment() map[string]string {
	w.Helper()
	out := map[string]string{}
	for _, name := range []string{beaconName, plainName} {
		set, err := publish.ZoneFile(filepath.Join(w.dir, "beacon.zone"), nil).Get(w.Context(), name)
		if err != nil {
			w.Fatal(err)
		}
		out[name] = joined(set)
	}
	return out
}

// The records are asked for at the same time: one silent server costs its time once.
func TestBeaconKeeper_SideBySide(t *testing.T) {
	t.Parallel()
	w := newBeaconPublisher(t)
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	w.served = []string{silent.LocalAddr().String()}
	w.configure()
	_, _, errs := w.program([]string{"part"}, func(c *console.Call) error {
		p, err := openPublisher(c, true)
		if err != nil {
			return err
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		k := &beaconKeeper{publisher: p, stands: []record{{name: beaconName}, {name: plainName}}}
		go k.askAll(ctx, false)
		names := map[string]bool{}
		for range 2 { // a second try comes later
			var m dns.Msg
			b := make([]byte, 512)
			n, _, err := silent.ReadFrom(b)
			if err := errors.Join(err, m.Unpack(b[:n])); err != nil {
				return err
			}
			names[m.Question[0].Name] = true
		}
		if len(names) != 2 {
			t.Errorf("%v was asked twice before the other", names)
		}
		return nil
	})
	if errs != "" {
		t.Error(errs)
	}
}

// Without servers: in the configuration, those of the zone's NS records are asked, which the primary tells.
func TestKeepBeacon_NameServers(t *testing.T) {
	t.Parallel()
	w := newBeaconWorld(t)
	w.served = nil
	w.configure()
	_, out, trouble := w.keep(w.document(stamp1, stamp1))
	if len(trouble) != 1 || out != "beacon "+beaconName+": wrote serial 1 (there was none), seen at 0 of 1 servers\n" ||
		!strings.Contains(trouble[0].Error(), "server ns1.example.org (127.0.0.1:53) cannot be asked: ") { // the lab's named has another port
		t.Errorf("%s%v", out, trouble)
	}
}

// A fragment holds both records; the reload command is run after a write, and again when it failed.
func TestKeepBeacon_ZoneFile(t *testing.T) {
	t.Parallel()
	w := newBeaconWorld(t)
	d, err := lab.StartDNS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	fragment, reloaded := filepath.Join(w.dir, "beacon.zone"), filepath.Join(w.dir, "reloaded")
	w.served = []string{d.Addr.String()}
	w.place = fmt.Sprintf("zone_file: {path: %s, reload: [/bin/cp, %[1]s, %s]}", fragment, filepath.Join(w.dir, "missing", "x"))
	w.configure()
	o, _, trouble := w.keep(w.document(stamp1, stamp2))
	if len(trouble) == 0 || o.State != beaconFailed {
		t.Fatalf("%+v, %v", o, trouble)
	}
	if _, errs := report(trouble[0]); !strings.Contains(errs, "reload command works by hand") {
		t.Error(errs)
	}
	w.place = fmt.Sprintf("zone_file: {path: %s, reload: [/bin/cp, %[1]s, %s]}", fragment, reloaded)
	w.configure()
	if o, _, _ := w.keep(nil); o.State != beaconWritten {
		t.Fatalf("the reload that failed was not tried again: %+v", o)
	}
	text := string(must(os.ReadFile(reloaded)))
	for _, want := range []string{beaconName + ". ", plainName + ". ", fmt.Sprintf(`"%d:%d"`, stamp2, stamp1), `"v=tm1 n=centos s=1 `} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%q is not once in\n%s", want, text)
		}
	}
	record := text[strings.Index(text, "v=tm1"):]
	d.SetText(beaconName, record[:strings.Index(record, `"`)])
	d.SetText(plainName, fmt.Sprintf("%d:%d", stamp2, stamp1))
	if err := os.Remove(reloaded); err != nil {
		t.Fatal(err)
	}
	w.keep(nil)
	if _, err := os.Stat(reloaded); err == nil {
		t.Error("nothing was written, and the reload command was run")
	}
	w.write("beacon.zone", "_dmarc TXT x\n")
	_, _, trouble = w.keep(nil)
	if _, errs := report(trouble[0]); !strings.Contains(errs, `line 1: found "_dmarc", expected an absolute name`) || strings.Contains(errs, "hint: ") {
		t.Error(errs)
	}
	w.write("beacon.zone", "; lost\n")
	if o, _, _ := w.keep(nil); o.State != beaconWritten {
		t.Errorf("a fragment that was emptied is left: %+v", o)
	}
}
