package probe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"tidemark/internal/rsyncurl"
	"tidemark/internal/timefile"
	"tidemark/quorum"
	"tidemark/rsync"
)

const (
	maxTimeFile    = 64 << 10  // bytes of a time file that are fetched: enough to show what lies there instead of a number
	maxAnchor      = 16 << 20  // bytes of one anchor
	maxSession     = 128 << 20 // bytes of one session that fetches anchors: it holds them in memory
	maxTimeSession = 1 << 20   // bytes of one session that fetches a time file
	maxRaw         = 64        // bytes of a time file that a reading keeps
)

// target is a tree at one address.
type target struct {
	client *rsync.Client
	addr   netip.Addr
	url    rsyncurl.URL
}

// timeRead is a time file as it was fetched.
type timeRead struct {
	data      []byte
	timestamp int64
	fail      *quorum.Failure
}

func (t target) timeFile(ctx context.Context, path string) timeRead {
	f, err := t.limited(limits{maxTimeFile, maxTimeSession}).FetchFile(ctx, t.addr, t.url, path)
	if err != nil {
		return timeRead{fail: timeFailure(err, path)}
	}
	return parseTime(f.Data, path)
}

// parseTime reads a time file's bytes.
func parseTime(data []byte, path string) timeRead {
	timestamp, err := timefile.Parse(data)
	if err != nil {
		return timeRead{data: data, fail: &quorum.Failure{Kind: quorum.FailNotNumber, Text: fmt.Sprintf("%s: %v", path, err)}}
	}
	return timeRead{data: data, timestamp: timestamp}
}

// limits cap what one session reads, in bytes. No file: as the client has it.
type limits struct{ file, session int64 }

// anchors fetches the files at paths in one session; the result is sorted by path, each path once.
func (t target) anchors(ctx context.Context, paths []string, most limits) ([]quorum.AnchorSeen, error) {
	paths = slices.Compact(slices.Sorted(slices.Values(paths)))
	files, err := t.limited(most).Fetch(ctx, t.addr, t.url, paths)
	if err != nil {
		return nil, err
	}
	seen := make([]quorum.AnchorSeen, 0, len(paths))
	for _, path := range paths {
		a := quorum.AnchorSeen{Path: path, Missing: true}
		if f, ok := files[path]; ok {
			sum := sha256.Sum256(f.Data)
			a = quorum.AnchorSeen{Path: path, Size: int64(len(f.Data)), SHA256: hex.EncodeToString(sum[:])}
		}
		seen = append(seen, a)
	}
	return seen, nil
}

// limited is the client with tighter caps; a cap that the operator set lower stays.
func (t target) limited(most limits) *rsync.Client {
	c := *t.client
	if most.file > 0 && (c.Limits.File == 0 || c.Limits.File > most.file) {
		c.Limits.File = most.file
	}
	if c.Limits.Bytes == 0 || c.Limits.Bytes > most.session {
		c.Limits.Bytes = most.session
	}
	return &c
}

// rawText is what a reading keeps of a time file: the first 64 bytes without the final newline, in Go's quotes when
// there is anything but printable ASCII among them.
func rawText(data []byte) string {
	s := strings.TrimSuffix(string(data[:min(len(data), maxRaw)]), "\n")
	for _, b := range []byte(s) {
		if b < ' ' || b > '~' || b == '"' {
			return strconv.QuoteToASCII(s)
		}
	}
	return s
}

// quoted is rawText for use within a sentence.
func quoted(data []byte) string {
	return strconv.QuoteToASCII(strings.TrimSuffix(string(data[:min(len(data), maxRaw)]), "\n"))
}
