package inventory

// Format is a list of mirrors as another project keeps it.
type Format string

// The formats.
const (
	AlmaLinux Format = "almalinux" // mirrors.d: a directory of YAML files, one mirror each
	Debian    Format = "debian"    // Mirrors.masterlist: stanzas of fields
	CentOS    Format = "centos"    // the CSV of the full mirror list
	Arch      Format = "arch"      // the JSON of the mirror status
	CSV       Format = "csv"       // a header line with id, country, city, rsync, ...
)

// Formats lists them.
func Formats() []Format { return []Format{AlmaLinux, Debian, CentOS, Arch, CSV} }

// Note is what became of one entry of a foreign list.
type Note struct {
	Entry string `json:"entry"` // as the list names it
	File  string `json:"file"`
	Line  int    `json:"line,omitempty"`
	ID    string `json:"id,omitempty"` // of the server made of it, "": skipped
	Text  string `json:"text"`         // why it was skipped, or what was mended
}

// Imported is a foreign list in our terms.
type Imported struct {
	Entries int      // that the list has
	Servers []Server // sorted by id
	Notes   []Note   // in the list's order: every entry that was skipped, everything that was mended
}

// ImportOptions of Import.
type ImportOptions struct {
	Tree string // the tree that the list's rsync URLs lead to
	Path string // "": the URLs are the tree's; otherwise appended, e.g. "centos/"
}

// Import reads a foreign list at path, a file or a directory. The error is of the list as a whole; what is wrong with one entry is
// a note.
func Import(f Format, path string, o ImportOptions) (*Imported, error) { panic("stub") }

// Marshal writes servers as an inventory file that Load reads back the same.
func Marshal(servers []Server) []byte { panic("stub") }
