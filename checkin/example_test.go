package checkin_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"time"

	"tidemark/checkin"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
	"tidemark/inventory"
	"tidemark/keys"
	"tidemark/sign"
)

// A mirror checks in, and a run takes it from the spool.
func Example() {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	secret, _, err := keys.GenerateMinisign(nil) // the mirror's own key
	must(err)
	signer, err := sign.MinisignFile(secret, nil)
	must(err)

	// the publisher: its inventory, its spool, its receiver
	url, err := rsyncurl.Parse("rsync://ftp.funet.fi/centos/")
	must(err)
	senders, err := checkin.NewSenders("centos", []inventory.Server{
		{ID: "ftp.funet.fi", Trees: map[string]rsyncurl.URL{"centos": url}, Key: signer.Key().Public}})
	must(err)
	dir, err := os.MkdirTemp("", "spool")
	must(err)
	defer os.RemoveAll(dir)
	spool, err := checkin.OpenSpool(dir)
	must(err)
	receiver := httptest.NewServer(checkin.NewReceiver(checkin.ReceiverOptions{Senders: senders, Keep: spool.Put, Now: time.Now}))
	defer receiver.Close()

	// the mirror, at the end of a sync
	body, err := checkin.Seal(context.Background(), checkin.Message{Schema: checkin.Schema, Network: "centos", Mirror: "ftp.funet.fi",
		At: strictjson.At(time.Now()), Nonce: "00112233445566778899aabbccddeeff", Trees: map[string]int64{"centos": 1488372781}}, signer)
	must(err)
	must(checkin.Send(context.Background(), checkin.SendOptions{URL: receiver.URL}, body))

	// the publisher's next run
	entries, err := spool.Take(senders.Has)
	must(err)
	for _, e := range entries {
		m, err := senders.Open(e.Body, time.Now()) // again: others may write into a spool
		must(err)
		fmt.Println("look at", e.Mirror, m.Trees)
	}
	must(spool.Done())
	// Output: look at ftp.funet.fi map[centos:1488372781]
}
