package teamsapp_test

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp"
)

// BenchmarkPackage makes a package of a logo of 20 megapixels, of a few formats, and decodes the same logo beside it with
// the standard library alone. It reports how much longer the package takes, and how much memory it takes at most above
// what was there before and how many times that of the decoder.
//
//	go test -run '^$' -bench 'Package$' -benchtime 5x ./teamsapp
func BenchmarkPackage(b *testing.B) {
	const w, h = 5472, 3648
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{255, 255, 255, 255}
			if dx, dy := x-w/2, y-h/2; dx*dx+dy*dy < h*h/9 {
				c = color.NRGBA{uint8(x >> 5), uint8(y >> 5), 90, 255}
			}
			m.SetNRGBA(x, y, c)
		}
	}
	for _, f := range []struct {
		name   string
		logo   []byte
		decode func([]byte) (image.Image, error)
	}{
		{"png", pngLogo(m), func(b []byte) (image.Image, error) { return png.Decode(bytes.NewReader(b)) }},
		{"jpeg", jpegLogo(m), bareJPEG},
		{"progressive", flat{w: w, h: h, color: []int{200, 90, 160}, progressive: true, passes: 9}.jpeg(), bareJPEG},
		{"cmyk", flat{w: w, h: h, color: []int{200, 90, 160, 255}, progressive: true, passes: 9}.jpeg(), bareJPEG},
	} {
		b.Run(f.name+"-20MP", func(b *testing.B) {
			var spent [2]time.Duration
			var most [2]uint64
			one := brand()
			one.Logo = f.logo
			for range b.N {
				for i, run := range []func() error{
					func() error { _, err := teamsapp.NewPackage(one, nil); return err },
					func() error { _, err := f.decode(f.logo); return err },
				} {
					began := time.Now()
					peak, err := heapPeak(run)
					spent[i] += time.Since(began)
					require.NoError(b, err)
					most[i] = max(most[i], peak)
				}
			}
			b.ReportMetric(float64(spent[0].Milliseconds())/float64(b.N), "ms/package")
			b.ReportMetric(spent[0].Seconds()/spent[1].Seconds(), "x-of-decode")
			b.ReportMetric(float64(most[0])/(1<<20), "peak-MiB")
			b.ReportMetric(float64(most[0])/float64(most[1]), "x-memory")
		})
	}
}

func bareJPEG(b []byte) (image.Image, error) { return jpeg.Decode(bytes.NewReader(b)) }

// heapPeak returns how far the heap grows while run runs.
func heapPeak(run func() error) (uint64, error) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before := m.HeapAlloc
	var peak atomic.Uint64
	stop, done := make(chan struct{}), make(chan struct{})
	look := func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak.Store(max(peak.Load(), m.HeapAlloc))
	}
	go func() {
		defer close(done)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				look()
			}
		}
	}()
	err := run()
	look()
	close(stop)
	<-done
	return max(peak.Load(), before) - before, err
}

// BenchmarkPackageSmall makes a package of a logo as an MSP has it.
func BenchmarkPackageSmall(b *testing.B) {
	one := brand()
	one.Logo = pngLogo(picture(800, 300, glass, orange))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := teamsapp.NewPackage(one, nil); err != nil {
			b.Fatal(err)
		}
	}
}
