package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/mspkit/mspkit/teamsapp"
)

// sampleBrand is the app of an MSP that does not exist.
func sampleBrand() (teamsapp.Brand, error) {
	logo, err := sampleLogo()
	return teamsapp.Brand{
		Key: "contoso", BotID: "07338883-af76-47b3-86e4-2603c50be638", Language: "en", Accent: "#0A64A4", Logo: logo,
		Texts: teamsapp.Texts{
			ShortName: "Contoso Helpdesk", FullName: "Contoso Helpdesk: verify and get help",
			Summary:     "Confirm that it is you when you call, and get messages from your helpdesk.",
			Description: "When you call the Contoso helpdesk, this app shows you who is asking and for what.\nYou confirm with one press, and nobody can pretend to be you.",
		},
		More: []teamsapp.Translation{{Language: "de", Texts: teamsapp.Texts{
			ShortName: "Contoso Helpdesk", FullName: "Contoso Helpdesk: bestätigen und Hilfe bekommen",
			Summary:     "Bestätigen Sie am Telefon, dass Sie es sind, und bekommen Sie Nachrichten.",
			Description: "Wenn Sie den Contoso Helpdesk anrufen, zeigt diese App, wer fragt und wofür.\nSie bestätigen mit einem Druck, und niemand kann sich für Sie ausgeben.",
		}}},
		Developer: teamsapp.Developer{
			Name: "Contoso IT", Website: "https://www.contoso.example", Privacy: "https://www.contoso.example/privacy", Terms: "https://www.contoso.example/terms",
		},
	}, err
}

// sampleLogo draws a ring that is open on one side, with a dot in it, on transparent ground.
func sampleLogo() ([]byte, error) {
	const size, middle = 512, 256.0
	m := image.NewNRGBA(image.Rect(0, 0, size, size))
	for y := range size {
		for x := range size {
			dx, dy := float64(x)-middle, float64(y)-middle
			r, angle := math.Hypot(dx, dy), math.Atan2(dy, dx)
			ring := math.Min(240-r, r-160)
			if math.Abs(angle) < 0.6 {
				ring = -1
			}
			inside := math.Max(ring, 84-r)
			if a := math.Min(math.Max(inside+0.5, 0), 1); a > 0 {
				m.SetNRGBA(x, y, color.NRGBA{R: 255, G: 255, B: 255, A: uint8(math.Round(255 * a))})
			}
		}
	}
	var b bytes.Buffer
	err := png.Encode(&b, m)
	return b.Bytes(), err
}

// writeSample writes the sample as files, and leaves alone what is there already.
func writeSample(out io.Writer, dir string) error {
	brand, logo := filepath.Join(dir, "brand.json"), filepath.Join(dir, "logo.png")
	for _, path := range []string{brand, logo} {
		if _, err := os.Stat(path); err == nil {
			return fmt.Errorf("%s is there already; choose another folder", path)
		}
	}
	b, err := sampleBrand()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := write(logo, b.Logo); err != nil {
		return err
	}
	if err := writeJSON(brand, toFile(b, "logo.png")); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "wrote    %s and %s\nnext     write your own brand into them, then -brand %s -o app.zip\n", brand, logo, brand)
	return nil
}
