package graphcontacts_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/graphcontacts"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/internal/graphx"
)

func pixels(t *testing.T, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, image.NewGray(image.Rect(0, 0, n, n))))
	return b.Bytes()
}

func due(ids ...string) []contacts.PhotoDue {
	out := make([]contacts.PhotoDue, len(ids))
	for i, id := range ids {
		out[i] = contacts.PhotoDue{ID: fmt.Sprint("c", i), SourceID: id}
	}
	return out
}

func TestPhotos(t *testing.T) {
	t.Parallel()
	w := newWorld(t, graphfake.Options{})
	with := w.contoso.Put(graphfake.User{DisplayName: "With", Photo: pixels(t, 8)})
	bare := w.contoso.Put(graphfake.User{DisplayName: "Bare"})
	dot := w.contoso.Put(graphfake.User{DisplayName: "Dot", Photo: pixels(t, 1)})
	large := w.contoso.Put(graphfake.User{DisplayName: "Large", Photo: append(pixels(t, 8), make([]byte, graphcontacts.MaxPhoto)...)})
	script := w.contoso.Put(graphfake.User{DisplayName: "Script", Photo: []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`)})
	s, err := graphcontacts.NewPhotos(w.creds, w.options(graphcontacts.Options{}))
	require.NoError(t, err)

	list := due(bare, with, "00000000-0000-4000-8000-000000000001", "nobody's id", strings.ToUpper(with), dot, large, script)
	got, err := s.FetchPhotos(t.Context(), "contoso", list)
	require.NoError(t, err)
	require.Len(t, got, len(list))
	for _, i := range []int{0, 2, 3, 5} {
		require.Zero(t, got[i], "%d has none", i)
	}
	for _, i := range []int{1, 4} {
		require.Equal(t, "image/png", got[i].Type)
		require.Equal(t, pixels(t, 8), got[i].Data)
		require.Equal(t, start, got[i].CheckedAt)
		require.NotEmpty(t, got[i].Version)
	}
	for _, i := range []int{6, 7} {
		require.Empty(t, got[i].Data)
		require.Empty(t, got[i].Type)
		require.NotEmpty(t, got[i].Version, "so that it is not fetched again")
	}

	// The same version again costs one request and brings no picture.
	w.Forget()
	again := due(with)
	again[0].Version = got[1].Version
	same, err := s.FetchPhotos(t.Context(), "contoso", again)
	require.NoError(t, err)
	require.Equal(t, []contacts.Photo{{Version: got[1].Version, CheckedAt: start}}, same)
	require.Len(t, w.Requests(), 1)

	w.contoso.Update(with, func(u *graphfake.User) { u.Photo = pixels(t, 9) })
	changed, err := s.FetchPhotos(t.Context(), "contoso", again)
	require.NoError(t, err)
	require.Equal(t, pixels(t, 9), changed[0].Data)
	require.NotEqual(t, got[1].Version, changed[0].Version)

	w.contoso.Update(with, func(u *graphfake.User) { u.Photo = nil })
	gone, err := s.FetchPhotos(t.Context(), "contoso", again)
	require.NoError(t, err)
	require.Equal(t, []contacts.Photo{{}}, gone)

	// Another size is another picture.
	w.contoso.Update(with, func(u *graphfake.User) { u.Photo = pixels(t, 8) })
	big, err := graphcontacts.NewPhotos(w.creds, w.options(graphcontacts.Options{PhotoSize: 648}))
	require.NoError(t, err)
	other, err := big.FetchPhotos(t.Context(), "contoso", again)
	require.NoError(t, err)
	require.NotEmpty(t, other[0].Data)
}

func TestManyPhotos(t *testing.T) {
	t.Parallel()
	w := newWorld(t, graphfake.Options{})
	var ids []string
	for i := range 47 {
		ids = append(ids, w.contoso.Put(graphfake.User{DisplayName: strconv.Itoa(i), Photo: pixels(t, i+2)}))
	}
	s, err := graphcontacts.NewPhotos(w.creds, w.options(graphcontacts.Options{}))
	require.NoError(t, err)
	got, err := s.FetchPhotos(t.Context(), "contoso", due(ids...))
	require.NoError(t, err)
	for i := range ids {
		require.Equal(t, pixels(t, i+2), got[i].Data)
	}
	empty, err := s.FetchPhotos(t.Context(), "contoso", nil)
	require.NoError(t, err)
	require.Empty(t, empty)
}

func TestPhotoFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t, graphfake.Options{})
	id := w.contoso.Put(graphfake.User{DisplayName: "With", Photo: pixels(t, 8)})
	s, err := graphcontacts.NewPhotos(w.creds, w.options(graphcontacts.Options{}))
	require.NoError(t, err)
	w.SetFault(func(*http.Request) *graphfake.Fault {
		return &graphfake.Fault{Body: `{"responses":[{"id":"1","status":403,"body":{"error":{"code":"ErrorAccessDenied","message":"x"}}}]}`}
	})
	_, err = s.FetchPhotos(t.Context(), "contoso", due(id))
	require.ErrorIs(t, err, graphx.ErrDenied)
	require.Contains(t, graphcontacts.Explain(err), "ProfilePhoto.Read.All")

	// It has been removed between the two questions.
	n := 0
	w.SetFault(func(*http.Request) *graphfake.Fault {
		if n++; n == 1 {
			return nil
		}
		return &graphfake.Fault{Body: `{"responses":[{"id":"1","status":404,"body":{"error":{"code":"ImageNotFound","message":"x"}}}]}`}
	})
	got, err := s.FetchPhotos(t.Context(), "contoso", due(id))
	require.NoError(t, err)
	require.Equal(t, []contacts.Photo{{}}, got)

	// The picture is not text in base64.
	n = 0
	w.SetFault(func(*http.Request) *graphfake.Fault {
		if n++; n == 1 {
			return nil
		}
		return &graphfake.Fault{Body: `{"responses":[{"id":"1","status":200,"body":{"value":"` + base64.StdEncoding.EncodeToString(pixels(t, 8)) + `"}}]}`}
	})
	got, err = s.FetchPhotos(t.Context(), "contoso", due(id))
	require.NoError(t, err)
	require.Empty(t, got[0].Data)

	w.SetFault(nil)
	_, err = s.FetchPhotos(t.Context(), "nobody", due(id))
	require.ErrorIs(t, err, contacts.ErrTenant)
	_, err = s.FetchPhotos(t.Context(), "", due(id))
	require.Error(t, err)
}

// One mailbox that is broken does not keep everybody else from their pictures.
func TestAPhotoThatCannotBeReadIsKept(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]graphfake.Fault{
		"broken": {Status: 500, Code: "ErrorInternalServerError"}, "refused": {Status: 403, Code: "ErrorAccessDenied"}, "odd": {Status: 400, Code: "ErrorNew"},
	} {
		w := newWorld(t, graphfake.Options{})
		var ids []string
		for i := range 3 {
			ids = append(ids, w.contoso.Put(graphfake.User{DisplayName: strconv.Itoa(i), Photo: pixels(t, i+2)}))
		}
		s, err := graphcontacts.NewPhotos(w.creds, w.options(graphcontacts.Options{}))
		require.NoError(t, err)
		list := due(ids...)
		list[0].Version, list[1].Version = "120-old", "120-old"
		w.SetFault(func(r *http.Request) *graphfake.Fault {
			if strings.HasSuffix(r.URL.Path, ids[0]+"/photo") || strings.Contains(r.URL.Path, ids[1]+"/photos/") {
				return &fault
			}
			return nil
		})
		got, err := s.FetchPhotos(t.Context(), "contoso", list)
		require.NoError(t, err, name)
		kept := contacts.Photo{Version: "120-old", CheckedAt: start}
		require.Equal(t, kept, got[0], name)
		require.Equal(t, kept, got[1], "%s: what is new cannot be read, and comes next time", name)
		require.Equal(t, pixels(t, 4), got[2].Data, name)
		list[2].Version = got[2].Version
		got, err = s.FetchPhotos(t.Context(), "contoso", list)
		require.NoError(t, err, "%s: the only one that is new", name)
		require.Equal(t, kept, got[1], name)
		w.SetFault(func(r *http.Request) *graphfake.Fault {
			if strings.HasSuffix(r.URL.Path, "/photo") {
				return &fault
			}
			return nil
		})
		_, err = s.FetchPhotos(t.Context(), "contoso", list)
		require.Error(t, err, "%s for all: that is not about one mailbox", name)
	}
}
