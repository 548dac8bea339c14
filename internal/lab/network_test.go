package lab_test

import (
	"context"
	"testing"
	"time"

	"tidemark/internal/lab"
)

func TestNet(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	t0:=time.Now()
	n, err := lab.New(ctx, t.TempDir(), lab.Options{Start: 1488372781})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(time.Since(t0)); t0=time.Now()
	t.Log(n.Inventory())
	t.Log(n.Close())
	t.Log(time.Since(t0))
}
