// Package history keeps what was seen over time, for people: it decides nothing, and losing it loses nothing else.
package history
