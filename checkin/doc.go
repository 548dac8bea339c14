// Package checkin is a mirror's "I have it now, please check": the message, its signature and checks, the spool, the
// receiver and the sender. A check-in marks nobody good: it is a hint to probe now.
package checkin
