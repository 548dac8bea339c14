// Package filelist holds the list of a tree's regular files and compares two of them without holding either in memory.
//
// A master's list is kept as an index: one file, sorted, compact, with a checksum of its own. What a server sends comes in any
// order: a [Sorter] takes it, in bounded memory, and gives it back sorted. [Compare] walks the sorted lists side by side: what is
// missing, extra or different, what of that is as at another recorded timestamp, and which of the extra files are only there early,
// as a newer timestamp has them: as in the first stage of a sync, which touches nothing of the older one.
//
// # Order
//
// Entries are sorted by directory, then by base name, both by their bytes. The directory is what stands before the path's last slash,
// the base name what stands after it; a file at the top has the empty directory, which is the first. So all entries of a directory
// stand together:
//
//	README
//	zlib.txt
//	7-beta/os/a.rpm
//	7/os/a.rpm
//	7/os/b.rpm
//	7/os/b/repomd.xml
//
// Each path is there once. A path has 1 to 4096 bytes, is relative, and has no empty, "." or ".." part and no NUL; all other bytes may
// be in it.
//
// # The file of an index
//
// Numbers of the head are big-endian. Checksums are SHA-256.
//
//	head
//	  16 bytes   "tidemark list 1\n": the format and its version
//	  uint16     length of the tree's name, at most 1024
//	  uint16     length of the digest, at most 1024
//	  int64      timestamp
//	  int64      files
//	  int64      bytes, the sum of all sizes (the largest int64 where that is more)
//	  int64      length of the blocks
//	  32 bytes   checksum of the blocks
//	  ...        the tree's name, the digest
//	  32 bytes   checksum of all before
//	blocks, one a directory, in the order of the directories
//	  uvarint    bytes of the directory's name that follow, plus 1
//	  uvarint    bytes that it shares with the directory before
//	  ...        the rest of its name
//	  entries, in the order of the base names, at least one
//	    uvarint  bytes of the base name that follow, at least 1
//	    uvarint  bytes that it shares with the base name before in this block
//	    ...      the rest of it
//	    byte     lower half: bytes of the size; upper half: bytes of the mtime's difference; 0 to 8 each
//	    ...      size, little-endian
//	    ...      mtime minus the mtime before in this block (0 for the first), wrapping, zigzag, little-endian
//	  byte 0
//	byte 0, the end
//
// The first name of its kind shares nothing. A uvarint is that of encoding/binary, zigzag that of its Varint. [Open] proves the head
// and the file's length, a walk to the end proves the order, the counts and the checksum: a list that broke off is never a short list.
// The checksum finds accidents, not attackers: whoever writes the file can write the checksum.
//
// # Sorting
//
// rsync sends one directory after the other, each as its server's file system lists it. A Sorter collects the entries of a directory in
// a block, sorts blocks by directory and each by name, and writes what exceeds its memory as a run (the blocks above, without a head)
// to an unlinked temporary file. 32 runs are merged to one of the next level, so that the number of open runs, and with it memory,
// stays small whatever is sent: each of millions of entries in another directory, paths of 4096 bytes, names that are all alike. A
// path that comes twice is refused ([ErrTwice]), and so is a list that needs more than [Options].MaxBytes on disk ([ErrTooLarge]).
package filelist
