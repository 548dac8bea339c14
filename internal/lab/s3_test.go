package lab_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tidemark/internal/lab"
)

func startS3(t *testing.T, o lab.S3Options) *lab.S3 {
	t.Helper()
	if testing.Short() {
		t.Skip("versitygw takes a minute to build")
	}
	g, err := lab.StartVersityGW(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Stop(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// clientOf trusts g's authority.
func clientOf(t *testing.T, g *lab.S3) *http.Client {
	t.Helper()
	if g.CA == "" {
		return &http.Client{}
	}
	b, err := os.ReadFile(g.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
}

func status(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestStartVersityGW(t *testing.T) {
	for _, tls := range []bool{false, true} {
		name := map[bool]string{false: "http", true: "https"}[tls]
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			g := startS3(t, lab.S3Options{Dir: dir, TLS: tls})
			if !strings.HasPrefix(g.Endpoint, name+"://127.0.0.1:") {
				t.Errorf("endpoint %s, expected %s", g.Endpoint, name)
			}
			// A file in the bucket's directory is an object that everybody may read; another's is not there.
			if err := os.WriteFile(filepath.Join(g.Root, g.Bucket, "a.txt"), []byte("alpha"), 0o644); err != nil {
				t.Fatal(err)
			}
			c := clientOf(t, g)
			if code, body := status(t, c, g.URL()+"a.txt"); code != 200 || body != "alpha" {
				t.Errorf("anonymous GET: %d %q, expected the object", code, body)
			}
			if code, _ := status(t, c, g.Endpoint+"/"+g.Bucket); code != 403 {
				t.Errorf("anonymous listing: %d, expected 403", code)
			}
			if err := g.Stop(); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Get(g.URL() + "a.txt"); err == nil {
				t.Error("it still answers after Stop")
			}
			again := startS3(t, lab.S3Options{Dir: dir, TLS: tls, Port: int(g.Addr.Port())})
			if code, body := status(t, c, again.URL()+"a.txt"); code != 200 || body != "alpha" {
				t.Errorf("started again: %d %q, expected the object as before", code, body)
			}
		})
	}
}

func TestStartVersityGW_Private(t *testing.T) {
	g := startS3(t, lab.S3Options{Dir: t.TempDir(), Private: true, Bucket: "secrets"})
	if code, _ := status(t, clientOf(t, g), g.URL()+"x"); code != 403 {
		t.Errorf("anonymous GET: %d, expected 403", code)
	}
}

func TestStartVersityGW_SaysWhatIsWrong(t *testing.T) {
	g := startS3(t, lab.S3Options{Dir: t.TempDir()})
	_, err := lab.StartVersityGW(t.Context(), lab.S3Options{Dir: t.TempDir(), Port: int(g.Addr.Port())})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a taken port: %v, expected what versitygw said about it", err)
	}
	_, err = lab.StartVersityGW(t.Context(), lab.S3Options{Dir: t.TempDir(), Program: "/nonexistent/versitygw"})
	if err == nil || !strings.Contains(err.Error(), "/nonexistent/versitygw") {
		t.Errorf("a missing program: %v, expected its name", err)
	}
}

func TestS3_Env(t *testing.T) {
	const aws = "/usr/bin/aws"
	need(t, aws, "awscli")
	g := startS3(t, lab.S3Options{Dir: t.TempDir(), TLS: true})
	cmd := exec.CommandContext(t.Context(), aws, "--endpoint-url", g.Endpoint, "s3", "cp", "-", "s3://"+g.Bucket+"/b.txt")
	cmd.Env, cmd.Stdin = append(os.Environ(), g.Env()...), strings.NewReader("beta")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if code, body := status(t, clientOf(t, g), g.URL()+"b.txt"); code != 200 || body != "beta" {
		t.Errorf("what aws put: %d %q", code, body)
	}
}
