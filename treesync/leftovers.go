package treesync

import (
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"tidemark/rsync"
)

// received is the name that rsync gives a file while it receives it: ".NAME.XXXXXX".
var received = regexp.MustCompile(`^\.(.+)\.[A-Za-z0-9]{6}$`)

// tidy removes what a killed run left in the tree, after a sync that went well: directories of --delay-updates, and files
// that rsync was receiving, and our own. Rsync's are told by their name, by NAME being there whole now, and by permissions that no
// published file has: rsync gives a file its own last. What cannot be told stays; it is extraneous, and goes when deletions
// are made. Nothing of this is needed for a right tree, so failures are passed over.
func (s *syncer) tidy() {
	k := newKeeper(s.root)
	defer k.restore()
	// Not through fs.FS: it takes names as UTF-8 alone.
	filepath.WalkDir(s.path, func(file string, d fs.DirEntry, err error) error {
		name, relErr := filepath.Rel(s.path, file)
		switch {
		case err != nil || relErr != nil:
			return nil
		case d.IsDir() && d.Name() == partialDir:
			k.open(path.Dir(name))
			s.root.RemoveAll(name)
			return fs.SkipDir
		case d.IsDir() && name != "." && rsync.Hidden(s.rules.hidden, name, true):
			return fs.SkipDir
		case d.Type().IsRegular() && (isTemp(d.Name()) || s.halfReceived(name, d)):
			k.open(path.Dir(name))
			s.root.Remove(name)
		}
		return nil
	})
}

// isTemp reports one of the names that tempName gives.
func isTemp(name string) bool {
	at := strings.LastIndex(name, tempMark)
	return at > 1 && name[0] == '.' && len(name) == at+len(tempMark)+tempRandom
}

func (s *syncer) halfReceived(name string, d fs.DirEntry) bool {
	m := received.FindStringSubmatch(d.Name())
	if m == nil || rsync.Hidden(s.rules.hidden, name, false) {
		return false
	}
	info, err := d.Info()
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		return false
	}
	whole, err := s.root.Lstat(path.Join(path.Dir(name), m[1]))
	return err == nil && whole.Mode().IsRegular()
}
