package dirblob

import (
	"os"
	"path/filepath"

	"github.com/mspkit/mspkit/securesend"
)

// OnSync calls f before each flush, and fails the flush where f fails.
func (s *Store) OnSync(f func(name string) error) {
	s.sync = func(file *os.File) error {
		if err := f(file.Name()); err != nil {
			return err
		}
		return flush(file)
	}
}

// Names returns where the parts of a send are, below the folder of the store.
func Names(r securesend.Ref) (shard, dir string) {
	in := folderOf(r)
	return in.shard, filepath.ToSlash(in.dir)
}

// PartName and ParsePart are the two ways of the name of a part.
func PartName(file, n int) string { return stem(file, n) + partSuffix }

var ParsePart = parsePart
