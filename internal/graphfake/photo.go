package graphfake

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"image"
	_ "image/png" // sizes of photos that tests put
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// photoSizes are those of Exchange.
var photoSizes = []string{"48x48", "64x64", "96x96", "120x120", "240x240", "360x360", "432x432", "504x504", "648x648"}

// photo returns a user's and its ETag.
func (c *call) photo() ([]byte, string, *apiError) {
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	slot, u, e := c.person()
	if e != nil {
		return nil, "", e
	}
	b := c.t.drawn(slot, u.Photo)
	if len(b) == 0 {
		return nil, "", fail(http.StatusNotFound, "ImageNotFound", "There is no photo.")
	}
	sum := sha256.Sum256(b)
	return b, `W/"` + strings.ToUpper(hex.EncodeToString(sum[:16])) + `"`, nil
}

// madeUp stands for the photo of somebody who is made up, which is drawn when it is asked for.
var madeUp = []byte("made up")

func (t *Tenant) drawn(slot int, photo []byte) []byte {
	if len(photo) > 0 && &photo[0] == &madeUp[0] {
		return t.people.photo(slot)
	}
	return photo
}

func (c *call) photoInfo() *apiError {
	if e := c.options("$select"); e != nil {
		return e
	}
	b, tag, e := c.photo()
	if e != nil {
		return e
	}
	cfg, _, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		cfg.Width, cfg.Height = 648, 648
	}
	return c.ok(map[string]any{
		"@odata.context": c.context("users('" + c.r.PathValue("user") + "')/photo/$entity"), "@odata.mediaContentType": http.DetectContentType(b),
		"@odata.mediaEtag": tag, "id": strconv.Itoa(cfg.Width) + "x" + strconv.Itoa(cfg.Height), "width": cfg.Width, "height": cfg.Height,
	})
}

func (c *call) photoValue() *apiError {
	if e := c.options(); e != nil {
		return e
	}
	if size := c.r.PathValue("size"); size != "" && !slices.Contains(photoSizes, size) {
		return fail(http.StatusBadRequest, "ErrorInvalidImageId", "The photo size '%s' does not exist.", size)
	}
	b, tag, e := c.photo()
	if e != nil {
		return e
	}
	c.w.Header().Set("ETag", tag)
	if c.r.Header.Get("If-None-Match") == tag {
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	c.w.Header().Set("Content-Type", http.DetectContentType(b))
	_, _ = c.w.Write(b)
	return nil
}
