package rsync

import (
	"encoding/binary"
	"fmt"
	"strings"

	"tidemark/internal/rsyncurl"
)

// checkPath refuses what a server would not take as the literal name of a file below the module.
func checkPath(path string) error {
	if path == "" || len(path) > 4095 {
		return fmt.Errorf("path of %d bytes, expected 1 to 4095", len(path))
	}
	for _, part := range strings.Split(path, "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("path %q has an empty, \".\" or \"..\" part", path)
		}
	}
	if i := strings.IndexFunc(path, func(r rune) bool { return r < 0x20 || r == 0x7f || strings.ContainsRune(`*?[\`, r) }); i >= 0 {
		return fmt.Errorf("path %q has a wildcard or control character at byte %d", path, i)
	}
	return nil
}

// moduleArg gives the argument that names path below u: "module/dir/path", or "module/dir/" for the empty path.
func moduleArg(u rsyncurl.URL, path string) (string, error) {
	module := u.Module()
	arg := module + "/"
	if top := strings.Trim(u.Path(), "/"); top != "" {
		if err := checkPath(top); err != nil {
			return "", fmt.Errorf("URL %s: %w", u, err)
		}
		arg += top + "/"
	}
	arg += path
	// An old server splits an argument at " module/", and takes one that begins with a dash for an option.
	if module == "" || strings.HasPrefix(module, "-") || strings.Contains(arg, " "+module+"/") {
		return "", fmt.Errorf("the server would misread %q", arg)
	}
	return arg, nil
}

// includeRules select exactly paths: each with its parents, and nothing else.
func includeRules(paths []string) (rules []string, names map[string]bool) {
	names = map[string]bool{} // true: a path asked for
	for _, path := range paths {
		for i, c := range path {
			if c == '/' {
				if _, seen := names[path[:i]]; !seen {
					names[path[:i]] = false
					rules = append(rules, "+ /"+path[:i]+"/")
				}
			}
		}
		if !names[path] {
			names[path] = true
			rules = append(rules, "+ /"+path)
		}
	}
	return append(rules, "- *"), names
}

// excludeRules gives the rules for rsync exclude patterns.
func excludeRules(patterns []string) ([]string, error) {
	var rules []string
	for _, p := range patterns {
		if p == "" || len(p) > 4000 || strings.ContainsAny(p, "\x00\n\r") {
			return nil, fmt.Errorf("exclude pattern %q: expected 1 to 4000 bytes without line ends", p)
		}
		rules = append(rules, "- "+p)
	}
	return rules, nil
}

// encodeRules gives the rules as they go over the wire: length and text of each, then a length of zero.
func encodeRules(rules []string) []byte {
	var b []byte
	for _, r := range rules {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(r)))
		b = append(b, r...)
	}
	return binary.LittleEndian.AppendUint32(b, 0)
}
