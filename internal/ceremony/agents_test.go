package ceremony

import (
	"crypto/rand"
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ed25519"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"tidemark/internal/lab"
)

// agents are an ssh-agent with one key, whose public half is the operator's agent-key.pub, and a KMS.
func agents(t *testing.T, w *world) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: &private}); err != nil {
		t.Fatal(err)
	}
	line, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(w.machine("operator"), "agent-key.pub"), string(ssh.MarshalAuthorizedKey(line)))
	socket := filepath.Join(w.dir, "agent")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				agent.ServeAgent(ring, c) // ends with the connection
			}()
		}
	}()
	k, err := lab.StartKMS(t.Context(), lab.KMSOptions{Keys: map[string]string{"alias/tidemark-ed25519": "ECC_NIST_EDWARDS25519"}})
	if err != nil {
		t.Fatal(err)
	}
	w.env = append(w.env, "SSH_AUTH_SOCK="+socket, "AWS_ACCESS_KEY_ID="+k.Access, "AWS_SECRET_ACCESS_KEY="+k.Secret, "AWS_EC2_METADATA_DISABLED=true")
	w.places = append(w.places,
		place{"region: eu-north-1", "region: " + k.Region + ", endpoint: \"" + k.Endpoint + "\""},
		place{"--region eu-north-1", "--region " + k.Region + " --endpoint " + k.Endpoint})
}
