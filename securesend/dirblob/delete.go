package dirblob

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/mspkit/mspkit/securesend"
)

// Delete implements [securesend.BlobStore]. Uploads to the send that are running fail.
func (s *Store) Delete(ctx context.Context, ref securesend.Ref) error {
	if err := check(ctx, ref); err != nil {
		return wrap("delete", err)
	}
	in := folderOf(ref)
	if err := s.removeAll(ctx, in.dir); err != nil {
		return wrap("delete", err)
	}
	return wrap("delete", s.syncRemoval(in))
}

// removeAll removes a folder and what is in it. An upload that ends meanwhile fills it again; it is removed too.
func (s *Store) removeAll(ctx context.Context, dir string) (err error) {
	for range 100 {
		if err = s.root.RemoveAll(dir); err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
	}
	return err
}

// syncRemoval puts onto the disk that the folder of a send is gone, also where another process has removed it.
func (s *Store) syncRemoval(in folder) error {
	if err := s.syncDir(in.shard); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.tidy(in)
	return s.syncDir(".")
}

// tidy removes folders that are empty. Others may be using them, so a failure is no fault.
func (s *Store) tidy(in folder) {
	_ = s.root.Remove(in.dir)
	_ = s.root.Remove(in.shard)
}

// Clean deletes what uploads left that never ended and wrote nothing since before, and folders that are empty. It returns
// how many files it deleted. An upload that it takes for one of them fails and leaves nothing, so before is better an
// hour ago than a minute. [Store.Delete] deletes the same with each send: only who has little disk needs Clean.
func (s *Store) Clean(ctx context.Context, before time.Time) (int, error) {
	n, err := s.clean(ctx, before)
	return n, wrap("clean", err)
}

func (s *Store) clean(ctx context.Context, before time.Time) (deleted int, err error) {
	shards, err := s.readDir(".")
	if err != nil {
		return 0, err
	}
	if deleted, err = s.cleanIn(".", probePrefix, before); err != nil { // New may have been killed
		return deleted, err
	}
	for _, shard := range shards {
		if !isHex(shard.Name(), 2) {
			continue
		}
		dirs, err := s.readDir(shard.Name())
		if err != nil {
			return deleted, err
		}
		for _, dir := range dirs {
			if err := ctx.Err(); err != nil {
				return deleted, err
			}
			if !isHex(dir.Name(), 62) {
				continue
			}
			in := folder{shard.Name(), filepath.Join(shard.Name(), dir.Name())}
			n, err := s.cleanIn(in.dir, "", before)
			deleted += n
			if err != nil {
				return deleted, err
			}
			s.tidy(in)
		}
		_ = s.root.Remove(shard.Name())
	}
	return deleted, nil
}

// cleanIn deletes the temporary files in one folder whose names have the prefix and that nobody wrote to since before.
func (s *Store) cleanIn(dir, prefix string, before time.Time) (deleted int, err error) {
	entries, err := s.readDir(dir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) || !strings.HasSuffix(e.Name(), tempSuffix) {
			continue
		}
		name := filepath.Join(dir, e.Name())
		fi, err := s.root.Lstat(name)
		if err == nil && (!fi.Mode().IsRegular() || !fi.ModTime().Before(before)) {
			continue
		}
		if err == nil {
			err = s.root.Remove(name)
		}
		switch {
		case err == nil:
			deleted++
		case !errors.Is(err, fs.ErrNotExist):
			return deleted, err
		}
	}
	return deleted, nil
}
