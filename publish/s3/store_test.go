package s3_test

import (
	"fmt"
	"testing"

	"tidemark/publish"
	"tidemark/publish/storetest"
)

func TestStore(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		n := 0
		storetest.Run(t, func(t *testing.T) publish.Store {
			n++
			return open(t, s.options(fmt.Sprintf("a/site-%d", n)))
		})
	})
}
