// Package filelist holds the list of a tree's regular files and compares two of them without holding either in memory.
//
// A master's list is kept as an index: one file, sorted, compact, with a checksum of its own. What a server sends comes in any
// order: a [Sorter] takes it, in bounded memory, and gives it back sorted. [Compare] walks the sorted lists side by side.
package filelist
