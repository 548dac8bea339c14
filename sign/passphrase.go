package sign

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const maxPassphrase = 4 << 10

// PassphraseFromFile reads the passphrase from a file: its content without the final line end.
func PassphraseFromFile(path string) Passphrase {
	return func() ([]byte, error) { return readPassphrase(path) }
}

func readPassphrase(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("passphrase file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("passphrase file: %w", err)
	}
	if info.Mode().Perm()&0o007 != 0 && info.Mode().IsRegular() {
		return nil, fmt.Errorf("passphrase file %s is open to everybody (mode %04o): chmod 600 %s", path, info.Mode().Perm(), path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxPassphrase+1))
	if err != nil {
		return nil, fmt.Errorf("passphrase file: %w", err)
	}
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	if len(b) == 0 || len(b) > maxPassphrase {
		return nil, fmt.Errorf("passphrase file %s: expected 1 to %d bytes", path, maxPassphrase)
	}
	return b, nil
}

// PassphraseFromEnv reads the passphrase from an environment variable.
func PassphraseFromEnv(name string) Passphrase {
	return func() ([]byte, error) {
		v := os.Getenv(name)
		if v == "" {
			return nil, fmt.Errorf("passphrase: the environment variable %s is not set, or empty", name)
		}
		return []byte(v), nil
	}
}

// PassphraseFromCredential reads a systemd credential: the file name below $CREDENTIALS_DIRECTORY (systemd.exec(5)).
func PassphraseFromCredential(name string) Passphrase {
	return func() ([]byte, error) {
		if name == "" || strings.HasPrefix(name, ".") || strings.ContainsRune(name, '/') {
			return nil, fmt.Errorf("passphrase: credential %q: expected a plain file name", name)
		}
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return nil, fmt.Errorf("passphrase: credential %s: $CREDENTIALS_DIRECTORY is not set; run as a systemd service with LoadCredential=%s:/path", name, name)
		}
		return readPassphrase(filepath.Join(dir, name))
	}
}

func askPassphrase(pass Passphrase) ([]byte, error) {
	if pass == nil {
		return nil, errors.New("the file is encrypted and no passphrase is configured: set passphrase_file, passphrase_env or passphrase_credential")
	}
	p, err := pass()
	if err != nil {
		return nil, err
	}
	if len(p) == 0 {
		return nil, errors.New("the file is encrypted and the passphrase is empty")
	}
	return p, nil
}
