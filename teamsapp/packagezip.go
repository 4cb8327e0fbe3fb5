package teamsapp

import (
	"archive/zip"
	"bytes"
	"hash/crc32"
)

const (
	manifestName = "manifest.json"
	colorName    = "color.png"
	outlineName  = "outline.png"

	zipDay = 1<<5 | 1 // 1 January 1980, the first day that a zip can name
)

// file is one file of the package.
type file struct {
	name string
	data []byte
}

// zipFiles puts the files at the root of an archive, in their order. Nothing in it depends on the clock, the machine or
// the release of the compressor: the files are stored as they are (the icons are compressed already), with sizes and sums
// before them, because some readers take no stored file whose size comes after it.
func zipFiles(files []file) ([]byte, error) {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, f := range files {
		n := uint64(len(f.data))
		h := &zip.FileHeader{Name: f.name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(f.data), CompressedSize64: n, UncompressedSize64: n}
		h.ModifiedDate = zipDay //nolint:staticcheck // Modified would add a field with the time zone, and is not read by CreateRaw
		w, err := z.CreateRaw(h)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return buf.Bytes(), err
}
