package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/checkin"
	"tidemark/config"
	"tidemark/internal/console"
)

const (
	checkinPoll  = 10 * time.Second // between two looks at the files of the inventory and the certificate
	checkinTally = time.Minute      // between two lines about what was refused
	checkinGrace = 10 * time.Second // for requests that are being answered when the end is asked for
)

func checkinCommand(e *console.Program) *cli.Command {
	return e.Group("checkin", "hear of mirrors that have finished a sync",
		e.Command("serve", "listen for check-ins of mirrors and keep them for the next run", "", []cli.Flag{
			&cli.StringFlag{Name: "listen", Usage: "ADDRESS:PORT instead of checkin.listen of the configuration; port 0 is any free one"},
		}, `Listens, by default at 127.0.0.1:8440 behind a web server that has TLS, and answers every check-in that is signed with the
key of its mirror in the inventory; each lies in the spool before it is accepted. "tidemark run" takes it from there, and
"tidemark run --checkins", called when the spool's directory "new" is not empty, looks at those mirrors at once.
A check-in marks nobody good.

It runs until SIGTERM or SIGINT. It reads the configuration and the inventory, never a signing key, and writes into the
spool alone: run it as a user of its own. The inventory and the certificate are read again within 10 seconds of a change
of their files, and at once on SIGHUP; other settings need a new start.

What was refused is said in one line a minute: how many for each reason, and who that was (clock=2 clock_of=ftp.example.org).
Where nothing was proven, as with a wrong key (signature=1), signature_claimed has the first three names of the inventory that
were claimed: anybody may have said so. With -v each mirror's refusals are told as they come, one a minute.

Configuration:
  checkin:
    spool: /var/spool/tidemark
    listen: 127.0.0.1:8440      # cert: and key: for TLS of its own
    per_mirror: 1m              # a mirror's check-ins are accepted at this pace, three at once
    per_second: 20              # of all mirrors

Example:
  tidemark checkin serve --config /etc/tidemark/tidemark.yaml`, serveCheckins))
}

// checkinServer is the running receiver.
type checkinServer struct {
	*console.Call
	cfg      *config.Publisher
	receiver *checkin.Receiver
	cert     atomic.Pointer[tls.Certificate] // nil: plain HTTP

	inventory, tls watched
}

// serveDocument is `checkin serve --json`, printed once it listens.
type serveDocument struct {
	Schema  string `json:"schema"`
	Network string `json:"network"`
	Listen  string `json:"listen"` // address and port
	URL     string `json:"url"`
	Spool   string `json:"spool"`
	Mirrors int    `json:"mirrors"` // that may check in
}

func serveCheckins(c *console.Call) error {
	ctx, hup, stop := checkinSignals(c.Context.Context)
	defer stop()
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	if cfg.Checkin == nil {
		return console.Exit(console.Misuse, fmt.Errorf("%s: no checkin: is configured", cfg.File), "add to it: checkin: {spool: /var/spool/tidemark}")
	}
	cfg, files, err := loadWatched(cfg, config.LoadPublisher)
	if err != nil {
		return err
	}
	s, err := openCheckins(c, cfg, files)
	if err != nil {
		return err
	}
	l, err := s.listen()
	if err != nil {
		return err
	}
	go s.watch(ctx, hup)
	return s.serve(ctx, l)
}

// checkinSignals ends ctx on SIGTERM and SIGINT, a second of which ends the program at once. SIGHUP, on which asked (the
// context of other commands) ends, is handed on: it asks for the files to be read again.
func checkinSignals(asked context.Context) (ctx context.Context, hup chan os.Signal, stop func()) {
	ctx, end := signal.NotifyContext(context.WithoutCancel(asked), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, end)
	context.AfterFunc(asked, func() { // by a signal that came before
		if cause := context.Cause(asked); !strings.HasPrefix(cause.Error(), syscall.SIGHUP.String()) {
			end()
		}
	})
	hup = make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	return ctx, hup, func() { signal.Stop(hup); end() }
}

// loadWatched loads a configuration again, of which it is known which files it has, once their print was taken: what changes
// while they are read is found changed afterwards.
func loadWatched(cfg *config.Publisher, load func(file string) (*config.Publisher, error)) (*config.Publisher, watched, error) {
	files := watch(inventoryFiles(cfg)...)
	cfg, err := load(cfg.File)
	if err != nil {
		return nil, files, err
	}
	files.paths = inventoryFiles(cfg)
	return cfg, files, nil
}

func inventoryFiles(cfg *config.Publisher) []string {
	return append(slices.Clone(cfg.Inventory), cfg.File)
}

// openCheckins makes what can be found wrong before anybody is listened to.
func openCheckins(c *console.Call, cfg *config.Publisher, files watched) (*checkinServer, error) {
	s := &checkinServer{Call: c, cfg: cfg, inventory: files, tls: watch(cfg.Checkin.Cert, cfg.Checkin.Key)}
	senders, err := checkin.NewSenders(cfg.Network, cfg.Servers)
	if err != nil {
		return nil, console.Exit(console.Misuse, err, "correct the inventory; see: tidemark config check")
	}
	if senders.Len() == 0 {
		c.Warn("nobody can check in: no server of the inventory has a key")
	}
	spool, err := checkin.OpenSpool(cfg.Checkin.Spool)
	if err == nil {
		err = spool.Writable()
	}
	if err != nil {
		return nil, console.Hinted(err, "let this user write there; see the directories and modes in contrib/systemd/README.md")
	}
	if cfg.Checkin.Cert != "" {
		if err := s.readCertificate(); err != nil {
			return nil, console.Hinted(err, "check cert and key of checkin: in the configuration, and who may read them")
		}
	}
	s.receiver = checkin.NewReceiver(checkin.ReceiverOptions{Senders: senders, Keep: spool.Put, Now: c.Now,
		PerMirror: cfg.Checkin.PerMirror, PerSecond: cfg.Checkin.PerSecond, Log: c.Log})
	return s, nil
}

// listen also says where.
func (s *checkinServer) listen() (net.Listener, error) {
	at := s.cfg.Checkin.Listen
	if given := s.String("listen"); given != "" {
		at = given
	}
	host, _, err := net.SplitHostPort(at)
	if err != nil {
		return nil, console.Exit(console.Misuse, fmt.Errorf("--listen %q: %w", at, err), "e.g. --listen 127.0.0.1:8440")
	}
	network := "tcp"
	if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
		network = "tcp4" // else 0.0.0.0 would be every IPv6 address, too
	}
	l, err := net.Listen(network, at)
	if err != nil {
		return nil, console.Hinted(fmt.Errorf("listen for check-ins: %w", err), "choose another address: --listen, or checkin.listen in the configuration")
	}
	d := serveDocument{Schema: "tidemark/checkin-serve/v1", Network: s.cfg.Network, Listen: l.Addr().String(), URL: "http://" + l.Addr().String() + "/",
		Spool: s.cfg.Checkin.Spool, Mirrors: s.receiver.Senders().Len()}
	if s.cert.Load() != nil {
		d.URL = "https://" + d.Listen + "/"
	} else if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		s.Warn("plain http at %s is open to all who reach it: listen at 127.0.0.1 behind a web server that has TLS, or set checkin.cert and checkin.key", d.Listen)
	}
	s.Say("listening at %s: %s of %s may check in, spool %s", d.URL, counted(d.Mirrors, "mirror"), d.Network, d.Spool)
	if err := s.Document(d); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// serve answers until ctx ends, and then what was being answered.
func (s *checkinServer) serve(ctx context.Context, l net.Listener) error {
	o := checkin.ServerOptions{Log: s.Log}
	server := checkin.NewServer(s.receiver, o)
	ended := make(chan error, 1)
	go func() {
		l := checkin.Limit(l, o)
		if s.cert.Load() == nil {
			ended <- server.Serve(l)
			return
		}
		server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.cert.Load(), nil }}
		ended <- server.ServeTLS(l, "", "")
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("listen for check-ins: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkinGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		server.Close() // slow ones: nothing was promised to them
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("listen for check-ins: %w", err)
	}
	stats := s.receiver.Stats()
	s.Log.Info("no longer listening", "accepted", stats.Accepted)
	return nil
}

// watch reads again what has changed, and counts, until ctx ends.
func (s *checkinServer) watch(ctx context.Context, hup <-chan os.Signal) {
	tick := time.NewTicker(checkinPoll)
	defer tick.Stop()
	minute := time.NewTicker(checkinTally)
	defer minute.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			s.reload(true)
		case <-tick.C:
			s.reload(false)
		case <-minute.C:
			s.tally()
		}
	}
}

// reload takes over the inventory and the certificate where their files changed, or in any case. What cannot be read is
// warned of, and what was before stays in force.
func (s *checkinServer) reload(anyway bool) {
	if s.inventory.changed() || anyway {
		if err := s.readInventory(); err != nil {
			s.Warn("the inventory is not taken over, that of before stays in force: %v", err)
		}
	}
	if s.cert.Load() != nil && (s.tls.changed() || anyway) {
		if err := s.readCertificate(); err != nil {
			s.Warn("the certificate is not taken over, that of before stays in force: %v", err)
		}
	}
}

func (s *checkinServer) readInventory() error {
	cfg, err := config.LoadPublisher(s.cfg.File)
	if err != nil {
		return err
	}
	if cfg.Network != s.cfg.Network {
		return fmt.Errorf("network is %s now, was %s: start the receiver anew", cfg.Network, s.cfg.Network)
	}
	senders, err := checkin.NewSenders(cfg.Network, cfg.Servers)
	if err != nil {
		return err
	}
	s.inventory.paths = inventoryFiles(cfg) // the print is of before
	s.receiver.SetSenders(senders)
	s.tell("inventory read again: %s of %s may check in", counted(senders.Len(), "mirror"), cfg.Network)
	return nil
}

// tell is for what is no warning, and yet said without -v: somebody waits for it.
func (s *checkinServer) tell(format string, args ...any) {
	switch text := fmt.Sprintf(format, args...); {
	case s.Log.Enabled(context.Background(), slog.LevelInfo):
		s.Log.Info(text)
	case s.JSON:
		fmt.Fprintf(s.Stderr, "%s: %s\n", s.Name, text)
	default:
		s.Say("%s", text)
	}
}

func (s *checkinServer) readCertificate() error {
	pair, err := tls.LoadX509KeyPair(s.cfg.Checkin.Cert, s.cfg.Checkin.Key)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	s.cert.Store(&pair)
	return nil
}

// tally writes one line about all that was refused since the last one.
func (s *checkinServer) tally() {
	if said := refusedAttributes(s.receiver.Refusals()); len(said) > 0 {
		s.Log.Warn("check-ins refused", said...)
	}
}

// refusedAttributes are, of each reason, how many were refused and who of the inventory that was: clock=2 clock_of=a,b
// signature=1 signature_claimed=c. What was claimed, anybody may have said.
func refusedAttributes(refused map[checkin.Reason]checkin.Refusals) (out []any) {
	for _, reason := range slices.Sorted(maps.Keys(refused)) {
		r := refused[reason]
		out = append(out, slog.Int64(string(reason), r.Count))
		if len(r.Mirrors) > 0 {
			out = append(out, slog.String(string(reason)+"_of", strings.Join(r.Mirrors, ",")))
		}
		if len(r.Claimed) > 0 {
			out = append(out, slog.String(string(reason)+"_claimed", strings.Join(r.Claimed, ",")))
		}
	}
	return out
}

// stuck tells of what lies in the spool and can be neither taken nor removed: whatever starts a run because of it must learn
// that there is no use in another one at once.
func (in checkins) stuck() error {
	if in.spool == nil {
		return nil
	}
	if err := in.spool.Stuck(); err != nil {
		return spoolTrouble(err)
	}
	return nil
}

// spoolAdvice is what to do about a spool that makes trouble. Names that lie in it are somebody else's words, and never part
// of what is to be typed.
func spoolAdvice(err error) string {
	const meanwhile = "; mirrors are found at the next full run all the same"
	stuck := (*checkin.Stuck)(nil)
	switch {
	case !errors.As(err, &stuck):
		return "let this user write to the directory checkin.spool of the configuration" + meanwhile
	case len(stuck.Dirs) == 0:
		return "the receiver and this user must share the group of the spool: see contrib/systemd/README.md" + meanwhile
	}
	dirs := strings.Join(stuck.Dirs, " ")
	return "look at it (ls -lAb " + dirs + "), and empty it as root (find " + dirs + " -mindepth 1 -delete)" + meanwhile
}
