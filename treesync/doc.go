// Package treesync brings one tree of a mirror to what a source holds: lock, pre-flight, four stages, proof (DESIGN 6).
package treesync
