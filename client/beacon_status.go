package client

import "time"

// BeaconStatus is what is remembered of the beacon, for people.
type BeaconStatus struct {
	Serial   int64     // of the newest beacon seen; 0: none yet
	Answered time.Time // HTTPS last answered then; zero: not yet
	Due      time.Time // HTTPS is asked at the latest, whatever the beacon says
}

// BeaconSeen tells what is remembered, without asking anybody or changing anything. What is damaged counts as nothing.
func BeaconSeen(dir string, now time.Time) BeaconStatus {
	s := &store{dir: dir, readOnly: true}
	m, _, err := s.loadBeacon()
	if err != nil {
		m = beaconMemory{}
	}
	return BeaconStatus{Serial: m.Serial, Answered: m.Answered.Time, Due: m.dueAt(now)}
}
