package rsync

import "io"

// Limits cap everything that a server can send. Zero fields take the defaults.
type Limits struct {
	Greeting int   // bytes before OK, MOTD included (64 KiB)
	Line     int   // longest line (4 KiB)
	Entries  int64 // list entries (10,000,000)
	Name     int   // longest path (4096)
	Message  int   // log messages in all (64 KiB)
	File     int64 // largest file fetched (16 MiB)
	Files    int64 // all files of one Fetch together (256 MiB)
	Bytes    int64 // bytes read in one session (4 GiB)
}

func (l Limits) withDefaults() Limits {
	l.Greeting = orDefault(l.Greeting, 64<<10)
	l.Line = orDefault(l.Line, 4<<10)
	l.Entries = orDefault(l.Entries, 10_000_000)
	l.Name = orDefault(l.Name, 4096)
	l.Message = orDefault(l.Message, 64<<10)
	l.File = orDefault(l.File, 16<<20)
	l.Files = orDefault(l.Files, 256<<20)
	l.Bytes = orDefault(l.Bytes, 4<<30)
	return l
}

func orDefault[T int | int64](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// cappedReader fails, rather than ends, when more than left bytes come.
type cappedReader struct {
	r    io.Reader
	left int64
	max  int64
}

func (c *cappedReader) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, failf(CodeTooLarge, "the server sent more than %d bytes in one session", c.max)
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	return n, err
}
