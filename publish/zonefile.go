package publish

// ZoneFile is a TXT in a fragment that a zone file includes ($INCLUDE): one line for each record, written atomically;
// then the reload command is run (argv, no shell).
func ZoneFile(path string, reload []string) TXT { panic("stub") }
