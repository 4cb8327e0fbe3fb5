package people

import (
	"bytes"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/cleantext"
)

// MaxFailure is the longest reason of a failure, in runes.
const MaxFailure = 1000

// current reports whether a checkpoint was read since the stored one changed. The revision says it, but for one that was
// forgotten and begun anew in between.
func current(stored, given contacts.Checkpoint) bool {
	return stored.Rev == given.Rev &&
		(stored.Rev == 0 || stored.Run == given.Run && stored.Cursor == given.Cursor && stored.BegunAt.Equal(Time(given.BegunAt)))
}

// SetCheckpoint returns what [contacts.Directory.SetCheckpoint] stores for c.
func SetCheckpoint(stored, c contacts.Checkpoint) (contacts.Checkpoint, error) {
	if err := ValidateSource(c.Tenant, c.Source); err != nil {
		return contacts.Checkpoint{}, err
	}
	switch {
	case len(c.Cursor) > contacts.MaxCursor:
		return contacts.Checkpoint{}, invalid("the cursor has %d bytes, at most %d are allowed", len(c.Cursor), contacts.MaxCursor)
	case c.Failures < 0:
		return contacts.Checkpoint{}, invalid("the number of failures is negative")
	case stored.Rev != c.Rev:
		return contacts.Checkpoint{}, Stale(stored, c)
	}
	c.Run, c.Pages, c.Contacts, c.Rev = stored.Run, stored.Pages, stored.Contacts, stored.Rev+1
	c.BegunAt, c.EndedAt, c.WholeAt, c.DueAt, c.FailedAt = Time(c.BegunAt), Time(c.EndedAt), Time(c.WholeAt), Time(c.DueAt), Time(c.FailedAt)
	c.Failure = cleantext.Line(c.Failure, MaxFailure)
	return c, nil
}

// SetPhoto returns what there is of a picture after p was told of it, without Data where there is none.
func SetPhoto(stored, p contacts.Photo) (contacts.Photo, error) {
	p.CheckedAt = Time(p.CheckedAt)
	if validID(p.Version) != nil && p.Version != "" {
		return contacts.Photo{}, invalid("the version of a picture has at most %d bytes of printable text", mspkit.MaxID)
	}
	if len(p.Data) == 0 {
		if p.Version != "" && p.Version == stored.Version {
			stored.CheckedAt = p.CheckedAt
			return stored, nil
		}
		return contacts.Photo{CheckedAt: p.CheckedAt}, nil
	}
	if len(p.Data) > contacts.MaxPhoto {
		return contacts.Photo{}, invalid("the picture has %d bytes, at most %d are allowed", len(p.Data), contacts.MaxPhoto)
	}
	begin, ok := map[string]string{"image/jpeg": "\xff\xd8\xff", "image/png": "\x89PNG\r\n\x1a\n", "image/gif": "GIF8"}[p.Type]
	if !ok || !bytes.HasPrefix(p.Data, []byte(begin)) {
		return contacts.Photo{}, invalid("the picture is not image/jpeg, image/png or image/gif, or not what its type says")
	}
	p.Data = bytes.Clone(p.Data)
	return p, nil
}

// ValidateConsumer reports a name of a consumer of events that cannot be stored.
func ValidateConsumer(name string) error {
	if validID(name) != nil {
		return invalid("the name of a consumer has 1 to %d bytes of printable text", mspkit.MaxID)
	}
	return nil
}
