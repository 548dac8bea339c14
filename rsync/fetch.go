package rsync

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"strings"

	"tidemark/internal/rsyncurl"
)

// followLinks has the server send what a link points to, since a time file may be one. A server that refuses the option
// is asked once more without it.
const followLinks = "L"

// FetchFile fetches the one file at path below u, from addr (the resolved address of u's host).
func (c *Client) FetchFile(ctx context.Context, addr netip.Addr, u rsyncurl.URL, path string) (File, error) {
	if err := checkPath(path); err != nil {
		return File{}, fmt.Errorf("rsync fetch: %w", err)
	}
	f, err := c.fetchFile(ctx, addr, u, path, followLinks)
	if isRefusedOption(err) {
		f, err = c.fetchFile(ctx, addr, u, path, "")
	}
	return f, err
}

// isRefusedOption recognises "The server is configured to refuse --copy-links (-L)".
func isRefusedOption(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == CodeServer && strings.Contains(e.Text, refusal)
}

func (c *Client) fetchFile(ctx context.Context, addr netip.Addr, u rsyncurl.URL, name, options string) (File, error) {
	arg, err := moduleArg(u, name)
	if err != nil {
		return File{}, fmt.Errorf("rsync fetch: %w", err)
	}
	s, err := c.open(ctx, addr, u)
	if err != nil {
		return File{}, err
	}
	defer s.close()
	s.op = "fetch"
	if err := s.command(options, arg, nil); err != nil {
		return File{}, err
	}
	e, err := s.oneEntry(path.Base(name))
	if err != nil {
		return File{}, s.wrap(err)
	}
	e.Name = name
	return s.fetchOne(e)
}

// oneEntry reads the list of a single file.
func (s *session) oneEntry(name string) (Entry, error) {
	d := &listDecoder{in: s.in, proto: s.proto}
	var found Entry
	for {
		e, ok := d.next()
		if !ok {
			break
		}
		if e.Name != name || d.count > 1 {
			return Entry{}, failf(CodeProtocol, "the server lists %q, asked for %q", clip([]byte(e.Name)), name)
		}
		found = e
	}
	if s.in.err != nil {
		return Entry{}, s.in.err
	}
	if d.count == 0 {
		return Entry{}, s.emptyList()
	}
	return found, nil
}

// fetchOne asks for the list's only file.
func (s *session) fetchOne(e Entry) (File, error) {
	if err := s.fetchable(e); err != nil {
		s.goodbye()
		return File{}, s.wrap(err)
	}
	files, err := s.transfer([]Entry{e}, []int32{0})
	if err != nil {
		return File{}, s.wrap(err)
	}
	if len(files) == 0 {
		return File{}, s.wrap(s.notSent(e.Name))
	}
	return files[0], nil
}

// fetchable refuses an entry that is no file, or too large.
func (s *session) fetchable(e Entry) error {
	if !e.IsRegular() {
		return failf(CodeNotFile, "%q has the mode %#o, expected a regular file", e.Name, e.Mode)
	}
	if e.Size > s.in.limits.File {
		return failf(CodeTooLarge, "%q has %d bytes, expected at most %d", e.Name, e.Size, s.in.limits.File)
	}
	return nil
}

// notSent says why a listed file was not sent.
func (s *session) notSent(name string) error {
	if reason := s.in.log.reason(); reason != nil {
		return reason
	}
	return failf(CodeServer, "%q was listed but not sent", name)
}

// Fetch fetches several files below u in one session, by filters; files that are not there, and what is not a regular
// file, are absent from the result. With an error the result holds the files that came whole.
func (c *Client) Fetch(ctx context.Context, addr netip.Addr, u rsyncurl.URL, paths []string) (map[string]File, error) {
	for _, p := range paths {
		if err := checkPath(p); err != nil {
			return nil, fmt.Errorf("rsync fetch: %w", err)
		}
	}
	if len(paths) == 0 {
		return map[string]File{}, nil
	}
	files, err := c.fetch(ctx, addr, u, paths, followLinks)
	if isRefusedOption(err) {
		files, err = c.fetch(ctx, addr, u, paths, "")
	}
	return files, err
}

func (c *Client) fetch(ctx context.Context, addr netip.Addr, u rsyncurl.URL, paths []string, options string) (map[string]File, error) {
	arg, err := moduleArg(u, "")
	if err != nil {
		return nil, fmt.Errorf("rsync fetch: %w", err)
	}
	s, err := c.open(ctx, addr, u)
	if err != nil {
		return nil, err
	}
	defer s.close()
	s.op = "fetch"
	rules, names := includeRules(paths)
	if err := s.command(options+"r", arg, rules); err != nil {
		return nil, err
	}
	entries, err := s.selected(names)
	if err != nil {
		return nil, s.wrap(err)
	}
	files, err := s.fetchMany(entries, names)
	return files, s.wrap(err)
}

// selected reads a list that may hold nothing but names and the top, and sorts it as the server does.
func (s *session) selected(names map[string]bool) ([]Entry, error) {
	d := &listDecoder{in: s.in, proto: s.proto}
	var entries []Entry
	seen := map[string]bool{}
	for {
		e, ok := d.next()
		if !ok {
			break
		}
		if _, asked := names[e.Name]; !asked && e.Name != "." || seen[e.Name] {
			return nil, failf(CodeProtocol, "the server lists %q twice or without being asked", clip([]byte(e.Name)))
		}
		seen[e.Name] = true
		entries = append(entries, e)
	}
	if s.in.err != nil {
		return nil, s.in.err
	}
	if d.count == 0 {
		return nil, s.emptyList()
	}
	sortEntries(entries, s.proto)
	return entries, nil
}

// fetchMany asks for the files among entries that are in names; the errors of single files are joined after the rest came.
func (s *session) fetchMany(entries []Entry, names map[string]bool) (map[string]File, error) {
	var want []Entry
	var indices []int32
	var problem error
	for i, e := range entries {
		if !names[e.Name] || !e.IsRegular() {
			continue
		}
		if err := s.fetchable(e); err != nil {
			problem = firstError(problem, err)
			continue
		}
		want, indices = append(want, e), append(indices, int32(i))
	}
	got, err := s.transfer(want, indices)
	files := make(map[string]File, len(got))
	for _, f := range got {
		files[f.Name] = f
	}
	if err != nil {
		return files, err
	}
	if len(got) < len(want) {
		problem = firstError(problem, s.firstMissing(want, files))
	}
	if problem == nil && !s.in.log.onlyNotFound() {
		problem = s.incomplete()
	}
	return files, problem
}

// firstError gives the first error that is not nil.
func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// firstMissing explains a listed file that did not come. One that vanished after the list is simply not there.
func (s *session) firstMissing(want []Entry, files map[string]File) error {
	for _, e := range want {
		if _, ok := files[e.Name]; !ok {
			err := s.notSent(e.Name)
			var typed *Error
			if errors.As(err, &typed) && typed.Code == CodeNotFound {
				return nil
			}
			return fmt.Errorf("%q: %w", e.Name, err)
		}
	}
	return nil
}
