package rsync

import (
	"fmt"
	"regexp"
	"strings"
)

// allowedOptions are those that change how files are written or compared, not what is read, from where, or deleted.
var allowedOptions = regexp.MustCompile(`^(?:` +
	`--chmod=[DFugoa=+\-rwxXst0-7,]+` +
	`|--sparse|-S|--preallocate|--fuzzy|-y|--omit-dir-times|-O|--omit-link-times|-J` +
	`|--modify-window=[0-2]` +
	`|--compress|-z|--no-compress|--whole-file|-W|--no-whole-file|--fsync` +
	`|--block-size=[1-9][0-9]{0,5}` +
	`)$`)

// AllowedOptions names the options that CheckOption passes, for messages and templates.
const AllowedOptions = "--chmod=…, --sparse, --preallocate, --fuzzy, --omit-dir-times, --omit-link-times, --modify-window=0 to 2, " +
	"--compress, --no-compress, --whole-file, --no-whole-file, --fsync, --block-size=N"

// instead names the key of mirror.yaml that does what an option is often given for, or why there is none.
func instead(name string) string {
	switch name {
	case "--bwlimit":
		return "the key bandwidth sets it"
	case "--delete", "--del", "--delete-after", "--delete-before", "--delete-delay", "--delete-during", "--max-delete":
		return "deletions are made when they are safe; the key max_delete limits them"
	case "--delete-excluded", "--force", "--ignore-errors", "--remove-source-files", "--delete-missing-args":
		return "it deletes what nobody has counted"
	case "--exclude", "--exclude-from", "-f", "-F", "--filter", "--include", "--include-from", "--cvs-exclude", "-C":
		return "the keys exclude and keep hold patterns"
	case "--files-from", "--from0", "-0":
		return "the names to transfer are found out; the key exclude hides some"
	case "--timeout":
		return "the key timeout sets it"
	case "--contimeout":
		return "the key connect_timeout sets it"
	case "--address", "--sockopts":
		return "the key address sets the local address"
	case "-4", "-6", "--ipv4", "--ipv6":
		return "the key family sets it"
	case "--port":
		return "a port belongs into the source's URL"
	case "-e", "--rsh", "--rsync-path", "-M", "--remote-option", "--blocking-io":
		return "sources are rsync daemons, and no other program is run"
	case "--password-file":
		return "sources ask for no password"
	}
	return insteadOf(name)
}

// insteadOf is about options for which no key exists.
func insteadOf(name string) string {
	switch name {
	case "-o", "--owner", "-g", "--group", "-a", "--archive", "-D", "--devices", "--specials", "--chown", "--super", "--numeric-ids":
		return "owners and devices are never taken from a source"
	case "-r", "--recursive", "-l", "--links", "-t", "--times", "-p", "--perms", "-H", "--hard-links", "--safe-links", "--delay-updates",
		"--stats", "-n", "--dry-run":
		return "it is used already where it belongs"
	case "-L", "--copy-links", "-K", "--keep-dirlinks", "-k", "--copy-dirlinks", "--copy-unsafe-links", "--munge-links":
		return "symbolic links are kept as they are, and those that point outside are left out"
	case "-v", "--verbose", "-q", "--quiet", "-i", "--itemize-changes", "-h", "--human-readable", "--progress", "-P", "--info", "--debug",
		"--out-format", "--log-file":
		return "rsync's output is read by the program; the flag -v shows more"
	case "-c", "--checksum", "-I", "--ignore-times", "--size-only":
		return "what is compared decides what is proven"
	case "--inplace", "--append", "--append-verify", "-u", "--update", "-b", "--backup", "--partial", "--partial-dir", "-T", "--temp-dir":
		return "readers would see files that are not whole or not the source's"
	}
	return ""
}

// CheckOption says whether an extra option is on the allow-list, and if not, why (mirror.yaml's `options`).
func CheckOption(option string) error {
	if allowedOptions.MatchString(option) {
		return nil
	}
	if !strings.HasPrefix(option, "-") {
		return fmt.Errorf("%.80q is not an rsync option, expected one of %s, a value behind an equals sign", option, AllowedOptions)
	}
	name, _, _ := strings.Cut(option, "=")
	if !strings.HasPrefix(name, "--") && len(name) > 2 {
		name = name[:2]
	}
	if why := instead(name); why != "" {
		return fmt.Errorf("rsync option %.80q is not allowed: %s", option, why)
	}
	return fmt.Errorf("rsync option %.80q is not allowed, expected one of %s", option, AllowedOptions)
}
