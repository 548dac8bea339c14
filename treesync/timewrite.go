package treesync

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// tempMark is in the names under which time file and anchors are written: .TIME.tidemark-XXXXXXXXXX.
const (
	tempMark   = ".tidemark-"
	tempRandom = 10
)

func tempName(name string) string {
	return path.Join(path.Dir(name), "."+path.Base(name)+tempMark+rand.Text()[:tempRandom])
}

// partialDir is where rsync --delay-updates keeps files until they get their names.
const partialDir = ".~tmp~"

// writeTime gives the tree the source's time file, byte for byte. All else must be on the disk before: a power cut must not
// leave the tree with a time file that is ahead of its content.
func (a *attempt) writeTime() error {
	name := a.tree.TimeFile
	a.say(StageTime, a.source, "writing "+name+": "+stamp(a.time.timestamp), "")
	if err := a.replaceTime(name); err != nil {
		return fmt.Errorf("write the time file: %w", err)
	}
	held, err := readHeld(a.root, name, a.latest())
	if err != nil {
		return err
	}
	if held.Timestamp != a.time.timestamp && held.Damaged == "" {
		return fmt.Errorf("write the time file: it says %s, expected %s", stamp(held.Timestamp), stamp(a.time.timestamp))
	}
	a.out.Timestamp = a.time.timestamp
	return nil
}

func (a *attempt) replaceTime(name string) error {
	if err := syncTree(a.root); err != nil {
		return fmt.Errorf("put the tree on the disk: %w", err)
	}
	dir := path.Dir(name)
	if err := a.root.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := a.writable(dir); err != nil {
		return err
	}
	temp := tempName(name)
	err := a.writeTemp(temp)
	if err == nil {
		err = a.root.Rename(temp, name)
	}
	if err != nil {
		a.root.Remove(temp)
		return err
	}
	a.restoreDirTimes(map[string]bool{dir: true})
	return syncDir(a.root, dir)
}

func (a *attempt) writeTemp(temp string) error {
	f, err := a.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(a.time.data)
	if err == nil {
		err = f.Chmod(a.time.info.Mode().Perm())
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = a.root.Chtimes(temp, time.Time{}, a.time.info.ModTime())
	}
	return err
}

// restoreDirTimes gives directories and those above them the times that they have at the source, as a sync of them by rsync
// itself would. That it fails is no harm.
func (a *attempt) restoreDirTimes(dirs map[string]bool) {
	source, err := os.OpenRoot(a.staging.file(againDir))
	if err != nil {
		return
	}
	defer source.Close()
	seen := map[string]bool{}
	for dir := range dirs {
		for ; !seen[dir]; dir = path.Dir(dir) {
			seen[dir] = true
			if info, err := source.Lstat(dir); err == nil && info.IsDir() {
				a.root.Chtimes(dir, time.Time{}, info.ModTime())
			}
		}
	}
}

func syncDir(root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// tidyTime removes what a killed run left of a time file that it was writing.
func (s *syncer) tidyTime() error {
	dir, err := s.root.Open(path.Dir(s.tree.TimeFile))
	if errors.Is(err, fs.ErrNotExist) || isNotDir(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for leftovers: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("look for leftovers: %w", err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "."+path.Base(s.tree.TimeFile)+tempMark) {
			if err := s.root.Remove(path.Join(path.Dir(s.tree.TimeFile), name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove a leftover: %w", err)
			}
		}
	}
	return nil
}
