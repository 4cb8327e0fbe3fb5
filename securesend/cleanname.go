package securesend

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mspkit/mspkit/internal/cleantext"
)

const (
	maxFileName  = 120 // bytes
	maxExtension = 20  // bytes; what is longer behind a dot is no extension
	maxNameInput = 1024
)

// CleanName returns a name under which a file can be saved on any system, whatever s is: one element of a path, of at most
// 120 bytes, without control, bidi and invisible characters and without those that Windows refuses, that does not begin with
// a dot, does not end with a dot or space, and is no name of a device. The extension is kept. Of nothing it makes "file".
// Applying it twice changes nothing more.
func CleanName(s string) string {
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	if len(s) > maxNameInput {
		s = s[:maxNameInput/2] + s[len(s)-maxNameInput/2:] // half characters are dropped below
	}
	s = cleantext.Line(s, maxNameInput)
	s = strings.Map(func(r rune) rune {
		// Slashes were look-alikes before.
		if strings.ContainsRune(`<>:"|?*/\`, r) {
			return '_'
		}
		return r
	}, s)
	s = strings.TrimRight(strings.TrimLeft(s, ". "), ". ")
	if reserved(s) {
		s = "_" + s
	}
	s = fit(s, "")
	if s == "" {
		return "file"
	}
	return s
}

// reserved reports whether Windows takes s for a device, with whatever extension.
func reserved(s string) bool {
	stem, _, _ := strings.Cut(s, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	digit, ok := strings.CutPrefix(stem, "COM")
	if !ok {
		digit, ok = strings.CutPrefix(stem, "LPT")
	}
	if !ok {
		return false
	}
	switch digit {
	case "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³":
		return true
	}
	return false
}

// fit returns s with mark before its extension, shortened before it where that is too long.
func fit(s, mark string) string {
	stem, ext := s, ""
	if i := strings.LastIndexByte(s, '.'); i > 0 && len(s)-i <= maxExtension {
		stem, ext = s[:i], s[i:]
	}
	if room := maxFileName - len(mark) - len(ext); len(stem) > room {
		for room > 0 && !utf8.RuneStart(stem[room]) {
			room--
		}
		stem = strings.TrimRight(stem[:room], ". ")
	}
	return stem + mark + ext
}

// Clean returns m with names as [CleanName] makes them; those of later files that are there already, in capitals or not, get
// a number: "report (2).pdf".
func (m Manifest) Clean() Manifest {
	files := m.Files
	m.Files = nil
	taken := make(map[string]bool, len(files))
	numbers := make(map[string]int, len(files))
	for _, f := range files {
		name := CleanName(f.Name)
		first := strings.ToLower(name)
		for n := max(2, numbers[first]); taken[strings.ToLower(name)]; n++ {
			name = fit(CleanName(f.Name), " ("+strconv.Itoa(n)+")")
			numbers[first] = n + 1
		}
		taken[strings.ToLower(name)] = true
		m.Files = append(m.Files, FileInfo{Name: name, Size: f.Size})
	}
	return m
}
