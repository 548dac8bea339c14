package lab

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// configure writes the daemon's files: rsyncd.conf, the message of the day, the passwords.
func (r *Running) configure() error {
	if err := os.MkdirAll(r.daemon.Dir, 0o755); err != nil {
		return fmt.Errorf("making its directory: %w", err)
	}
	files := map[string]string{"rsyncd.conf": r.config()}
	if r.daemon.Motd != "" {
		files["motd"] = r.daemon.Motd
	}
	if r.daemon.AuthUsers != nil {
		var secrets strings.Builder
		for _, user := range slices.Sorted(maps.Keys(r.daemon.AuthUsers)) {
			fmt.Fprintf(&secrets, "%s:%s\n", user, r.daemon.AuthUsers[user])
		}
		files["secrets"] = secrets.String()
	}
	for name, text := range files {
		if err := os.WriteFile(r.file(name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("writing its configuration: %w", err)
		}
	}
	return nil
}

// config is the rsyncd.conf(5). The backlog's default of 5 and the lookups of names would make a crowd of clients wait.
func (r *Running) config() string {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	d := r.daemon
	line("use chroot = no")
	line("read only = yes")
	line("listen backlog = 1024")
	line("reverse lookup = no")
	line("max verbosity = 1")
	line("log file = %s", r.file("log"))
	if os.Getuid() == 0 {
		// Without these, a daemon started by root serves as nobody, who may not read our directories.
		line("uid = 0")
		line("gid = 0")
	}
	if d.Motd != "" {
		line("motd file = %s", r.file("motd"))
	}
	for _, module := range slices.Sorted(maps.Keys(d.Modules)) {
		line("[%s]", module)
		line("  path = %s", d.Modules[module])
		// Connections are counted in the lock file: with one for all modules they would share the limit.
		line("  lock file = %s", r.file("lock."+module))
		r.moduleLines(line)
	}
	return b.String()
}

func (r *Running) moduleLines(line func(format string, a ...any)) {
	d := r.daemon
	if !d.Deny {
		line("  hosts allow = 127.0.0.0/8 ::1")
	}
	line("  hosts deny = *")
	if d.MaxConnections != 0 {
		line("  max connections = %d", d.MaxConnections)
	}
	if d.Hidden {
		line("  list = no")
	}
	if d.AuthUsers != nil {
		line("  auth users = %s", strings.Join(slices.Sorted(maps.Keys(d.AuthUsers)), ", "))
		line("  secrets file = %s", r.file("secrets"))
	}
	if d.Extra != "" {
		line("%s", d.Extra)
	}
}
