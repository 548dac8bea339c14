package rsyncurl

// ParseAny reads what Parse reads, and rsync+tls://host[:port]/module[/path]: the same daemon behind TLS. Only the prober
// speaks that, so a manifest and a mirror's configuration have plain URLs alone.
func ParseAny(s string) (URL, error) {
	u, err := parse(s)
	if err != nil {
		return URL{}, refused(s, err)
	}
	return u, nil
}

// TLS reports whether u is an rsync+tls URL.
func (u URL) TLS() bool { return u.tls }
