package webpage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
)

const (
	maxParts  = 512 // fields and files of one form
	maxField  = 128 // bytes of a field's name
	formMedia = "multipart/form-data"
)

// Upload is a file of a form.
type Upload struct {
	// Name is what the browser calls the file: nothing but a hint, written by whoever sent it. It has no folders.
	Name string
	// Size is how long the file is, in bytes.
	Size int64
	// Content is the file, or nil where it is longer than [Route.MaxFile].
	Content []byte
}

type uploadsKey struct{}

// Uploaded returns the file in a field of a form that a route of [UploadKind] has taken. ok is false where none was chosen.
func Uploaded(r *http.Request, field string) (u Upload, ok bool) {
	files, _ := r.Context().Value(uploadsKey{}).(map[string]Upload)
	u, ok = files[field]
	return u, ok
}

// parseUpload reads a form with files. Besides the body's own limit, nothing of a file that is too large stays in memory.
func parseUpload(r *http.Request, route *Route) (_ *http.Request, status int) {
	t, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || t != formMedia || params["boundary"] == "" {
		return r, http.StatusUnsupportedMediaType
	}
	limit := route.MaxFile
	if limit == 0 {
		if limit = route.MaxBody; limit == 0 {
			limit = MaxForm
		}
	}
	form, files := url.Values{}, map[string]Upload{}
	parts := multipart.NewReader(r.Body, params["boundary"])
	for n := 0; ; n++ {
		part, err := parts.NextRawPart()
		if err == io.EOF { //nolint:errorlint // it comes as it is, and only at the end that the boundary says
			break
		}
		if err == nil && n == maxParts {
			err = multipart.ErrMessageTooLarge
		}
		if err == nil {
			err = readPart(part, limit, form, files)
		}
		if err != nil {
			return r, uploadStatus(err)
		}
	}
	r = r.WithContext(context.WithValue(r.Context(), uploadsKey{}, files))
	r.PostForm, r.Form = form, form
	return r, 0
}

var errPart = errors.New("webpage: a part of the form cannot be used")

func readPart(part *multipart.Part, limit int64, form url.Values, files map[string]Upload) error {
	field := part.FormName()
	if field == "" || len(field) > maxField {
		return errPart
	}
	_, params, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition")) // FormName has read it
	if _, isFile := params["filename"]; !isFile {
		value, err := io.ReadAll(part)
		form.Add(field, string(value))
		return err
	}
	var buf bytes.Buffer
	size, err := buf.ReadFrom(io.LimitReader(part, limit+1))
	if err != nil {
		return err
	}
	u := Upload{Name: part.FileName(), Size: size, Content: buf.Bytes()}
	if size > limit {
		u.Content = nil
		buf = bytes.Buffer{}
		rest, err := io.Copy(io.Discard, part)
		if err != nil {
			return err
		}
		u.Size += rest
	}
	if u.Name == "" && u.Size == 0 { // what a browser sends where no file was chosen
		return nil
	}
	if _, twice := files[field]; twice {
		return errPart
	}
	files[field] = u
	return nil
}

func uploadStatus(err error) int {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || errors.Is(err, multipart.ErrMessageTooLarge) {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}
