package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Harm is something that is wrong with one server's copy of a tree. A role of the same name does it after each sync.
type Harm string

// The harms. The first four leave time file and metadata as they are on the master: only the file list tells.
const (
	LostFile    Harm = "lost-file"    // one package is gone
	TouchedFile Harm = "touched-file" // one package has another mtime
	ResizedFile Harm = "resized-file" // one package has another size
	ExtraFile   Harm = "extra-file"   // one file that the master does not have
	LostISOs    Harm = "lost-isos"    // the ISO images are gone, and the inventory does not say so
	LostTime    Harm = "lost-time"    // no time file
	NoNumber    Harm = "no-number"    // the time file holds a sentence
)

// Break does harm to one server's copy of a tree, until it syncs again.
func (n *Network) Break(id, tree string, how Harm) error {
	s, err := n.Site(id)
	if err != nil {
		return err
	}
	t, ok := n.Trees[tree]
	if !ok {
		return fmt.Errorf("the lab has no tree %q", tree)
	}
	if err := how.do(filepath.Join(s.Dir, tree), t.Timestamp); err != nil {
		return fmt.Errorf("breaking tree %s of server %s (%s): %w", tree, id, how, err)
	}
	return nil
}

// Broken is the file that the harms to one package strike: the same in every copy, and in none that was new on the master.
func Broken(dir string) (path string, err error) {
	first, err := firstRepo(dir)
	if err != nil {
		return "", err
	}
	err = regular(dir, func(p string, _ fs.DirEntry) error {
		if strings.HasPrefix(p, first+"/Packages/") {
			path = p
			return fs.SkipAll
		}
		return nil
	})
	if err == nil && path == "" {
		err = errors.New("its first repository holds no package")
	}
	return path, err
}

// harms are what a role may be, too.
func harms() []Harm {
	return []Harm{LostFile, TouchedFile, ResizedFile, ExtraFile, LostISOs, LostTime, NoNumber}
}

// do harms the copy in dir, whose master is at the timestamp ts.
func (h Harm) do(dir string, ts int64) error {
	switch h {
	case LostISOs:
		return DropISOs(dir)
	case LostTime:
		return remove(filepath.Join(dir, TimeFile))
	case NoNumber:
		return replace(filepath.Join(dir, TimeFile), []byte("<html>moved to https://www.example.org/</html>\n"), ts)
	case ExtraFile:
		return replace(filepath.Join(dir, "lost+and+found.txt"), []byte("nobody knows\n"), ts)
	}
	path, err := Broken(dir)
	if err != nil {
		return err
	}
	return h.strike(filepath.Join(dir, filepath.FromSlash(path)))
}

// strike harms one file. It is replaced, never written to: its hard links are the master's.
func (h Harm) strike(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	switch h {
	case LostFile:
		return remove(file)
	case TouchedFile:
		return replace(file, data, info.ModTime().Unix()+1)
	case ResizedFile:
		return replace(file, data[:len(data)-1], info.ModTime().Unix())
	}
	return errors.New("the lab knows no such harm")
}
