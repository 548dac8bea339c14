package rsync

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tidemark/internal/rsyncurl"
)

// authority signs certificates for a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{cert: &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, err = x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// roots trust a alone.
func (a *authority) roots() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool}
}

// server is a server's configuration with a certificate for names, valid until end.
func (a *authority) server(t testing.TB, end time.Time, names ...string) *tls.Config {
	t.Helper()
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: end.Add(-2 * time.Hour), NotAfter: end, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, n := range names {
		if addr, err := netip.ParseAddr(n); err == nil {
			leaf.IPAddresses = append(leaf.IPAddresses, addr.AsSlice())
		} else {
			leaf.DNSNames = append(leaf.DNSNames, n)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// terminate stands before a daemon as stunnel does, and gives its port.
func terminate(t *testing.T, d *daemon, config *tls.Config) (port int) {
	t.Helper()
	_, port = listen(t, func(c net.Conn) {
		outside := tls.Server(c, config)
		if outside.HandshakeContext(t.Context()) != nil {
			return
		}
		inside, err := net.Dial("tcp", net.JoinHostPort(d.addr.String(), fmt.Sprint(d.port)))
		if err != nil {
			return
		}
		defer inside.Close()
		go func() {
			io.Copy(inside, outside)
			inside.(*net.TCPConn).CloseWrite()
		}()
		io.Copy(outside, inside)
		outside.Close()
	})
	return port
}

func secureURL(t testing.TB, host string, port int, path string) rsyncurl.URL {
	t.Helper()
	u, err := rsyncurl.ParseAny(fmt.Sprintf("rsync+tls://%s:%d/%s", host, port, path))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestTLS asks real daemons behind TLS for all that is asked of them in the clear.
func TestTLS(t *testing.T) {
	a := newAuthority(t)
	eachRsync(t, func(t *testing.T, bin string) {
		d := startDaemon(t, bin, treeModules)
		at := fillTree(t, d.dir)
		port := terminate(t, d, a.server(t, time.Now().Add(time.Hour), "ftp.example.org", "127.0.0.1"))
		c := &Client{TLS: a.roots()}
		for _, host := range []string{"ftp.example.org", "127.0.0.1"} {
			u := secureURL(t, host, port, "tree/")
			f, err := c.FetchFile(short(t), loopback, u, "TIME")
			if err != nil || string(f.Data) != "1488372781\n" || !f.MTime.Equal(at) {
				t.Errorf("%s: %+v %v", u, f, err)
			}
			files, err := c.Fetch(short(t), loopback, u, []string{"TIME", "large", "nope"})
			if err != nil || len(files) != 2 {
				t.Errorf("%s: %d files, %v", u, len(files), err)
			}
			plain, secure := listed(t, c, d.addr, d.url(t, "tree/")), listed(t, c, loopback, u)
			if len(plain) < 10 || fmt.Sprint(plain) != fmt.Sprint(secure) {
				t.Errorf("%s: the list\n%v\nexpected\n%v", u, secure, plain)
			}
			_, err = c.FetchFile(short(t), loopback, secureURL(t, host, port, "absent"), "TIME")
			wantCode(t, err, CodeUnknownModule, "Unknown module")
		}
		d.logText(t, "total size", 6)
	})
}

func listed(t testing.TB, c *Client, addr netip.Addr, u rsyncurl.URL) (entries []Entry) {
	t.Helper()
	if err := c.List(short(t), addr, u, nil, func(e Entry) error { entries = append(entries, e); return nil }); err != nil {
		t.Fatal(err)
	}
	return entries
}

// TestTLS_Refused: every way in which TLS does not come about has its reason, and nothing of rsync was said before.
func TestTLS_Refused(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	later, earlier := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	d := startDaemon(t, needTool(t, "rsync", "rsync"), treeModules)
	fillTree(t, d.dir)
	old := a.server(t, later, "ftp.example.org")
	old.MaxVersion = tls.VersionTLS11
	old.MinVersion = tls.VersionTLS10
	known := a.server(t, later, "ftp.example.org")
	known.ClientAuth = tls.RequireAnyClientCert
	for name, tt := range map[string]struct {
		server *tls.Config
		code   Code
		words  string
	}{
		"another host":          {a.server(t, later, "other.example.org"), CodeTLS, "certificate is valid for other.example.org, not ftp.example.org"},
		"the address alone":     {a.server(t, later, "127.0.0.1"), CodeTLS, "the certificate cannot be trusted"},
		"a name to be cleaned":  {a.server(t, later, "a\x1b[31m\nb"), CodeTLS, "certificate"},
		"expired":               {a.server(t, earlier, "ftp.example.org"), CodeTLS, "expired"},
		"unknown authority":     {stranger.server(t, later, "ftp.example.org"), CodeTLS, "unknown authority"},
		"an old version of TLS": {old, CodeTLS, "protocol version"},
		"wants a certificate":   {known, CodeTLS, "certificate required"},
	} {
		t.Run(name, func(t *testing.T) {
			u := secureURL(t, "ftp.example.org", terminate(t, d, tt.server), "tree/")
			_, err := (&Client{TLS: a.roots()}).FetchFile(short(t), loopback, u, "TIME")
			wantCode(t, err, tt.code, tt.words)
			if strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Errorf("%q is not fit to print", err)
			}
		})
	}
	t.Run("verification is never off", func(t *testing.T) {
		u := secureURL(t, "ftp.example.org", terminate(t, d, stranger.server(t, later, "ftp.example.org")), "tree/")
		_, err := (&Client{TLS: &tls.Config{InsecureSkipVerify: true, ServerName: "x"}}).FetchFile(short(t), loopback, u, "TIME")
		wantCode(t, err, CodeTLS, "certificate")
	})
	t.Run("the system's authorities", func(t *testing.T) {
		u := secureURL(t, "ftp.example.org", terminate(t, d, a.server(t, later, "ftp.example.org")), "tree/")
		_, err := new(Client).FetchFile(short(t), loopback, u, "TIME")
		wantCode(t, err, CodeTLS, "unknown authority")
	})
}

// TestTLS_Mixed: TLS on one side alone, and servers that go away or say nothing.
func TestTLS_Mixed(t *testing.T) {
	a := newAuthority(t)
	d := startDaemon(t, needTool(t, "rsync", "rsync"), treeModules)
	fillTree(t, d.dir)
	c := &Client{TLS: a.roots()}
	_, err := c.FetchFile(short(t), d.addr, secureURL(t, "ftp.example.org", d.port, "tree/"), "TIME")
	wantCode(t, err, CodeTLS, "does not speak TLS")

	plain := &daemon{addr: loopback, port: terminate(t, d, a.server(t, time.Now().Add(time.Hour), "ftp.example.org"))}
	_, err = c.FetchFile(short(t), plain.addr, plain.url(t, "tree/"), "TIME")
	wantCode(t, err, CodeRefused, "closed before the greeting")

	_, plain.port = listen(t, func(c net.Conn) { // others give an alert before they close
		c.Write([]byte("\x15\x03\x01\x00\x02\x02\x46"))
		c.(*net.TCPConn).CloseWrite()
		hold(c)
	})
	_, err = c.FetchFile(short(t), plain.addr, plain.url(t, "tree/"), "TIME")
	wantCode(t, err, CodeProtocol, "speaks TLS")

	_, port := listen(t, func(net.Conn) {})
	_, err = c.FetchFile(short(t), loopback, secureURL(t, "ftp.example.org", port, "tree/"), "TIME")
	wantCode(t, err, CodeRefused, "TLS handshake")

	_, port = listen(t, func(c net.Conn) { hold(c) })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = c.FetchFile(ctx, loopback, secureURL(t, "ftp.example.org", port, "tree/"), "TIME")
	wantCode(t, err, CodeTimeout, "")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, expected the context's", err)
	}
}

// TestTLS_Deadline: TLS has words to say at the end, which a server that does not listen must not make us wait for.
func TestTLS_Deadline(t *testing.T) {
	a := newAuthority(t)
	config := a.server(t, time.Now().Add(time.Hour), "ftp.example.org")
	_, port := listen(t, func(c net.Conn) {
		s := tls.Server(c, config)
		s.Handshake()
		s.Write([]byte("@RSYNCD: 31.0\n@RSYNCD: OK\n\x00\x07\x00\x00\x00"))
		hold(c)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := (&Client{TLS: a.roots()}).List(ctx, loopback, secureURL(t, "ftp.example.org", port, "m/"), nil, func(Entry) error { return nil })
	wantCode(t, err, CodeTimeout, "")
}

// TestTLS_Job: the real rsync would take such a URL for a host to reach by ssh.
func TestTLS_Job(t *testing.T) {
	j := job(t)
	j.Source = secureURL(t, "mirror.example.org", 874, "CentOS/")
	if args, err := j.Args(); err == nil || !strings.Contains(err.Error(), "rsync itself does not speak TLS") {
		t.Errorf("%q, %v", args, err)
	}
	if _, err := new(Exec).Run(short(t), j, Watch{}); err == nil || !strings.Contains(err.Error(), "rsync itself does not speak TLS") {
		t.Error(err)
	}
}
