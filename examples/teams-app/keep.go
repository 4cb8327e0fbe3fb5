package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unicode"

	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/brandpage"
)

// brandFile is a brand as JSON.
type brandFile struct {
	Key      string `json:"key"`
	BotID    string `json:"botID"`
	GraphID  string `json:"graphID,omitempty"`
	Language string `json:"language"`
	texts
	More             []translation `json:"more,omitempty"`
	Accent           string        `json:"accent"`
	Logo             string        `json:"logo"` // a file beside
	Developer        developer     `json:"developer"`
	Domains          []string      `json:"domains,omitempty"`
	NotificationOnly bool          `json:"notificationOnly,omitempty"`
}

type texts struct {
	ShortName   string `json:"shortName"`
	FullName    string `json:"fullName,omitempty"`
	Summary     string `json:"summary"`
	Description string `json:"description"`
}

type translation struct {
	Language string `json:"language"`
	texts
}

type developer struct {
	Name    string `json:"name"`
	Website string `json:"website"`
	Privacy string `json:"privacy"`
	Terms   string `json:"terms"`
}

type publishedFile struct {
	Version string `json:"version"`
	Digest  string `json:"digest"`
}

// fieldInFile returns the name that a field of a brand has in the file: "More[0].ShortName" is more[0].shortName.
func fieldInFile(field string) string {
	parts := strings.Split(field, ".")
	for i, p := range parts {
		parts[i] = string(unicode.ToLower(rune(p[0]))) + p[1:]
	}
	return strings.Join(parts, ".")
}

// keeper keeps one app: in the file path and beside it, or in memory alone where path is empty.
type keeper struct {
	path  string
	mu    sync.Mutex
	state brandpage.State
}

func (k *keeper) current(*http.Request) (brandpage.State, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state, nil
}

// save keeps what the page has packaged, unless something else was packaged since the page was asked.
func (k *keeper) save(_ *http.Request, was teamsapp.Published, s brandpage.State) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if was != k.state.Published {
		return brandpage.ErrConflict
	}
	if k.path != "" {
		logo := ""
		if len(s.Brand.Logo) > 0 {
			logo = strings.TrimSuffix(filepath.Base(k.path), ".json") + ".logo.png"
			if err := write(filepath.Join(filepath.Dir(k.path), logo), s.Brand.Logo); err != nil {
				return err
			}
		}
		if err := writeJSON(k.path, toFile(s.Brand, logo)); err != nil {
			return err
		}
		if err := k.savePublished(s.Published); err != nil {
			return err
		}
	}
	k.state = s
	return nil
}

// load reads the brand with its logo and what was packaged last; without a path it is the sample.
func (k *keeper) load(logo string) (brandpage.State, error) {
	if k.path == "" {
		b, err := sampleBrand()
		return brandpage.State{Brand: b}, err
	}
	var f brandFile
	if err := readJSON(k.path, &f); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("there is no brand in %s; -sample . writes one to begin with", k.path)
		}
		return brandpage.State{}, err
	}
	if logo == "" && f.Logo != "" {
		logo = filepath.Join(filepath.Dir(k.path), filepath.FromSlash(f.Logo))
	}
	s := brandpage.State{Brand: f.brand()}
	var err error
	if logo != "" {
		if s.Brand.Logo, err = readLogo(logo); err != nil {
			return s, err
		}
	}
	var p publishedFile
	if err = readJSON(publishedPath(k.path), &p); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	s.Published = teamsapp.Published(p)
	return s, err
}

// readLogo reads no more than a logo may have, and one byte so that NewPackage can say that it is too large.
func readLogo(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > teamsapp.DefaultMaxLogo {
		return nil, fmt.Errorf("the logo %s has %d bytes, at most %d are allowed", path, info.Size(), teamsapp.DefaultMaxLogo)
	}
	return os.ReadFile(path) //nolint:gosec // the user names it
}

// publishedPath is beside the file of the brand.
func publishedPath(brand string) string {
	return strings.TrimSuffix(brand, ".json") + ".published.json"
}

func (k *keeper) savePublished(p teamsapp.Published) error {
	return writeJSON(publishedPath(k.path), publishedFile(p))
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path) //nolint:gosec // the user names it
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // a field that is misspelt would be missing without a word
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%s cannot be read: %w", path, err)
	}
	return nil
}

func writeJSON(path string, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	return write(path, b.Bytes())
}

// write replaces a file as a whole: nobody meets half of one.
func write(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".teams-app-")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func (f brandFile) brand() teamsapp.Brand {
	b := teamsapp.Brand{
		Key: f.Key, BotID: f.BotID, GraphID: f.GraphID, Texts: teamsapp.Texts(f.texts), Language: f.Language, Accent: f.Accent,
		Developer: teamsapp.Developer(f.Developer), Domains: f.Domains, NotificationOnly: f.NotificationOnly,
	}
	for _, t := range f.More {
		b.More = append(b.More, teamsapp.Translation{Language: t.Language, Texts: teamsapp.Texts(t.texts)})
	}
	return b
}

func toFile(b teamsapp.Brand, logo string) brandFile {
	f := brandFile{
		Key: b.Key, BotID: b.BotID, GraphID: b.GraphID, texts: texts(b.Texts), Language: b.Language, Accent: b.Accent, Logo: logo,
		Developer: developer(b.Developer), Domains: b.Domains, NotificationOnly: b.NotificationOnly,
	}
	for _, t := range b.More {
		f.More = append(f.More, translation{Language: t.Language, texts: texts(t.Texts)})
	}
	return f
}
