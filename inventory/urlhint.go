package inventory

import (
	"fmt"
	"strings"

	"tidemark/internal/rsyncurl"
)

// urlHint shows the daemon URL that was probably meant, or how to find the module.
func urlHint(s string) string {
	rest := s
	if scheme, after, ok := strings.Cut(s, "://"); ok {
		switch strings.ToLower(strings.TrimSpace(scheme)) {
		case "rsync":
		case "rsync+tls", "rsyncs", "rsync-ssl":
			return "rsync behind TLS is written rsync+tls://host/module/"
		default:
			return "only rsync daemons are probed; http and ftp addresses are not"
		}
		rest = after
	}
	host, module, ok := strings.Cut(rest, "::")
	if !ok || strings.Contains(host, "/") {
		host, module, _ = strings.Cut(rest, "/")
	}
	host = strings.TrimSuffix(host[strings.LastIndex(host, "@")+1:], ":")
	module = strings.TrimLeft(module, "/")
	if _, err := rsyncurl.Parse("rsync://" + host + "/module"); err != nil || host == s {
		return ""
	}
	if module == "" {
		return fmt.Sprintf("name the module: rsync rsync://%s/ lists them", host)
	}
	u, err := rsyncurl.Parse("rsync://" + host + "/" + module)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("did you mean %v?", u)
}
