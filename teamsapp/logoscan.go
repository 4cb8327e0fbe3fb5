package teamsapp

import (
	"bytes"
	"encoding/binary"
)

// about is what a file says of itself before it is decoded.
type about struct {
	// frames is how many pictures an animation has, as far as they were counted: more than 1 is an animation.
	frames int
	// scans is how many passes over the picture a JPEG makes.
	scans int
	// orientation is that of the EXIF data, 1 to 8, or 0.
	orientation int
}

// scanGIF counts pictures up to two.
func scanGIF(b []byte) about {
	var a about
	const head, screen = 6, 7
	if len(b) < head+screen {
		return a
	}
	rest := b[head+screen:]
	if f := b[head+4]; f&0x80 != 0 {
		rest = skip(rest, 3<<(f&7+1))
	}
	for len(rest) > 0 && a.frames < 2 {
		switch rest[0] {
		case 0x21: // an extension, with a label
			rest = skipBlocks(skip(rest, 2))
		case 0x2C: // a picture: place, flags, perhaps colours, and the length of its codes
			a.frames++
			if len(rest) < 10 {
				return a
			}
			f := rest[9]
			rest = skip(rest, 10)
			if f&0x80 != 0 {
				rest = skip(rest, 3<<(f&7+1))
			}
			rest = skipBlocks(skip(rest, 1))
		default: // the end, or what is none of these
			return a
		}
	}
	return a
}

func skip(b []byte, n int) []byte { return b[min(n, len(b)):] }

// skipBlocks goes past blocks that begin with their length, up to the one without any.
func skipBlocks(b []byte) []byte {
	for len(b) > 0 {
		n := int(b[0])
		b = skip(b, 1+n)
		if n == 0 {
			break
		}
	}
	return b
}

// scanPNG finds the frames of an APNG (https://www.w3.org/TR/png-3/#apng-frame-based-animation) and EXIF data.
func scanPNG(b []byte) about {
	var a about
	const signature, frame = 8, 12 // a chunk's length, kind and sum
	for rest := skip(b, signature); len(rest) >= frame; {
		n := uint64(binary.BigEndian.Uint32(rest))
		if n > uint64(len(rest)-frame) {
			break
		}
		data := rest[8 : 8+n]
		switch string(rest[4:8]) {
		case "acTL":
			if len(data) >= 4 {
				a.frames = int(min(binary.BigEndian.Uint32(data), 1<<30))
			}
		case "eXIf":
			a.orientation = orientation(data)
		}
		rest = rest[frame+n:]
	}
	return a
}

// scanWebP finds the mark of an animation and EXIF data
// (https://developers.google.com/speed/webp/docs/riff_container).
func scanWebP(b []byte) about {
	var a about
	for rest := skip(b, 12); len(rest) >= 8; {
		n := uint64(binary.LittleEndian.Uint32(rest[4:]))
		if n > uint64(len(rest)-8) {
			break
		}
		data := rest[8 : 8+n]
		switch string(rest[:4]) {
		case "VP8X":
			if len(data) > 0 && data[0]&2 != 0 {
				a.frames = 2
			}
		case "ANIM", "ANMF":
			a.frames = 2
		case "EXIF":
			a.orientation = orientation(bytes.TrimPrefix(data, []byte(exifMark)))
		}
		rest = skip(rest, int(8+n+n&1))
	}
	return a
}

const exifMark = "Exif\x00\x00"

// scanJPEG counts the passes and finds EXIF data. It walks from marker to marker, also through the picture itself, in the
// steps of image/jpeg: otherwise a file could hide passes from it.
func scanJPEG(b []byte) about {
	var a about
	for rest := skip(b, 2); ; {
		i := bytes.IndexByte(rest, 0xFF)
		if i < 0 || i+1 >= len(rest) {
			return a
		}
		marker := rest[i+1]
		rest = rest[i+1:]
		switch {
		case marker == 0xFF: // it may be filled up with these
			continue
		case marker == 0, marker >= 0xD0 && marker <= 0xD7: // part of the picture
			rest = rest[1:]
			continue
		case marker == 0xD9:
			return a
		case marker == 0xDA:
			a.scans++
		}
		if len(rest) < 3 {
			return a
		}
		n := int(binary.BigEndian.Uint16(rest[1:]))
		if data := rest[3:min(max(1+n, 3), len(rest))]; marker == 0xE1 && a.orientation == 0 && bytes.HasPrefix(data, []byte(exifMark)) {
			a.orientation = orientation(data[len(exifMark):])
		}
		rest = skip(rest, 1+n)
	}
}

// orientation reads the tag of that name in EXIF data, which is a TIFF without a picture; 0 if there is none.
func orientation(tiff []byte) int {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(tiff, []byte("II*\x00")):
		order = binary.LittleEndian
	case bytes.HasPrefix(tiff, []byte("MM\x00*")):
		order = binary.BigEndian
	default:
		return 0
	}
	if len(tiff) < 8 {
		return 0
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 0
	}
	n := int(order.Uint16(tiff[at:]))
	const entry, tag, short = 12, 0x0112, 3
	for e := tiff[at+2:]; n > 0 && len(e) >= entry; n, e = n-1, e[entry:] {
		if order.Uint16(e) == tag && order.Uint16(e[2:]) == short {
			if v := int(order.Uint16(e[8:])); v >= 1 && v <= 8 {
				return v
			}
			return 0
		}
	}
	return 0
}
