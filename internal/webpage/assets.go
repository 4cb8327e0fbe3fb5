package webpage

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit"
)

//go:embed static
var ownStatic embed.FS

// immutable is for addresses that carry a hash of their content.
const immutable = "public, max-age=31536000, immutable"

// defaultBrandKey stands in the logo's address for the brand of the site itself.
const defaultBrandKey = "-"

var assetTypes = map[string]string{
	".css":   "text/css; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".svg":   "image/svg+xml",
	".png":   "image/png",
	".webp":  "image/webp",
	".woff2": "font/woff2",
}

var (
	assetSyntax     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*\.[a-z0-9]+$`)
	generatedSyntax = regexp.MustCompile(`^accent-([0-9a-f]{6})\.([0-9a-f]{16})\.(css|svg)$`)
)

type asset struct {
	content     []byte
	contentType string
}

// assets are the files of a site: hashed name to content, and plain name to hashed name.
type assets struct {
	files map[string]asset
	names map[string]string
}

// loadAssets reads the package's own files and those of a package of pages. Names are flat and unique.
func loadAssets(more fs.FS) (*assets, error) {
	own, err := fs.Sub(ownStatic, "static")
	if err != nil {
		return nil, err
	}
	a := &assets{files: map[string]asset{}, names: map[string]string{}}
	var errs []error
	for _, fsys := range []fs.FS{own, more} {
		if fsys == nil {
			continue
		}
		entries, err := fs.ReadDir(fsys, ".")
		if err != nil {
			return nil, fmt.Errorf("webpage: read assets: %w", err)
		}
		for _, e := range entries {
			name := e.Name()
			contentType := assetTypes[path.Ext(name)]
			_, dup := a.names[name]
			if e.IsDir() || dup || contentType == "" || !assetSyntax.MatchString(name) || strings.HasPrefix(name, "accent-") {
				errs = append(errs, fmt.Errorf("webpage: asset %q: the name is taken or is not that of a css, js, svg, png, webp or woff2 file: %w", name, mspkit.ErrInvalid))
				continue
			}
			content, err := fs.ReadFile(fsys, name)
			if err != nil {
				errs = append(errs, fmt.Errorf("webpage: asset %q: %w", name, err))
				continue
			}
			hashed := strings.TrimSuffix(name, path.Ext(name)) + "." + contentHash(content) + path.Ext(name)
			a.files[hashed] = asset{content, contentType}
			a.names[name] = hashed
		}
	}
	return a, errors.Join(errs...)
}

func contentHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// generated returns the name of a file that is made from an accent colour.
func generated(accent Color, ext string) string {
	return "accent-" + accent.String()[1:] + "." + contentHash(generate(accent, ext)) + "." + ext
}

func generate(accent Color, ext string) []byte {
	if ext == "svg" {
		return accentIcon(accent)
	}
	return accentCSS(accent)
}

func (s *Site) serveAsset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	if f, ok := s.assets.files[name]; ok {
		writeAsset(w, f.contentType, f.content, true)
		return
	}
	if m := generatedSyntax.FindStringSubmatch(name); m != nil {
		accent, err := ParseColor("#" + m[1])
		if err == nil {
			content := generate(accent, m[3])
			// During a rolling update a page may name the other release's file: serve ours, but not for ever.
			writeAsset(w, assetTypes["."+m[3]], content, contentHash(content) == m[2])
			return
		}
	}
	s.Error(w, r, http.StatusNotFound)
}

func (s *Site) serveLogo(w http.ResponseWriter, r *http.Request) {
	logo, err := s.logo(r.Context(), r.PathValue("key"))
	if err != nil {
		s.log.ErrorContext(r.Context(), "webpage: read logo", slog.Any("error", err))
		s.Error(w, r, http.StatusInternalServerError)
		return
	}
	contentType := mspkit.Brand{Logo: logo}.LogoType()
	if contentType == "" || len(logo) > mspkit.MaxLogo {
		s.Error(w, r, http.StatusNotFound)
		return
	}
	writeAsset(w, contentType, logo, contentHash(logo) == r.PathValue("hash"))
}

func (s *Site) logo(ctx context.Context, key string) ([]byte, error) {
	switch {
	case key == defaultBrandKey:
		return s.opts.Brand.Logo, nil
	case s.opts.Logo == nil:
		return nil, nil
	}
	return s.opts.Logo(ctx, key)
}

func writeAsset(w http.ResponseWriter, contentType string, content []byte, cache bool) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(content)))
	if cache {
		h.Set("Cache-Control", immutable)
	}
	_, _ = w.Write(content)
}
