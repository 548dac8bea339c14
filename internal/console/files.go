package console

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/google/renameio/v2"
)

// ReadFile reads a regular file of at most max bytes; a larger one is refused, not cut. A pipe in its place, which nobody
// may ever write to, is refused and not waited for. For what a person names, see [ReadInput].
func ReadFile(name string, max int64) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file (%s)", name, info.Mode())
	}
	return readAll(f, name, max)
}

// ReadInput is ReadFile for what was typed as an argument: it may be a pipe or a terminal, and waits for what comes.
func ReadInput(name string, max int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, name, max)
}

func readAll(f io.Reader, name string, max int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(f, max+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(b)) > max {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, max)
	}
	return b, nil
}

// WriteFile gives a file new content, whole or not at all. What is no regular file (a device, a pipe) is written to, never replaced.
func WriteFile(name string, b []byte, mode os.FileMode) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(name, b, 0)
	}
	dir := filepath.Dir(name)
	if err := renameio.WriteFile(name, b, mode, renameio.WithTempDir(dir)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close()) // the new name, too, survives a power cut
}

// WriteNew writes a file that must not be there yet: nothing that was made by hand or by chance is overwritten.
func WriteNew(file string, b []byte, mode os.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return Hinted(fmt.Errorf("%s is there already, it is not overwritten", file), "choose another name, or move it away first")
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// StateDir makes the directory in which a program remembers things. Root is refused in one that is another user's: root's
// files in it would lock its owner out.
func (p *Program) StateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Hinted(fmt.Errorf("state directory: %w", err), "set state: in the configuration to a directory that this user may write")
	}
	info, err := os.Stat(dir)
	if err != nil || os.Geteuid() != 0 {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
		return Exit(Misuse, fmt.Errorf("state directory %s belongs to user %d, and this is root", dir, st.Uid), "run as its owner: %s %s …", RunAs(int(st.Uid), int(st.Gid)), p.Name)
	}
	return nil
}

// RunAs is what root types before a command that another user is to run.
func RunAs(uid, gid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return "runuser -u " + u.Username + " --"
	}
	return fmt.Sprintf("setpriv --reuid %d --regid %d --clear-groups", uid, gid) // runuser knows names alone
}
