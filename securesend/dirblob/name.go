package dirblob

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit/securesend"
)

const (
	partSuffix  = ".part"
	tempSuffix  = ".tmp"
	probePrefix = "probe." // of the file by which New finds out whether it may write
)

// folder is where the parts of a send are.
type folder struct {
	// shard is one of 256 folders below the root; dir is in it.
	shard, dir string
}

// folderOf makes names of a ref by a hash: they fit every file system, and none leads out of the store.
func folderOf(r securesend.Ref) folder {
	h := sha256.New()
	var size [8]byte // before the tenant, so that no other pair is the same text
	binary.BigEndian.PutUint64(size[:], uint64(len(r.Tenant)))
	h.Write(size[:])
	h.Write([]byte(r.Tenant))
	h.Write([]byte(r.ID))
	name := hex.EncodeToString(h.Sum(nil))
	return folder{shard: name[:2], dir: filepath.Join(name[:2], name[2:])}
}

// isHex reports whether name is n digits as folderOf makes them.
func isHex(name string, n int) bool {
	return len(name) == n && strings.Trim(name, "0123456789abcdef") == ""
}

// stem is the name of a part without its suffix.
func stem(file, n int) string { return strconv.Itoa(file) + "-" + strconv.Itoa(n) }

// parsePart undoes stem and partSuffix; ok is false for every other name.
func parsePart(name string) (file, n int, ok bool) {
	a, b, found := strings.Cut(strings.TrimSuffix(name, partSuffix), "-")
	if !found {
		return 0, 0, false
	}
	file, err := strconv.Atoi(a)
	if err != nil {
		return 0, 0, false
	}
	n, err = strconv.Atoi(b)
	if err != nil || file < 0 || n < 0 || stem(file, n)+partSuffix != name {
		return 0, 0, false
	}
	return file, n, true
}
