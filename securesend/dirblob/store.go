package dirblob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

// Options are what a store may be told besides its folder; nil is fine.
type Options struct {
	// Region is where the folder's disk is, as the service names regions. The service refuses to use the store for another
	// one. Where it is empty the store does not know.
	Region string
}

// Store keeps parts in a folder. It is safe for concurrent use.
type Store struct {
	root   *os.Root
	region string
	// sync flushes a file or folder; tests count and break it.
	sync func(*os.File) error
}

var (
	_ securesend.BlobStore = (*Store)(nil)
	_ securesend.Regioned  = (*Store)(nil)
)

// New opens the folder dir, and creates it, for the user of the process alone, where only its parent is there. It is an
// error where dir is no folder, where everybody may write to it, and where the process may not. The caller closes the store.
func New(dir string, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	s := &Store{region: o.Region, sync: flush}
	if err := s.open(dir); err != nil {
		return nil, fmt.Errorf("dirblob: new: %w", err)
	}
	return s, nil
}

func (s *Store) open(dir string) error {
	if dir == "" {
		return fmt.Errorf("the folder has no name: %w", mspkit.ErrInvalid)
	}
	if err := s.mkdir(dir); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	s.root = root
	if err := s.usable(dir); err != nil {
		return errors.Join(err, root.Close())
	}
	return nil
}

// mkdir makes sure that dir is a folder.
func (s *Store) mkdir(dir string) error {
	switch fi, err := os.Stat(dir); {
	case err == nil && !fi.IsDir():
		return fmt.Errorf("%s is no folder: %w", dir, mspkit.ErrInvalid)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := os.Mkdir(dir, 0o700); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the folder that %s is to be created in is not there: %w", dir, err)
	} else if err != nil && !errors.Is(err, fs.ErrExist) { // another process may have been faster
		return err
	}
	parent, err := os.Open(filepath.Dir(dir))
	if err != nil {
		return err
	}
	return errors.Join(s.sync(parent), parent.Close())
}

// usable reports whether the folder, which has been opened, is written to by us and not by everybody.
func (s *Store) usable(dir string) error {
	fi, err := s.root.Stat(".")
	if err != nil {
		return err
	}
	if runtime.GOOS != "windows" && fi.Mode().Perm()&0o002 != 0 {
		return fmt.Errorf("everybody may write to %s (mode %04o), and so could delete or swap what is sent: "+
			"give a folder within it that is not there yet, or chmod o-w: %w", dir, fi.Mode().Perm(), mspkit.ErrInvalid)
	}
	probe := probePrefix + rand.Text() + tempSuffix
	f, err := s.root.OpenFile(probe, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = errors.Join(f.Close(), s.root.Remove(probe))
	}
	if err != nil {
		return fmt.Errorf("%s cannot be written to: %w", dir, err)
	}
	return nil
}

// Region returns the region of [Options].
func (s *Store) Region() string { return s.region }

// Close closes the folder. Readers that are open stay usable.
func (s *Store) Close() error {
	if err := s.root.Close(); err != nil {
		return wrap("close", err)
	}
	return nil
}

// check reports whether a verb can begin.
func check(ctx context.Context, named interface{ Validate() error }) error {
	if err := named.Validate(); err != nil {
		return err
	}
	return ctx.Err()
}

// flush puts a file or folder onto the disk. Windows flushes no folders.
func flush(f *os.File) error {
	if runtime.GOOS == "windows" {
		if fi, err := f.Stat(); err == nil && fi.IsDir() {
			return nil
		}
	}
	return f.Sync()
}

// syncDir puts the names in a folder onto the disk.
func (s *Store) syncDir(name string) error {
	f, err := s.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(s.sync(f), f.Close())
}

// readDir returns what is in a folder, nothing where there is none, also where it was removed since it was opened.
func (s *Store) readDir(name string) ([]fs.DirEntry, error) {
	f, err := s.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := f.ReadDir(-1)
	if errors.Is(err, fs.ErrNotExist) {
		entries, err = nil, nil
	}
	return entries, errors.Join(err, f.Close())
}

func wrap(verb string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("dirblob: %s: %w", verb, err)
}
