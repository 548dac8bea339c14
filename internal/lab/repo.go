package lab

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"path/filepath"
	"strings"
)

// repo is a package repository within a tree.
type repo struct {
	path     string // "7/os/x86_64"
	arch     string
	packages []rpm
	metadata []string // the files repomd.xml names now, by their paths in the tree
}

// rpm is what the metadata say of a package.
type rpm struct {
	Name, Version, File, SHA256 string
	Size                        int
	Time                        int64
}

// packageNames gives repositories something to hold; a second round of the list is another version.
func packageNames() []string {
	return []string{"bash", "glibc", "kernel", "openssl", "systemd", "python", "rsync", "tzdata", "vim-minimal", "zlib"}
}

// addPackage puts the next package into r.
func (t *Tree) addPackage(r *repo, ts int64) error {
	names := packageNames()
	n := len(r.packages)
	p := rpm{Name: names[n%len(names)], Version: fmt.Sprintf("%d.%d", n/len(names)+1, n), Time: ts}
	p.File = fmt.Sprintf("%s-%s-1.el.%s.rpm", p.Name, p.Version, r.arch)
	data := t.noise(r.path+"/"+p.File, 512+128*(n%9))
	p.Size, p.SHA256 = len(data), fmt.Sprintf("%x", sha256.Sum256(data))
	if err := t.put(r.path+"/Packages/"+p.File, data, ts); err != nil {
		return err
	}
	r.packages = append(r.packages, p)
	return nil
}

// index writes r's metadata: first the new files, then repomd.xml that names them, then the old ones go.
func (t *Tree) index(r *repo, ts int64) error {
	old := r.metadata
	r.metadata = nil
	md := repomd{XMLNS: "http://linux.duke.edu/metadata/repo", RPM: "http://linux.duke.edu/metadata/rpm", Revision: ts}
	for _, kind := range []string{"primary", "filelists", "other"} {
		data, err := t.writeMetadata(r, kind, ts)
		if err != nil {
			return err
		}
		md.Data = append(md.Data, data)
	}
	doc, err := xml.MarshalIndent(md, "", "  ")
	if err != nil {
		return fmt.Errorf("writing repomd.xml: %w", err)
	}
	if err := t.put(r.path+"/repodata/repomd.xml", append([]byte(xml.Header), append(doc, '\n')...), ts); err != nil {
		return err
	}
	for _, path := range old {
		if err := remove(filepath.Join(t.Dir, filepath.FromSlash(path))); err != nil {
			return err
		}
	}
	return nil
}

// repomd and data are repomd.xml, as createrepo_c writes it.
type repomd struct {
	XMLName  xml.Name `xml:"repomd"`
	XMLNS    string   `xml:"xmlns,attr"`
	RPM      string   `xml:"xmlns:rpm,attr"`
	Revision int64    `xml:"revision"`
	Data     []data   `xml:"data"`
}

type data struct {
	Type         string   `xml:"type,attr"`
	Checksum     checksum `xml:"checksum"`
	OpenChecksum checksum `xml:"open-checksum"`
	Location     location `xml:"location"`
	Timestamp    int64    `xml:"timestamp"`
	Size         int      `xml:"size"`
	OpenSize     int      `xml:"open-size"`
}

type checksum struct {
	Type string `xml:"type,attr"`
	Hex  string `xml:",chardata"`
}

type location struct {
	Href string `xml:"href,attr"`
}

func (t *Tree) writeMetadata(r *repo, kind string, ts int64) (data, error) {
	open := []byte(document(r, kind))
	packed, err := pack(open)
	if err != nil {
		return data{}, err
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(packed))
	href := fmt.Sprintf("repodata/%s-%s.xml.gz", sum, kind)
	if err := t.put(r.path+"/"+href, packed, ts); err != nil {
		return data{}, err
	}
	r.metadata = append(r.metadata, r.path+"/"+href)
	return data{
		Type: kind, Checksum: checksum{"sha256", sum}, OpenChecksum: checksum{"sha256", fmt.Sprintf("%x", sha256.Sum256(open))},
		Location: location{href}, Timestamp: ts, Size: len(packed), OpenSize: len(open),
	}, nil
}

// document is the XML of one kind of metadata: every package with name, version, checksum, size and location.
func document(r *repo, kind string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s<%s packages=\"%d\">\n", xml.Header, kind, len(r.packages))
	for _, p := range r.packages {
		fmt.Fprintf(&b, "<package type=\"rpm\"><name>%s</name><arch>%s</arch><version epoch=\"0\" ver=\"%s\" rel=\"1.el\"/>"+
			"<checksum type=\"sha256\" pkgid=\"YES\">%s</checksum><time file=\"%d\"/><size package=\"%d\"/><location href=\"Packages/%s\"/></package>\n",
			p.Name, r.arch, p.Version, p.SHA256, p.Time, p.Size, p.File)
	}
	fmt.Fprintf(&b, "</%s>\n", kind)
	return b.String()
}

func pack(b []byte) ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		return nil, fmt.Errorf("compressing metadata: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("compressing metadata: %w", err)
	}
	return out.Bytes(), nil
}
