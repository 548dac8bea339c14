package checkin

// Spool keeps accepted check-ins until a run takes them: one file a mirror, so it is as small as the inventory.
//
//	tmp/<id>…          being written
//	new/<id>.json      accepted: the body, as it came
//	taken/<id>.json    taken by a run that has not ended yet
type Spool struct{ dir string }

// OpenSpool makes the directories where they are missing.
func OpenSpool(dir string) (*Spool, error) { panic("stub") }

// Put keeps a body; it is lasting once Put has returned. It replaces the one that the mirror left before.
func (s *Spool) Put(mirror string, body []byte) error { panic("stub") }

// Entry is one check-in that was taken.
type Entry struct {
	Mirror string // by the file's name: the body is to be opened again
	Body   []byte
}

// Take moves what is new aside and gives it, with what an earlier run took and did not finish. What is no regular file of
// at most MaxBody bytes with a proper name is removed.
func (s *Spool) Take() ([]Entry, error) { panic("stub") }

// Done forgets what was taken.
func (s *Spool) Done() error { panic("stub") }

// Waiting reports whether there is anything to take.
func (s *Spool) Waiting() (bool, error) { panic("stub") }
