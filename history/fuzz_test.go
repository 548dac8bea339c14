package history

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzDamage writes bytes somewhere into a history: whatever they hit, it opens, perhaps anew, and a round is added, at the
// latest to the second try's.
func FuzzDamage(f *testing.F) {
	file := filepath.Join(f.TempDir(), "history.db")
	db := open(f, file)
	for minute := range 3 {
		add(f, db, killRound(minute+1))
	}
	add(f, db, announcing(round(5, verdict("a", "verified", 5)), 5))
	if err := db.Close(); err != nil {
		f.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), []byte("no SQLite"))
	f.Add(uint32(18), []byte{1, 1})                // no longer write-ahead
	f.Add(uint32(28), []byte{0, 0, 0, 1})          // its size
	f.Add(uint32(60), []byte{0, 0, 0, 1})          // the schema's version
	f.Add(uint32(100), []byte{13, 255, 255, 0, 0}) // the first page's kind
	f.Add(uint32(4096), make([]byte, 64))
	f.Add(uint32(8192), []byte{10, 0, 0, 0, 0})     // an index without entries
	f.Add(uint32(3*4096+8), []byte{255, 255, 1, 2}) // where a row begins
	f.Add(uint32(len(content)-20), []byte("verified"))
	f.Fuzz(func(t *testing.T, at uint32, damage []byte) {
		bad := append([]byte(nil), content...)
		copy(bad[int(at)%len(bad):], damage)
		file := filepath.Join(t.TempDir(), "history.db")
		if err := os.WriteFile(file, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for try := range 2 {
			db, _, err := Open(ctx, file, Options{Now: start})
			if errors.Is(err, ErrNewer) || (err != nil && code(err) == codeError) { // the version became another one
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			err = db.Add(ctx, killRound(10))
			db.Close()
			if err == nil || errors.Is(err, ErrNotLater) { // the last round's time became another one
				return
			}
			if !errors.Is(err, ErrDamaged) || try == 1 {
				t.Fatal(err)
			}
		}
	})
}
