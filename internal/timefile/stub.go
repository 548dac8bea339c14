package timefile

// MaxSize is the largest time file that is read, in bytes.
const MaxSize = 4096

// Parse returns the Unix seconds in a time file's bytes.
func Parse(data []byte) (int64, error) { panic("stub") }
