package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/client"
	"tidemark/manifest"
	"tidemark/publish"
	"tidemark/sign"
)

// form is one way to read the site. Its files are given to read in that order, named as at the site.
type form struct {
	name   string
	single bool // never fails
	read   func(ctx context.Context, r *reader, v *visit) error
}

var forms = []form{
	{"bundle", true, func(ctx context.Context, r *reader, v *visit) error {
		b, err := r.fetch(ctx, v, publish.BundleName)
		if err == nil {
			_, _, err = client.Open(b, client.Options{Network: "centos", Trust: r.world.trust, Now: time.Now()})
		}
		return err
	}},
	{"inline-signed", true, func(ctx context.Context, r *reader, v *visit) error {
		if err := r.save(ctx, v, publish.InlineName); err != nil {
			return err
		}
		return r.run(ctx, "gpg", "--homedir", r.dir, "--batch", "--yes", "--no-default-keyring", "--keyring", r.world.keyring, "--trust-model", "always",
			"-o", "decrypted", "--decrypt", publish.InlineName)
	}},
	{"pointer", true, func(ctx context.Context, r *reader, v *visit) error {
		b, err := r.fetch(ctx, v, publish.PointerName)
		if err != nil {
			return err
		}
		p, err := manifest.ParsePointer(b)
		if err != nil {
			return err
		}
		if b, err = r.fetch(ctx, v, p.Path+publish.ManifestName); err == nil && manifest.SHA256(b) != p.SHA256 {
			err = errors.New("the manifest is not the one that the pointer names")
		}
		return err
	}},
	{"mark and its copies", true, func(ctx context.Context, r *reader, v *visit) error {
		b, err := r.fetch(ctx, v, publish.MarkName)
		if err != nil {
			return err
		}
		return r.verifyPair(ctx, v, strings.TrimSuffix(string(b), "\n"))
	}},
	{"trust", true, func(ctx context.Context, r *reader, v *visit) error {
		b, err := r.fetch(ctx, v, "trust.json")
		if err == nil {
			_, err = sign.OpenTrust(b)
		}
		return err
	}},
	{"manifest and .asc", false, func(ctx context.Context, r *reader, v *visit) error { return r.verifyPair(ctx, v, "") }},
	{"manifest and .minisig", false, func(ctx context.Context, r *reader, v *visit) error {
		if err := r.save(ctx, v, "manifest.json", "manifest.json.minisig"); err != nil {
			return err
		}
		return r.run(ctx, "minisign", "-Vq", "-m", "manifest.json", "-p", r.world.pubkey)
	}},
}

// visit is what a reader got for one form.
type visit struct {
	form  form
	parts []part
	err   error
	lost  bool // no verdict: a file did not come
}

// part is one file of a visit.
type part struct {
	name  string
	sum   [32]byte
	asked time.Time
}

// reader loops over the forms with tools and a directory of its own.
type reader struct {
	world  *cdnWorld
	cdn    cdn
	dir    string
	client *http.Client
	visits []visit
	hits   int
}

func (w *cdnWorld) newReader(t *testing.T, c cdn) *reader {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil { // gpg asks for it
		t.Fatal(err)
	}
	return &reader{world: w, cdn: c, dir: dir, client: &http.Client{Timeout: 30 * time.Second}}
}

// all visits every form once. What the end of the test cut off is not kept.
func (r *reader) all(ctx context.Context) {
	for _, f := range forms {
		v := visit{form: f}
		v.err = f.read(ctx, r, &v)
		if ctx.Err() == nil {
			r.visits = append(r.visits, v)
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond): // leaves the publisher some of a small machine
		}
	}
}

func (r *reader) fetch(ctx context.Context, v *visit, name string) (b []byte, err error) {
	defer func() { v.lost = v.lost || err != nil }()
	p := part{name: name, asked: time.Now()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.cdn.base+name, nil)
	if err != nil {
		return nil, err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: status %s", name, resp.Status)
	}
	if resp.Header.Get("X-Cache") == "HIT" {
		r.hits++
	}
	if b, err = io.ReadAll(resp.Body); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p.sum = sha256.Sum256(b)
	v.parts = append(v.parts, p)
	return b, nil
}

func (r *reader) save(ctx context.Context, v *visit, names ...string) error {
	for _, name := range names {
		b, err := r.fetch(ctx, v, name)
		if err == nil {
			err = os.WriteFile(filepath.Join(r.dir, filepath.Base(name)), b, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) verifyPair(ctx context.Context, v *visit, below string) error {
	if err := r.save(ctx, v, below+"manifest.json", below+"manifest.json.asc"); err != nil {
		return err
	}
	return r.run(ctx, "gpgv", "--keyring", r.world.keyring, "manifest.json.asc", "manifest.json")
}

func (r *reader) run(ctx context.Context, name string, args ...string) error {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = r.dir
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}
