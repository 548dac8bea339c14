package publish

import "fmt"

// Step is one of the steps of DESIGN 4.5 that Push takes.
type Step int

// The steps, by their numbers there.
const (
	Ground   Step = 0
	Reserve  Step = 1
	ReadBack Step = 2
	Swap     Step = 3
	Single   Step = 4
	Pair     Step = 5
	Mark     Step = 6
	Status   Step = 8
)

func (s Step) String() string {
	return map[Step]string{
		Ground: "trust and keys", Reserve: "reserve the serial", ReadBack: "read back and verify", Swap: "swap the pointer",
		Single: "single objects", Pair: "manifest and signatures", Mark: "completion mark", Status: "status files",
	}[s]
}

// StepError says where a publication stopped. Before Swap nothing that readers follow had changed; a failed Swap may
// or may not have happened; after it the next run heals.
type StepError struct {
	Step Step
	Err  error
}

func (e *StepError) Error() string {
	return fmt.Sprintf("publish, step %d (%s): %v", e.Step, e.Step, e.Err)
}
func (e *StepError) Unwrap() error { return e.Err }

// Published reports whether readers see the new serial.
func (e *StepError) Published() bool { return e.Step > Swap }
