package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"tidemark/internal/lab"
	"tidemark/keys"
	"tidemark/sign"
)

const (
	demoBeacon = "_tidemark.centos.example.org"
	demoPlain  = "plain.centos.example.org"
)

// onePacket shows a mirror that asks DNS instead of the site.
func (d *demo) onePacket(ctx context.Context) error {
	d.title("One packet to look: the timestamps in a signed DNS record")
	if err := d.command(ctx, "beacon", "--config", d.config()); err != nil {
		return err
	}
	var err error
	if d.dns, err = lab.StartDNS(ctx); err != nil {
		return err
	}
	if err := d.putBeacon(ctx); err != nil {
		return err
	}
	m := finland()
	fmt.Fprintf(d.out, "\n(the demo's DNS server has that record now, and %s is told to ask for it.\nThe first look still asks the site once; from then on one packet is enough)\n", m.id)
	if err := d.addTo(m, fmt.Sprintf("beacon: {name: %s, servers: [%q]}", demoBeacon, d.dns.Addr)); err != nil {
		return err
	}
	for range 2 {
		d.dns.Reset()
		before := d.site.Requests()
		if _, err := d.mirror(ctx, m, []int{checkInDate}, "check"); err != nil {
			return err
		}
		c := d.dns.Counts()
		fmt.Fprintf(d.out, "(questions to DNS: %d, %d bytes there and back; requests to the site: %d)\n", c.Questions, c.Received+c.Sent, d.site.Requests()-before)
	}
	return nil
}

// putBeacon gives the DNS server the record that the publisher's program prints; `run` does it by itself where a name server
// is configured.
func (d *demo) putBeacon(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, d.tidemark, "beacon", "--json", "--config", d.config()).Output()
	if err != nil {
		return fmt.Errorf("tidemark beacon --json: %w", err)
	}
	var record struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal(out, &record); err != nil {
		return fmt.Errorf("tidemark beacon --json: %w", err)
	}
	d.dns.SetText(demoBeacon, record.Text)
	return nil
}

// onePing shows a mirror that says that it is done, is looked at, and is listed.
func (d *demo) onePing(ctx context.Context) error {
	m := finland()
	d.title(fmt.Sprintf("One ping to be listed: %s serves its tree, too, and says so", m.id))
	if err := d.enroll(ctx, m); err != nil {
		return err
	}
	cfg, err := os.ReadFile(d.config())
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\n$ tidemark checkin serve --config %s &\n", d.config())
	d.receiver, err = lab.StartReceiver(ctx, lab.ReceiverOptions{Program: d.tidemark, Config: d.config(), Text: string(cfg), Spool: filepath.Join(d.dir, "spool"), TLS: filepath.Join(d.dir, "tls")})
	if err != nil {
		return err
	}
	fmt.Fprintln(d.out, d.receiver.Log())
	if err := d.addTo(m, fmt.Sprintf("checkin: {url: %q, key: mirror.key}", d.receiver.URL())); err != nil {
		return err
	}
	fmt.Fprint(d.out, "\n(a run that has synced checks in by itself. Here it is in date already, so by hand:)\n")
	start := d.now()
	if _, err := d.mirror(ctx, m, []int{0}, "checkin"); err != nil {
		return err
	}
	fmt.Fprint(d.out, "\n(a check-in makes nobody good: it asks for a look. systemd starts this as soon as there is one; it looks at that mirror alone)\n")
	if err := d.command(ctx, "run", "--checkins", "--config", d.config()); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "(%.1f s after it had said so)\n", d.now().Sub(start).Round(100*time.Millisecond).Seconds())
	return d.command(ctx, "status", "--why", m.id, "--config", d.config())
}

// enroll gives a mirror an rsync daemon and, as its operator asked the network's, an entry in the inventory.
func (d *demo) enroll(ctx context.Context, m demoMirror) (err error) {
	if d.daemon, err = offer(ctx, d.mirrorDir(m), "127.0.3.1"); err != nil {
		return err
	}
	secret, err := os.ReadFile(filepath.Join(d.mirrorDir(m), "mirror.key"))
	if err != nil {
		return err
	}
	s, err := sign.MinisignFile(secret, nil)
	if err != nil {
		return err
	}
	k, err := keys.ParseMinisign(s.Key().Public)
	if err != nil {
		return err
	}
	entry := fmt.Sprintf("- {id: %s, country: %s, key: %s, trees: {centos: %q}}", m.id, m.country, k, d.daemon.URL(demoNetwork))
	fmt.Fprintf(d.out, "(its entry in the inventory, with the key that its init has made)\n%s\n", entry)
	return appendLine(filepath.Join(d.dir, "inventory.yaml"), entry)
}

// offer starts the rsync daemon of a mirror.
func offer(ctx context.Context, dir, address string) (*lab.Running, error) {
	return lab.StartDaemon(ctx, lab.Daemon{Dir: filepath.Join(dir, "daemon"), Address: address,
		Modules: map[string]string{demoNetwork: filepath.Join(dir, "centos")}})
}

// addTo adds a line to a mirror's configuration.
func (d *demo) addTo(m demoMirror, line string) error {
	return appendLine(filepath.Join(d.mirrorDir(m), "mirror.yaml"), line)
}

// stop ends what the steps have started.
func (d *demo) stop() {
	if d.dns != nil {
		d.dns.Close()
	}
	if d.receiver != nil {
		d.receiver.Stop()
	}
	for _, daemon := range []*lab.Running{d.daemon, d.visitor} {
		if daemon != nil {
			daemon.Stop()
		}
	}
	if d.site != nil {
		d.site.Close()
	}
}
