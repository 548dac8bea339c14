package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// watched are files, and directories with their files, of which it matters whether they changed.
type watched struct {
	paths []string // "" is passed over
	was   string
}

func watch(paths ...string) watched {
	w := watched{paths: paths}
	w.was = w.print()
	return w
}

// changed reports whether there is another look to them than at the last call. A file that is gone is a change, too.
func (w *watched) changed() bool {
	was := w.was
	w.was = w.print()
	return w.was != was
}

// print has of each file what changes when it is written or replaced.
func (w *watched) print() string {
	var b strings.Builder
	for _, p := range w.paths {
		if p == "" {
			continue
		}
		info := one(&b, p)
		if info == nil || !info.IsDir() {
			continue
		}
		list, err := os.ReadDir(p)
		if err != nil {
			fmt.Fprintln(&b, err)
		}
		for _, e := range list {
			one(&b, filepath.Join(p, e.Name()))
		}
	}
	return b.String()
}

func one(b *strings.Builder, name string) fs.FileInfo {
	info, err := os.Stat(name)
	if err != nil {
		fmt.Fprintln(b, err)
		return nil
	}
	var inode uint64
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = st.Ino
	}
	fmt.Fprintf(b, "%q %d %d %d %s\n", name, inode, info.Size(), info.ModTime().UnixNano(), info.Mode())
	return info
}
