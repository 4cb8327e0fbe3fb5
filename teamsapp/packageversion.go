package teamsapp

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"image"
	"regexp"
	"strconv"
)

const (
	firstVersion = "1.0.0"
	// maxPart is the largest number in a version: what is larger does not fit where others keep it.
	maxPart = 1<<31 - 1
)

var (
	versionForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,9})\.(0|[1-9][0-9]{0,9})\.(0|[1-9][0-9]{0,9})$`)
	digestForm  = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// check reports what cannot have been returned by NewPackage, nor been an app's version.
func (p Published) check() []error {
	var errs []error
	if p.Version == "" && p.Digest != "" {
		errs = append(errs, fault("PackageOptions.Previous.Version", "", "is missing, but there is a digest: give both as they were returned"))
	}
	if _, ok := versionParts(p.Version); p.Version != "" && !ok {
		errs = append(errs, fault("PackageOptions.Previous.Version", p.Version, fmt.Sprintf("is not of the form 1.2.3 with numbers up to %d", maxPart)))
	}
	if p.Digest != "" && !digestForm.MatchString(p.Digest) {
		errs = append(errs, fault("PackageOptions.Previous.Digest", p.Digest, "is not a digest of 64 hexadecimal digits in lower case: give it as it was returned"))
	}
	return errs
}

func versionParts(v string) (parts [3]int, ok bool) {
	m := versionForm.FindStringSubmatch(v)
	if m == nil {
		return parts, false
	}
	for i := range parts {
		n, err := strconv.Atoi(m[i+1])
		if err != nil || n > maxPart {
			return parts, false
		}
		parts[i] = n
	}
	return parts, parts != [3]int{maxPart, maxPart, maxPart}
}

// next is what is published with a content: the same version if it is the same, otherwise the one after.
func (p Published) next(digest string) Published {
	switch {
	case p.Version == "":
		return Published{firstVersion, digest}
	case p.Digest == digest:
		return p
	}
	v, _ := versionParts(p.Version)
	for i := 2; i >= 0; i-- {
		if v[i] < maxPart {
			v[i]++
			break
		}
		v[i] = 0
	}
	return Published{fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]), digest}
}

// contentDigest names what the package says and shows. It takes the pixels of the icons, not their files, which another
// release of the compressor may write otherwise.
func contentDigest(m manifest, files []file, ic icons) (string, error) {
	m.Version = ""
	j, err := encodeJSON(m)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	add(h, manifestName, j)
	for _, f := range files {
		add(h, f.name, f.data)
	}
	for _, i := range []struct {
		name string
		m    *image.NRGBA
	}{{colorName, ic.color}, {outlineName, ic.outline}} {
		add(h, i.name, i.m.Pix)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func add(h hash.Hash, name string, data []byte) {
	var n [8]byte
	for _, b := range [][]byte{[]byte(name), data} {
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
}
