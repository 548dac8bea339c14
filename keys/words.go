package keys

// Words spells bytes by the PGP word list (Juola and Zimmermann, 1995), to be compared aloud: even positions have two
// syllables, odd ones three, so that a word left out or swapped is heard.
func Words(b []byte) []string { panic("stub") }
