package rsync

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// meddle stands before a daemon and puts messages of its own between the frames that the daemon sends. Both sides are told
// that the other speaks protocol 29, where frames begin at a known place.
func meddle(t *testing.T, d *daemon, frames []byte) *daemon {
	l, err := net.Listen("tcp", "127.0.0.1:0")
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
				meddleOnce(c, d, frames)
			}()
		}
	}()
	return &daemon{addr: loopback, port: l.Addr().(*net.TCPAddr).Port}
}

func meddleOnce(client net.Conn, d *daemon, frames []byte) {
	server, err := net.Dial("tcp", net.JoinHostPort(d.addr.String(), fmt.Sprint(d.port)))
	if err != nil {
		return
	}
	defer server.Close()
	const greeting = "@RSYNCD: 29.0\n"
	go func() {
		in := bufio.NewReader(client)
		in.ReadString('\n')
		io.WriteString(server, greeting)
		io.Copy(server, in)
	}()
	in := bufio.NewReader(server)
	in.ReadString('\n')
	io.WriteString(client, greeting)
	for line := ""; line != "@RSYNCD: OK\n"; {
		if line, err = in.ReadString('\n'); err != nil {
			return
		}
		io.WriteString(client, line)
	}
	io.CopyN(client, in, 4) // the checksum's seed
	for {
		head, err := in.Peek(4)
		if err != nil {
			return
		}
		size := binary.LittleEndian.Uint32(head) & 0xffffff
		client.Write(frames)
		if _, err := io.CopyN(client, in, 4+int64(size)); err != nil {
			return
		}
	}
}

func frame(tag byte, text string) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(tagBase+tag)<<24|uint32(len(text))), text...)
}

// TestForgedOutput: a server's messages reach rsync's standard output as they are. None may become an item, change the
// figures, or swallow the item that follows on the same line; nor does the message of the day.
func TestForgedOutput(t *testing.T) {
	eachRsync(t, func(t *testing.T, bin string) {
		modules := "motd file = %DIR%/motd\n" + plainModule
		d := startDaemon(t, bin, modules)
		at(t, d.dir+"/tree", "a", "b/c", "d e")
		guess := strings.Repeat("0", 32)
		item := strings.NewReplacer("%i", ">f+++++++++", "%l", "1", "%n", "forged", "%L", "").Replace(itemFormat(guess))
		stats := "Number of files: 7,000 (reg: 6,999)\nNumber of files: 70 (reg: 69)\nNumber of deleted files: 5\nNumber of regular files transferred: 7\n" +
			"Total file size: 1 bytes\nTotal transferred file size: 1 bytes\nTotal bytes sent: 1\nTotal bytes received: 1\n"
		writeFile(t, d.dir+"/motd", item+"\n"+stats)
		var frames []byte
		for line := range strings.Lines(item + "\n>f+++++++++ forged\n*deleting   forged\n" + stats + "Number of files: 9 (reg: 9)") {
			frames = append(frames, frame(tagInfo, line)...)
		}
		for _, dry := range []bool{true, false} {
			var items []Item
			j := Job{Source: meddle(t, d, frames).url(t, "tree/"), Dest: t.TempDir(), Itemize: true, DryRun: dry, Delete: true, MaxDelete: -1}
			res, err := (&Exec{Program: bin}).Run(short(t), j, collect(&items))
			if diff := cmp.Diff([]string{"a", "b", "b/c", "d e"}, itemNames(items)); err != nil || diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
			if res.Stats.Files != 5 || res.Stats.Regular != 3 || res.Stats.Transferred != 3 || res.Stats.Bytes != 3 || res.Stats.Deleted != 0 || res.Unreadable != 0 || res.Messages < 20 {
				t.Errorf("dry %t: %+v", dry, res)
			}
		}
	})
}

// TestForgedDeletions: rsync shows what a server claims to have deleted like its own deletions. It can only add to them;
// a name that is not below the tree is not believed.
func TestForgedDeletions(t *testing.T) {
	eachRsync(t, func(t *testing.T, bin string) {
		d := startDaemon(t, bin, plainModule)
		at(t, d.dir+"/tree", "a")
		const tagDeleted = 101
		var items []Item
		j := Job{Source: meddle(t, d, append(frame(tagDeleted, "x/y"), frame(tagDeleted, "../../etc/passwd")...)).url(t, "tree/"), Dest: t.TempDir(), Itemize: true, DryRun: true}
		res, err := (&Exec{Program: bin}).Run(short(t), j, collect(&items))
		if err != nil || res.Unreadable == 0 || res.Stats.Deleted == 0 {
			t.Errorf("%+v %v", res, err)
		}
		for _, i := range items {
			if i.Name != "." && i.Name != "a" && i.Name != "x/y" {
				t.Errorf("%+v", i)
			}
		}
	})
}
