package client

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tidemark/sign"
)

func TestOpenTrustFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "trust.json")
	put := func(b []byte) {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good := sealed(t, fixtures().trust, 3)
	put(good)
	link := filepath.Join(dir, "link.json")
	if err := os.Symlink("trust.json", link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, link} {
		x, b, err := OpenTrustFile(name, "centos")
		if err != nil || x.Version != 3 || string(b) != string(good) {
			t.Errorf("%s: %+v, %v", name, x, err)
		}
	}
	var r *TrustRefused
	if _, _, err := OpenTrustFile(file, "debian"); !errors.As(err, &r) || r.Expected != "debian" {
		t.Errorf("%v, expected another network's to be refused", err)
	}
	put(append(good, make([]byte, sign.MaxTrustFile)...))
	if _, _, err := OpenTrustFile(file, "centos"); !errors.As(err, &r) || !strings.Contains(err.Error(), fmt.Sprintf("%d bytes", sign.MaxTrustFile+1)) {
		t.Errorf("%v, expected no more than a byte too many to be read", err)
	}
}

func TestOpenTrustFile_Pipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "trust.json")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	err := within(t, pipe, func() error { _, _, err := OpenTrustFile(pipe, "centos"); return err })
	if err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Error(err)
	}
}
