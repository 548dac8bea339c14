package rsync

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	defaultTimeout = 10 * time.Minute
	defaultConnect = 30 * time.Second
)

// hideTemporary keeps rsync's own directory of delayed files out of every list, and from being deleted.
const hideTemporary = "--exclude=.~tmp~/"

// Args is the whole argument list, without the program's name: -rltpH --safe-links --no-motd … -- URL DEST. It refuses a
// job that cannot be typed safely (relative Dest, control characters in a rule, an option that CheckOption refuses).
func (j Job) Args() ([]string, error) {
	if err := j.check(); err != nil {
		return nil, fmt.Errorf("rsync job: %w", err)
	}
	recurse := "-rltpH"
	if j.FilesFrom != "" {
		recurse = "-ltpH" // --files-from itself lists directories without their content; -r would read all that is below
	}
	args := []string{recurse, "--safe-links", "--no-motd", "--no-human-readable", "--stats",
		"--contimeout=" + seconds(j.ConnectTimeout, defaultConnect), "--timeout=" + seconds(j.Timeout, defaultTimeout)}
	args = append(args, j.modes()...)
	args = append(args, j.connection()...)
	args = append(args, j.Options...)
	args = append(args, j.selection()...)
	return append(args, "--", j.url(), filepath.Clean(j.Dest)+"/"), nil
}

// modes are the options of what the run does.
func (j Job) modes() (args []string) {
	for _, o := range []struct {
		on  bool
		arg string
	}{
		{j.DryRun, "-n"}, {j.Checksum, "--checksum"}, {j.IgnoreTimes, "--ignore-times"}, {j.DelayUpdates, "--delay-updates"}, {j.Delete, "--delete-delay"},
		{j.Delete && j.MaxDelete >= 0, "--max-delete=" + strconv.Itoa(j.MaxDelete)},
		{j.MaxSize > 0, "--max-size=" + strconv.FormatInt(j.MaxSize, 10)},
		{j.Itemize, "--out-format=" + itemFormat(j.Token)}, {j.Progress, "--info=progress2"},
	} {
		if o.on {
			args = append(args, o.arg)
		}
	}
	return args
}

func (j Job) connection() (args []string) {
	if j.Family != 0 {
		args = append(args, "-"+strconv.Itoa(j.Family))
	}
	if j.Bind.IsValid() {
		args = append(args, "--address="+j.Bind.String())
	}
	if j.Bandwidth > 0 {
		args = append(args, "--bwlimit="+strconv.FormatInt(max(1, j.Bandwidth/1024), 10))
	}
	return args
}

// selection are the rules, or the list. Never both: rsync ends with code 4 when an exclude covers a listed path.
func (j Job) selection() []string {
	if j.FilesFrom != "" {
		return []string{"--files-from=" + j.FilesFrom, "--from0"}
	}
	args := []string{hideTemporary}
	for _, r := range j.Rules {
		if r.Include {
			args = append(args, "--include="+r.Pattern)
		} else {
			args = append(args, "--exclude="+r.Pattern)
		}
	}
	if j.RulesFile != "" {
		args = append(args, "--from0", "--filter=merge "+j.RulesFile)
	}
	return args
}

// RulesText is the content of a RulesFile. Patterns may hold line feeds here, but no NUL.
func RulesText(rules []Rule) ([]byte, error) {
	var b []byte
	for _, r := range rules {
		if r.Pattern == "" || len(r.Pattern) > maxPattern || strings.IndexByte(r.Pattern, 0) >= 0 {
			return nil, fmt.Errorf("filter pattern %.100q: expected 1 to %d bytes without NUL", r.Pattern, maxPattern)
		}
		sign := "- "
		if r.Include {
			sign = "+ "
		}
		b = append(append(append(b, sign...), r.Pattern...), 0)
	}
	return b, nil
}

// url ends in a slash: what lies in the directory is meant, not the directory.
func (j Job) url() string { return strings.TrimSuffix(j.Source.String(), "/") + "/" }

// seconds rounds up, since 0 would mean no limit.
func seconds(d, otherwise time.Duration) string {
	if d == 0 {
		d = otherwise
	}
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}

func (j Job) check() error {
	if j.Source.IsZero() {
		return errors.New("no source URL")
	}
	if j.Source.TLS() {
		return fmt.Errorf("source %s: rsync itself does not speak TLS, expected rsync://", j.Source)
	}
	if err := checkPaths(j); err != nil {
		return err
	}
	for _, r := range j.Rules {
		if _, err := ParsePattern(r.Pattern); err != nil {
			return err
		}
	}
	for _, o := range j.Options {
		if err := CheckOption(o); err != nil {
			return err
		}
	}
	return j.checkValues()
}

func (j Job) checkValues() error {
	switch {
	case j.FilesFrom != "" && (len(j.Rules) > 0 || j.RulesFile != "" || j.Delete):
		return errors.New("a list of names goes with neither filter rules nor deletions")
	case j.Family != 0 && j.Family != 4 && j.Family != 6:
		return fmt.Errorf("address family %d, expected 4, 6 or 0 for both", j.Family)
	case j.Bind.Zone() != "":
		return fmt.Errorf("local address %s: a zone is not allowed", j.Bind)
	case j.MaxSize < 0:
		return fmt.Errorf("a largest size of %d bytes", j.MaxSize)
	case j.Bandwidth < 0 || j.LeastRate < 0 || j.Timeout < 0 || j.ConnectTimeout < 0:
		return errors.New("a negative bandwidth or timeout")
	case j.Token != "" && (len(j.Token) < 16 || len(j.Token) > 64 || strings.Trim(j.Token, "0123456789abcdef") != ""):
		return fmt.Errorf("token %q, expected 16 to 64 hexadecimal digits", j.Token)
	}
	return nil
}

func checkPaths(j Job) error {
	if err := checkLocal("destination", j.Dest); err != nil {
		return err
	}
	if filepath.Clean(j.Dest) == "/" {
		return errors.New("destination /: the root of the file system is not allowed")
	}
	if j.FilesFrom != "" {
		if err := checkLocal("list of names", j.FilesFrom); err != nil {
			return err
		}
	}
	if j.RulesFile != "" {
		return checkLocal("file of rules", j.RulesFile)
	}
	return nil
}

// checkLocal admits an absolute path: one that begins with a slash is neither an option nor host:path.
func checkLocal(what, path string) error {
	switch {
	case !filepath.IsAbs(path):
		return fmt.Errorf("%s %q: expected an absolute path", what, path)
	case hasControl(path):
		return fmt.Errorf("%s %q: a control character is not allowed", what, path)
	}
	return nil
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

// Command is the job as one could type it, quoted for a POSIX shell, with the program's name in front.
func (j Job) Command(program string) string {
	if program == "" {
		program = defaultProgram
	}
	args, err := j.Args()
	if err != nil {
		return quote(program) + " # refused: " + strconv.QuoteToASCII(err.Error())
	}
	words := make([]string, 0, len(args)+1)
	for _, a := range append([]string{program}, args...) {
		words = append(words, quote(a))
	}
	return strings.Join(words, " ")
}

// plain are the characters that mean nothing to a POSIX shell (XCU 2.2), wherever they stand in a word.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%"

// quote quotes a word where needed: an option only behind its equals sign, for easier reading.
func quote(word string) string {
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	name, value, ok := strings.Cut(word, "=")
	if ok && strings.HasPrefix(name, "--") && strings.Trim(name, plain) == "" {
		return name + "=" + quoteAll(value)
	}
	return quoteAll(word)
}

func quoteAll(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
