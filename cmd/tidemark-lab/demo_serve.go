package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const serving = `
serving http://%[1]s/ and %[2]s, the DNS record at %[6]s, check-ins at %[7]s
and all rsync daemons until Ctrl-C. In another terminal, run the publisher or a mirror again:
  bin/tidemark run --config %[3]s
  bin/tidemark-mirror run --now --config %[4]s

or make a mirror of your own (contrib/tidemark-mirror.sh takes the same address, with CACERT=$PWD/%[5]s/tls/ca.pem):
  mkdir -p %[8]s/centos
  bin/tidemark-mirror init %[8]s --url %[2]s --ca %[5]s/tls/ca.pem --trust %[5]s/trust.json --id my.mirror --country FI \
      --state %[8]s/state --tree centos=%[8]s/centos --checkin %[7]s
with the DNS record (--beacon %[10]s would ask the resolvers of this machine, which do not know the name):
  echo 'beacon: {name: %[10]s, servers: ["%[6]s"]}' >> %[8]s/mirror.yaml
and, as the network's operator, with its entry in the inventory; the receiver reads that again within ten seconds:
  echo "- {id: my.mirror, country: FI, key: $(tail -n 1 %[8]s/mirror.pub), trees: {centos: '%[9]s'}}" >> %[5]s/inventory.yaml
  sleep 12
Then it syncs and checks in, is looked at and listed, and from then on asks one packet:
  bin/tidemark-mirror run --now --config %[8]s/mirror.yaml
  bin/tidemark run --checkins --config %[3]s
  bin/tidemark-mirror check --config %[8]s/mirror.yaml
`

// serveSite goes on until it is interrupted.
func (d *demo) serveSite(ctx context.Context) (err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serve the site: %w", err)
	}
	mine := filepath.Join(d.dir, "my.mirror")
	if d.visitor, err = offer(ctx, mine, "127.0.3.2"); err != nil {
		return err
	}
	srv := &http.Server{Handler: http.FileServer(http.Dir(filepath.Join(d.dir, "site"))), ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintf(d.out, serving, l.Addr(), d.site.URL, d.config(), filepath.Join(d.mirrorDir(finland()), "mirror.yaml"), d.dir,
		d.dns.Addr, d.receiver.URL(), mine, d.visitor.URL(demoNetwork), demoBeacon)
	go d.keepBeacon(ctx)
	go func() {
		<-ctx.Done()
		srv.Close()
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// keepBeacon gives the DNS server each new record, as `run` would where a name server is configured.
func (d *demo) keepBeacon(ctx context.Context) {
	var last time.Time
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		info, err := os.Stat(filepath.Join(d.dir, "site", "latest.json"))
		if err != nil || info.ModTime().Equal(last) {
			continue
		}
		if err := d.putBeacon(ctx); err == nil {
			last = info.ModTime()
		} else if ctx.Err() == nil {
			fmt.Fprintln(d.out, err)
		}
	}
}
