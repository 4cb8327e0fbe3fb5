package teamsapp

import (
	"bytes"
	"cmp"
	"errors"
	"image"
	"image/png"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// Brand is what an MSP's app in Teams looks like and says. [Limits] lists how long each text may be.
type Brand struct {
	// Key names the MSP, for example its id in the host's database: 1 to 128 bytes. The id of the app is made of it and
	// BotID ([PackageID]), so it must never change.
	Key string
	// BotID is the app id of the bot's Entra application, a GUID.
	BotID string
	// GraphID is the app id of the Entra application that installs the app by Microsoft Graph; empty is BotID. Its
	// permissions "…SelfForUser" reach only apps that name it
	// (https://learn.microsoft.com/microsoftteams/platform/graph-api/proactive-bots-and-messages/graph-proactive-bots-and-messages).
	GraphID string
	// Texts are those of the language Language.
	Texts
	// Language is the tag of the Texts, such as "en" or "pt-br"; empty is "en".
	Language string
	// More are the same texts in further languages, in any order.
	More []Translation
	// Accent is the background of the icons in Teams, as #RRGGBB; empty is [DefaultAccent].
	Accent string
	// Logo is a picture as PNG, JPEG, GIF or WebP, of any size up to the limits of [PackageOptions]. What does not move
	// is wanted: animations are refused, and SVG, which can carry script. Without one the icons show a headset.
	Logo []byte
	// Developer is who stands behind the app.
	Developer Developer
	// Domains are hosts that the app's links lead to, such as "verify.contoso.example" or "*.contoso.example"; none is
	// needed for cards.
	Domains []string
	// NotificationOnly hides the field to write in: people can press buttons only.
	NotificationOnly bool
}

// Texts are the texts of an app in one language. White space around a text does not count, a line break counts as one
// character.
type Texts struct {
	// ShortName is the app's name, at most 30 characters. FullName may be empty, or say more in at most 100; a translation
	// has one only if the first language has.
	ShortName, FullName string
	// Summary has at most 80 characters. Description says something else, in at most 4,000 with line breaks and tabs.
	Summary, Description string
}

// Translation is the texts in one more language.
type Translation struct {
	// Language is a BCP 47 tag, such as "de" or "pt-BR".
	Language string
	Texts
}

// Developer is who stands behind an app. All are required.
type Developer struct {
	// Name has at most 32 characters.
	Name string
	// Website, Privacy and Terms are https URLs of at most 2,048 bytes, in ASCII.
	Website, Privacy, Terms string
}

// Published is what was packaged last: the host keeps it, so that the version rises only with the content.
type Published struct {
	// Version is of the form 1.2.3.
	Version string
	// Digest names the content, whatever its version: 64 hexadecimal digits. Empty says that the content is not known,
	// as with an app that was made by hand, and raises the version.
	Digest string
}

// PackageOptions are the settings of [NewPackage]. Nil and the zero value are fine.
type PackageOptions struct {
	// Schema is the version of the manifest's schema, such as "1.22"; empty is [DefaultSchema]. [Schemas] lists those
	// that are known.
	Schema string
	// Previous is the package before; the zero value is none, and gives version 1.0.0.
	Previous Published
	// MaxLogo is how many bytes a logo may have (0: [DefaultMaxLogo]), MaxPixels how many pixels (0:
	// [DefaultMaxPixels]). Neither can be turned off: a file of a few kilobytes can hold a picture of gigabytes.
	MaxLogo, MaxPixels int
}

// Package is an app for Teams, ready to upload. Zip is the same bytes for the same brand and options.
type Package struct {
	// ID is the app's id in the manifest, a GUID.
	ID string
	// Published is to be kept, and given as [PackageOptions.Previous] the next time.
	Published
	// Zip holds the files below and those of the languages, all at its root.
	Zip []byte
	// Color is a PNG of 192×192 pixels, Outline one of 32×32, Manifest is manifest.json.
	Color, Outline, Manifest []byte
	// Warnings are what an MSP should look at, in the order in which they were found.
	Warnings []Warning
}

// Warning is something that an MSP should look at but that stops nothing.
type Warning struct {
	// Code is one of the constants that begin with Warn; Text says what is meant and what to do, in English.
	Code, Text string
}

// The codes of warnings.
const (
	// WarnAccent: white does not stand out from the accent colour.
	WarnAccent = "accent-contrast"
	// WarnBackground: the colour icon has another background than the accent colour, on which the logo could not be seen.
	WarnBackground = "other-background"
	// WarnContrast: parts of the logo can hardly be seen on the background of the colour icon.
	WarnContrast = "logo-contrast"
	// WarnNoLogo: there is no logo, or nothing is to be seen in it: both icons show a headset.
	WarnNoLogo = "no-logo"
	// WarnGeneric: no outline could be made of the logo: the outline icon shows a headset.
	WarnGeneric = "generic-outline"
	// WarnWide: the logo is so wide or so high that little of it can be read in an icon.
	WarnWide = "wide-logo"
	// WarnCropped: the logo is a picture without a background, of which the icon shows the middle.
	WarnCropped = "cropped-logo"
	// WarnSmall: the logo has so few pixels that the icon is blurred.
	WarnSmall = "small-logo"
	// WarnSchema: the version of the schema is newer than those that this package knows.
	WarnSchema = "unknown-schema"
)

// packageSpace is the name space of the ids: UUID v5 of the URL https://github.com/mspkit/mspkit/teamsapp. It must never
// change, or every MSP's app would be another.
var packageSpace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://github.com/mspkit/mspkit/teamsapp"))

// PackageID returns the id in the manifest of an MSP's app: the UUID v5 of the bot's id in lower case, a slash and the
// key, in a name space that is itself the UUID v5 of the URL https://github.com/mspkit/mspkit/teamsapp. A catalog refuses
// a second app with an id that it has, so that the same MSP and bot must have the same id each time
// (https://learn.microsoft.com/graph/api/teamsapp-publish).
func PackageID(key, botID string) string {
	return uuid.NewSHA1(packageSpace, []byte(strings.ToLower(botID)+"/"+key)).String()
}

// NewPackage returns the app of a brand. Nil options are fine. It keeps nothing and starts nothing, and is safe for
// concurrent use; while it works it needs memory for the decoded logo, for most 4 bytes a pixel, for a
// PNG of 16 bits a colour up to 12, for a JPEG in several passes 15, and 24 if that has four inks. A host that packages for strangers runs few at once.
//
// What cannot be used is reported together, each fault as a [*FieldError] that is mspkit.ErrInvalid; [Faults] lists them.
func NewPackage(b Brand, o *PackageOptions) (*Package, error) {
	opts, errs := o.fill()
	b = b.clean()
	errs = append(errs, b.check()...)
	logo, err := decodeLogo(b.Logo, opts.MaxLogo, opts.MaxPixels)
	if err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	accent, err := parseAccent(b.Accent)
	if err != nil {
		return nil, err
	}
	b = b.settle()
	p := &Package{ID: PackageID(b.Key, b.BotID)}
	p.warnSchema(opts.Schema)
	ic := drawIcons(logo, accent)
	p.Warnings = append(p.Warnings, ic.warnings...)

	m := newManifest(b, p.ID, opts.Schema)
	files := languageFiles(b, opts.Schema)
	digest, err := contentDigest(m, files, ic)
	if err != nil {
		return nil, err
	}
	p.Published = opts.Previous.next(digest)
	m.Version = p.Version
	if p.Manifest, err = encodeJSON(m); err != nil {
		return nil, err
	}
	if p.Color, err = encodePNG(ic.color); err != nil {
		return nil, err
	}
	if p.Outline, err = encodePNG(ic.outline); err != nil {
		return nil, err
	}
	all := append([]file{{manifestName, p.Manifest}, {colorName, p.Color}, {outlineName, p.Outline}}, files...)
	if p.Zip, err = zipFiles(all); err != nil {
		return nil, err
	}
	return p, nil
}

// fill returns the settings with their defaults, and what is wrong with them.
func (o *PackageOptions) fill() (PackageOptions, []error) {
	var out PackageOptions
	if o != nil {
		out = *o
	}
	out.Schema = cmp.Or(out.Schema, DefaultSchema)
	var errs []error
	if _, ok := schemaMinor(out.Schema); !ok {
		errs = append(errs, fault("PackageOptions.Schema", out.Schema, "is not a version of the manifest's schema, such as "+DefaultSchema))
	}
	errs = append(errs, out.Previous.check()...)
	for _, l := range []struct {
		field string
		v     *int
		std   int
	}{{"PackageOptions.MaxLogo", &out.MaxLogo, DefaultMaxLogo}, {"PackageOptions.MaxPixels", &out.MaxPixels, DefaultMaxPixels}} {
		*l.v = cmp.Or(*l.v, l.std)
		if *l.v < 0 {
			errs = append(errs, fault(l.field, strconv.Itoa(*l.v), "is negative: this limit cannot be turned off"))
			*l.v = l.std
		}
	}
	return out, errs
}

func (p *Package) warnSchema(schema string) {
	if !slices.Contains(Schemas(), schema) {
		p.Warnings = append(p.Warnings, Warning{WarnSchema, "The manifest's schema " + schema + " is newer than " +
			newestSchema + ", the newest that was tested. Look whether Teams takes the package, or choose an older one."})
	}
}

func encodePNG(m image.Image) ([]byte, error) {
	var buf bytes.Buffer
	e := png.Encoder{CompressionLevel: png.DefaultCompression}
	err := e.Encode(&buf, m)
	return buf.Bytes(), err
}
