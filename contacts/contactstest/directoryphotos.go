package contactstest

import (
	"fmt"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
)

var photoParts = []directoryPart{
	{"A picture is kept, replaced and removed", photosKept},
	{"What is no picture is refused", photosRefused},
	{"Pictures are due by when they were looked at", photosDue},
}

func picture(version string, at time.Time) contacts.Photo {
	return contacts.Photo{Type: "image/png", Data: []byte("\x89PNG\r\n\x1a\n" + version), Version: version, CheckedAt: at}
}

func photosKept(d *directory) {
	ctx := d.Context()
	d.whole("entra", someone("1", "Dana"), someone("2", "Omar"))
	id, other := d.by("entra", "1").ID, d.by("entra", "2").ID
	none := func(id, what string) {
		d.Helper()
		_, err := d.Photo(ctx, contoso, id)
		d.is(err, contacts.ErrNotFound, what)
	}
	has := func(want contacts.Photo, what string) {
		d.Helper()
		got, err := d.both[1].Photo(ctx, contoso, id)
		d.ok(err)
		d.equal(got, want, what)
	}
	none(id, "no picture")
	none("nobody", "nobody's picture")
	first := picture("1", d.now)
	d.ok(d.setPhoto(id, first))
	has(first, "a picture")
	first.Data[8] = 'x' // ours, not the directory's
	first = picture("1", d.now)
	has(first, "a picture whose bytes the caller has changed")
	d.pass(day)
	first.CheckedAt = d.now
	d.ok(d.setPhoto(id, contacts.Photo{Version: "1", CheckedAt: d.now}))
	has(first, "the same version without data")
	second := picture("2", d.now)
	second.Type, second.Data = "image/jpeg", []byte("\xff\xd8\xff\xe0")
	d.ok(d.setPhoto(id, second))
	has(second, "another picture")
	d.ok(d.setPhoto(id, contacts.Photo{Version: "3", CheckedAt: d.now}))
	none(id, "another version without data")
	d.ok(d.setPhoto(id, picture("3", d.now)))
	d.ok(d.setPhoto(id, contacts.Photo{CheckedAt: d.now}))
	none(id, "no version and no data")
	d.ok(d.setPhoto(other, picture("o", d.now)))
	none(id, "after somebody else has one")
	_, err := d.Photo(ctx, fabrikam, other)
	d.is(err, contacts.ErrNotFound, "in another tenant")
	d.whole("psa", someone("p", "Omar of the ticket system"))
	joined := d.by("psa", "p").ID
	d.ok(d.Link(ctx, contoso, joined, other, "joe", d.now))
	none(other, "of who is no contact any more")
	d.counts(d.delta("entra", someone("1", "Dana")), 0, 0, 0, 1, "a page after pictures")
}

func (d *directory) setPhoto(id string, p contacts.Photo) error {
	return d.SetPhotos(d.Context(), contoso, map[string]contacts.Photo{id: p})
}

func photosRefused(d *directory) {
	ctx := d.Context()
	d.whole("entra", someone("1", "Dana"))
	id := d.by("entra", "1").ID
	for name, change := range map[string]func(*contacts.Photo){
		"no type":       func(p *contacts.Photo) { p.Type = "" },
		"a drawing":     func(p *contacts.Photo) { p.Type, p.Data = "image/svg+xml", []byte("<svg onload=alert(1)>") },
		"a page":        func(p *contacts.Photo) { p.Data = []byte("<html><script>") },
		"another type":  func(p *contacts.Photo) { p.Type = "image/jpeg" },
		"too much":      func(p *contacts.Photo) { p.Data = append(p.Data, make([]byte, contacts.MaxPhoto)...) },
		"a version":     func(p *contacts.Photo) { p.Version = "\x00" },
		"long versions": func(p *contacts.Photo) { p.Version = strings.Repeat("x", 10_000) },
	} {
		p := picture("1", d.now)
		change(&p)
		d.is(d.setPhoto(id, p), mspkit.ErrInvalid, name)
		_, err := d.Photo(ctx, contoso, id)
		d.is(err, contacts.ErrNotFound, name)
	}
	d.ok(d.setPhoto("nobody", picture("1", d.now)))
	_, err := d.Photo(ctx, contoso, "nobody")
	d.is(err, contacts.ErrNotFound, "nobody's picture")
	bad := picture("2", d.now)
	bad.Type = ""
	d.is(d.SetPhotos(ctx, contoso, map[string]contacts.Photo{id: picture("1", d.now), "nobody": bad}), mspkit.ErrInvalid, "one of two")
	_, err = d.Photo(ctx, contoso, id)
	d.is(err, contacts.ErrNotFound, "the other one of the two")
	d.is(d.SetPhotos(ctx, "", map[string]contacts.Photo{id: picture("1", d.now)}), mspkit.ErrInvalid, "no tenant")
	d.ok(d.SetPhotos(ctx, contoso, nil))
	large := picture("1", d.now)
	large.Data = append(large.Data, make([]byte, contacts.MaxPhoto-len(large.Data))...)
	d.ok(d.setPhoto(id, large))
}

func photosDue(d *directory) {
	ctx := d.Context()
	d.whole("entra", someone("1", "Dana"), someone("2", "Omar"), someone("3", "Ann"), off(someone("4", "Left")), someone("5", "Jo"))
	d.whole("psa", someone("p", "At the other source"))
	d.gone("entra", "5")
	due := func(before time.Time, limit int) string {
		d.Helper()
		list, err := d.both[1].PhotosDue(ctx, contoso, "entra", before, limit)
		d.ok(err)
		var out []string
		for _, p := range list {
			if c := d.by("entra", p.SourceID); c.ID != p.ID {
				d.Fatalf("the picture of %s %s is due", p.SourceID, p.ID)
			}
			out = append(out, p.SourceID+p.Version)
		}
		return strings.Join(out, " ")
	}
	set := func(source, version string, at time.Time) {
		d.Helper()
		p := picture(version, at)
		if version == "" {
			p = contacts.Photo{CheckedAt: at}
		}
		d.ok(d.setPhoto(d.by("entra", source).ID, p))
	}
	d.equal(len(strings.Fields(due(d.now, 0))), 3, "all who are there")
	d.equal(len(strings.Fields(due(d.now, 2))), 2, "a limit")
	set("1", "v1", d.now)
	set("2", "", d.now.Add(-time.Hour))
	d.equal(due(d.now.Add(-2*time.Hour), 0), "3", "who was never looked at")
	d.equal(due(d.now, 0), "3 2", "not looked at since an hour")
	d.equal(due(d.now.Add(time.Second), 0), "3 2 1v1", "not looked at now, the longest time ago first")
	list, err := d.PhotosDue(ctx, fabrikam, "entra", d.now, 0)
	d.ok(err)
	d.equal(len(list), 0, "another tenant")
	for _, limit := range []int{-1, 1001} {
		_, err := d.PhotosDue(ctx, contoso, "entra", d.now, limit)
		d.is(err, mspkit.ErrInvalid, fmt.Sprintf("a limit of %d", limit))
	}
	_, err = d.PhotosDue(ctx, contoso, "", d.now, 0)
	d.is(err, mspkit.ErrInvalid, "no source")
}
