package rsync

import "golang.org/x/sys/unix"

// limitFiles keeps a process, and those that it starts from now on, from writing a file larger than that: --max-size goes by
// the size that a server announces, and it can send more. rsync starts its receiver only after it has the server's list.
// That it fails leaves the run without this belt.
func limitFiles(pid int, most int64) {
	unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: uint64(most), Max: uint64(most)}, nil)
}
