package s3_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"tidemark/internal/lab"
	"tidemark/publish/s3"
)

const accessKey, secretKey = "testkey", "testsecret123"

func credentials() aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, nil
	})
}

// need skips, or fails where everything must be there.
func need(t *testing.T, program, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing", program)
	}
	t.Skipf("%s is missing: apt-get install -y %s", program, pkg)
}

// tool builds a program of tools/go.mod, once for the build cache, and gives its path.
func tool(t *testing.T, name string) string {
	t.Helper()
	modfile, err := filepath.Abs("../../tools/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	var words bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "tool", "-modfile="+modfile, "-n", name)
	cmd.Stderr = &words
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, words.String())
	}
	return strings.TrimSpace(string(out))
}

// server is an S3 server in a process of its own, with one bucket.
type server struct {
	url  string
	ca   string // PEM file; "" over http
	pool *x509.CertPool
	pki  *pki
	root string // of versitygw's files
}

const bucket = "mirrors"

// versitygw starts the gateway over a directory.
func versitygw(t *testing.T, overTLS bool) *server {
	t.Helper()
	dir := t.TempDir()
	s := &server{root: filepath.Join(dir, "objects")}
	args := []string{"-a", accessKey, "-s", secretKey, "--quiet"}
	scheme := "http"
	if overTLS {
		scheme = "https"
		s.pki = newPKI(t, dir)
		s.ca, s.pool = s.pki.ca, s.pki.pool
		args = append(args, "--cert", s.pki.certFile, "--key", s.pki.keyFile)
	}
	if err := os.Mkdir(s.root, 0o755); err != nil {
		t.Fatal(err)
	}
	s.start(t, scheme, tool(t, "versitygw"), func(addr string) []string {
		return append(append([]string{"--port", addr}, args...), "posix", s.root)
	})
	s.makeBucket(t)
	return s
}

// oldServer is a server that ignores If-None-Match and If-Match of a PUT: a gofakes3 from before it knew them.
func oldServer(t *testing.T) *server {
	t.Helper()
	s := &server{}
	s.start(t, "http", tool(t, "gofakes3"), func(addr string) []string {
		return []string{"-host", addr, "-backend", "memory", "-initialbucket", bucket, "-quiet"}
	})
	return s
}

// start runs the program on a free port until the test ends, and waits until it listens.
func (s *server) start(t *testing.T, scheme, program string, args func(addr string) []string) {
	t.Helper()
	var words bytes.Buffer
	for range 5 { // a free port may be taken by somebody else before the server has it
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		words.Reset()
		cmd := exec.Command(program, args(addr)...)
		cmd.Stdout, cmd.Stderr = &words, &words
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		exited := make(chan struct{})
		go func() { cmd.Wait(); close(exited) }()
		if listens(addr, exited) {
			t.Cleanup(func() { cmd.Process.Kill(); <-exited })
			s.url = scheme + "://" + addr
			return
		}
		cmd.Process.Kill()
		<-exited
	}
	t.Fatalf("%s does not start: %s", program, words.String())
}

func listens(addr string, exited <-chan struct{}) bool {
	for range 200 {
		select {
		case <-exited:
			return false
		case <-time.After(50 * time.Millisecond):
		}
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			c.Close()
			return true
		}
	}
	return false
}

// sdk is a plain client, for what a Store does not do.
func (s *server) sdk() *awss3.Client {
	c := &http.Client{Transport: s.transport()}
	return awss3.New(awss3.Options{BaseEndpoint: &s.url, UsePathStyle: true, Region: "us-east-1", Credentials: credentials(), HTTPClient: c})
}

func (s *server) transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if s.pool != nil {
		t.TLSClientConfig.RootCAs = s.pool
	}
	return t
}

func (s *server) makeBucket(t *testing.T) {
	t.Helper()
	if _, err := s.sdk().CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
}

func (s *server) options(prefix string) s3.Options {
	return s3.Options{Bucket: bucket, Prefix: prefix, Region: "us-east-1", Endpoint: s.url, PathStyle: true, CA: s.ca,
		Credentials: credentials(), Timeout: 20 * time.Second}
}

func open(t *testing.T, o s3.Options) *s3.Store {
	t.Helper()
	s, err := s3.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// proxied puts a fault proxy before the server.
func (s *server) proxied(t *testing.T, o lab.FaultProxyOptions) *lab.FaultProxy {
	t.Helper()
	o.Upstream, o.Roots = s.url, s.pool
	p, err := lab.StartFaultProxy(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// pki is an authority of the test's own and a certificate for 127.0.0.1.
type pki struct {
	ca, certFile, keyFile string
	pool                  *x509.CertPool
}

func (p *pki) cert(t *testing.T) *tls.Certificate {
	t.Helper()
	c, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

func newPKI(t *testing.T, dir string) *pki {
	t.Helper()
	p := &pki{ca: filepath.Join(dir, "ca.pem"), certFile: filepath.Join(dir, "cert.pem"), keyFile: filepath.Join(dir, "key.pem"), pool: x509.NewCertPool()}
	now := time.Now()
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	caKey, leafKey := key(), key()
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	caDER, err1 := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	leafDER, err2 := x509.CreateCertificate(rand.Reader, leaf, ca, &leafKey.PublicKey, caKey)
	keyDER, err3 := x509.MarshalPKCS8PrivateKey(leafKey)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	for file, b := range map[string]*pem.Block{p.ca: {Type: "CERTIFICATE", Bytes: caDER}, p.certFile: {Type: "CERTIFICATE", Bytes: leafDER},
		p.keyFile: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(p.ca)
	if err != nil || !p.pool.AppendCertsFromPEM(b) {
		t.Fatal("the test's authority is no certificate", err)
	}
	return p
}

// each runs test over http and over TLS.
func each(t *testing.T, test func(t *testing.T, s *server)) {
	for _, overTLS := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", overTLS), func(t *testing.T) { test(t, versitygw(t, overTLS)) })
	}
}
