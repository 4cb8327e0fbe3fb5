package cloudblob

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"gocloud.dev/blob"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

// Options are what a store may be told besides its bucket; nil is fine.
type Options struct {
	// Region is where the bucket is, as the service names regions. The service refuses to use the store for another one.
	// Where it is empty the store does not know.
	Region string
	// Prefix begins the names of all objects, for buckets that are shared: "sends/". It is at most 200 bytes of printable
	// UTF-8, does not begin with a slash, and has no empty element, "." or "..".
	Prefix string
}

// Store keeps parts in a bucket. It is safe for concurrent use.
type Store struct {
	bucket         *blob.Bucket
	region, prefix string
}

var (
	_ securesend.BlobStore = (*Store)(nil)
	_ securesend.Regioned  = (*Store)(nil)
)

// New returns a store on a bucket, which the caller has opened and closes when nobody uses the store any more. It asks the
// bucket nothing: bucket.IsAccessible tells whether it is there.
func New(bucket *blob.Bucket, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	var errs []error
	if bucket == nil {
		errs = append(errs, fmt.Errorf("there is no bucket: %w", mspkit.ErrInvalid))
	}
	errs = append(errs, checkPrefix(o.Prefix))
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("cloudblob: new: %w", err)
	}
	return &Store{bucket: bucket, region: o.Region, prefix: o.Prefix}, nil
}

// Region returns the region of [Options].
func (s *Store) Region() string { return s.region }

// maxPrefix leaves room for our own part of a name: storages allow 1024 bytes.
const maxPrefix = 200

func checkPrefix(p string) error {
	switch {
	case p == "":
		return nil
	case len(p) > maxPrefix:
		return fmt.Errorf("the prefix has %d bytes, at most %d are allowed: %w", len(p), maxPrefix, mspkit.ErrInvalid)
	case !utf8.ValidString(p) || strings.ContainsFunc(p, func(r rune) bool { return !unicode.IsPrint(r) || r == '\\' }):
		return fmt.Errorf("the prefix is not printable text without backslashes: %w", mspkit.ErrInvalid)
	case path.Clean("/"+p) != strings.TrimSuffix("/"+p, "/") || p == "/":
		return fmt.Errorf("the prefix begins with a slash or has an element that is empty, . or ..: %w", mspkit.ErrInvalid)
	}
	return nil
}

// folder begins the names of all parts of a send. The hash differs for different refs and fits every storage.
func (s *Store) folder(r securesend.Ref) string {
	h := sha256.New()
	var size [8]byte // before the tenant, so that no other pair is the same text
	binary.BigEndian.PutUint64(size[:], uint64(len(r.Tenant)))
	h.Write(size[:])
	h.Write([]byte(r.Tenant))
	h.Write([]byte(r.ID))
	return s.prefix + hex.EncodeToString(h.Sum(nil)) + "/"
}

func (s *Store) key(p securesend.Part) string { return s.folder(p.Ref) + stem(p.File, p.N) }

func stem(file, n int) string { return strconv.Itoa(file) + "-" + strconv.Itoa(n) }

// parse undoes stem; ok is false for every other name.
func parse(name string) (file, n int, ok bool) {
	a, b, _ := strings.Cut(name, "-")
	file, err := strconv.Atoi(a)
	if err != nil {
		return 0, 0, false
	}
	n, err = strconv.Atoi(b)
	return file, n, err == nil && file >= 0 && n >= 0 && stem(file, n) == name
}

func wrap(verb string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cloudblob: %s: %w", verb, err)
}
