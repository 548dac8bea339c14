// Package timefile reads the timestamp in a tree's time file.
//
// Distributions write it in several ways. Read are, and turned into Unix seconds:
//
//	1488372781                                   CentOS TIME, Arch lastsync, mirmon: a first line that begins with a number
//	2017-03-01T12:53:01Z                         RFC 3339
//	Wed Mar  1 12:53:01 UTC 2017                 date -u
//	Wed, 01 Mar 2017 12:53:01 +0000              date -R
//	Date: Wed, 01 Mar 2017 12:53:01 +0000        a Debian trace (project/trace/...), by its Date line or its first line
//
// A zone is an offset, or UTC by the names UTC, GMT or Z; other abbreviations are
// ambiguous and refused. So is everything else, such as the HTML page of a web server
// that answers every name, and the refusal shows the bytes that were seen.
package timefile
