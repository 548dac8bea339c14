package strictyaml

// Problem is one thing wrong in an operator's file.
type Problem struct {
	File  string `json:"file"`
	Line  int    `json:"line"`  // 0 when not known
	Field string `json:"field"` // e.g. "trees.centos.quorum"
	Text  string `json:"text"`  // what was found, what was expected
	Hint  string `json:"hint,omitempty"`
}

// Problems is all of them, as an error: one line each.
type Problems []Problem

func (p Problems) Error() string { panic("stub") }

// Decode reads one YAML document strictly into v; every unknown key and wrong type is reported, not just the first.
func Decode(file string, data []byte, v any) Problems { panic("stub") }
