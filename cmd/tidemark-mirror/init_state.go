package main

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"tidemark/config"
	"tidemark/internal/console"
)

// stateOwner is what root has to know of who will run the mirror; the zero value: whoever typed init.
type stateOwner struct {
	name    string // "": not known
	as      string // to be typed before what that user runs
	command string // still to be typed: it makes the state directory
	uid     int    // where the name is known
	gid     int
}

func known(uid, gid int) stateOwner {
	return stateOwner{name: userName(uid), as: console.RunAs(uid, gid) + " ", uid: uid, gid: gid}
}

// makeState makes the state directory. Root does not make it for itself: a mirror runs as the owner of its trees, who could
// not write there.
func (i *initializer) makeState(cfg *config.Mirror) (stateOwner, error) {
	if os.Geteuid() != 0 {
		return stateOwner{}, i.StateDir(cfg.State)
	}
	uid, gid, there := owner(cfg.State)
	if there && uid != 0 {
		return known(uid, gid), nil
	}
	for _, name := range sortedNames(cfg) {
		uid, gid, ok := owner(cfg.Trees[name].Path)
		if !ok || uid == 0 {
			continue
		}
		o := known(uid, gid)
		if there { // root's, and so may be what is in it
			o.command = fmt.Sprintf("chown -R %s %s", o.name, shellWord(cfg.State))
			return o, nil
		}
		if err := makeFor(cfg.State, uid, gid); err != nil {
			return o, fmt.Errorf("state directory: %w", err)
		}
		return o, nil
	}
	return stateOwner{as: "runuser -u USER -- ",
		command: "install -d -o USER -m 700 " + shellWord(cfg.State) + "   # USER: who owns the trees and runs the mirror"}, nil
}

func makeFor(dir string, uid, gid int) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return os.Lchown(dir, uid, gid)
}

// owner is whose a directory is; not ok: there is none.
func owner(dir string) (uid, gid int, ok bool) {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return 0, 0, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(st.Uid), int(st.Gid), true
}

// userName is the name of a user, or the number of one who has none here.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}
