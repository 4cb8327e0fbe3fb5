package securesend

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

const (
	// MaxManifest is the longest manifest in bytes of JSON, before it is sealed. Its text is shorter by the names of files.
	MaxManifest = 1 << 20
	// MaxFiles is how many files a send can have, whatever a tenant allows.
	MaxFiles = 1000
)

// Manifest is what a send holds: a text, files, or both.
type Manifest struct {
	Text string `json:"text,omitempty"`
	// Files are in the order in which they are sealed.
	Files []FileInfo `json:"files,omitempty"`
}

// FileInfo is a file as the manifest names it. The server never sees the name.
type FileInfo struct {
	// Name is as [CleanName] leaves it, and no two files of a manifest have the same.
	Name string `json:"name"`
	// Size is in bytes, before sealing.
	Size int64 `json:"size"`
}

// SealManifest returns the manifest, sealed, with the names of its files as [Manifest.Clean] makes them. It must be called
// once for the same keys. It is [ErrInvalid] where there is neither text nor file, the text is not UTF-8, a size is
// negative, or the header does not fit the keys, and [ErrTooLarge] above [MaxManifest], [MaxFiles] or [MaxFileSize].
func (k Keys) SealManifest(context [KeySize]byte, header Header, m Manifest) ([]byte, error) {
	if why := k.fits(header); why != "" {
		return nil, fmt.Errorf("securesend: seal the manifest: %s: %w", why, ErrInvalid)
	}
	if err := m.check(); err != nil {
		return nil, wrap("seal the manifest", err)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(m.Clean()); err != nil {
		return nil, wrap("seal the manifest", err)
	}
	plain := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if len(plain) > MaxManifest {
		return nil, fmt.Errorf("securesend: seal the manifest: it has %d bytes, at most %d are allowed: %w", len(plain), MaxManifest, ErrTooLarge)
	}
	aead, err := k.gcm("securesend/v1/manifest")
	if err != nil {
		return nil, wrap("seal the manifest", err)
	}
	nonce := make([]byte, aead.NonceSize())
	return aead.Seal(nil, nonce, plain, associated("manifest", context, header)), nil //nolint:gosec // the key is derived for this one message
}

// OpenManifest returns what [Keys.SealManifest] sealed for the same context, header and keys. Everything else is
// [ErrEnvelope]. Who sealed it is not trusted with names: they are cleaned again.
func (k Keys) OpenManifest(context [KeySize]byte, header Header, sealed []byte) (Manifest, error) {
	refuse := func(why string) (Manifest, error) {
		return Manifest{}, fmt.Errorf("securesend: open the manifest: %s: %w", why, ErrEnvelope)
	}
	if why := k.fits(header); why != "" {
		return refuse(why)
	}
	if len(sealed) > MaxManifest+Overhead {
		return refuse("it is too long")
	}
	aead, err := k.gcm("securesend/v1/manifest")
	if err != nil {
		return Manifest{}, wrap("open the manifest", err)
	}
	plain, err := aead.Open(nil, make([]byte, aead.NonceSize()), sealed, associated("manifest", context, header))
	if err != nil {
		return refuse("it does not open")
	}
	m, why := parseManifest(plain)
	if why != "" {
		return refuse(why)
	}
	return m, nil
}

// parseManifest reads the JSON that whoever has the link has sealed. It says what is wrong, or nothing, and quotes nothing.
func parseManifest(plain []byte) (m Manifest, why string) {
	if !utf8.Valid(plain) {
		return Manifest{}, "it is not UTF-8"
	}
	dec := json.NewDecoder(bytes.NewReader(plain))
	if err := dec.Decode(&m); err != nil {
		return Manifest{}, "it is not the JSON of a manifest"
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Manifest{}, "something follows its JSON"
	}
	if m.check() != nil {
		return Manifest{}, "its text or files cannot be"
	}
	return m.Clean(), ""
}

// check reports whether m can be sealed.
func (m Manifest) check() error {
	switch {
	case m.Text == "" && len(m.Files) == 0:
		return fmt.Errorf("there is neither a text nor a file: %w", ErrInvalid)
	case !utf8.ValidString(m.Text):
		return fmt.Errorf("the text is not UTF-8: %w", ErrInvalid)
	case len(m.Text) > MaxManifest:
		return fmt.Errorf("the text has %d bytes: %w", len(m.Text), ErrTooLarge)
	case len(m.Files) > MaxFiles:
		return fmt.Errorf("there are %d files, at most %d are allowed: %w", len(m.Files), MaxFiles, ErrTooLarge)
	}
	for i, f := range m.Files {
		if f.Size < 0 {
			return fmt.Errorf("file %d has a negative size: %w", i, ErrInvalid)
		}
		if f.Size > MaxFileSize {
			return fmt.Errorf("file %d has %d bytes, at most %d are allowed: %w", i, f.Size, int64(MaxFileSize), ErrTooLarge)
		}
	}
	return nil
}
