package client

import "time"

// Impatient makes the pauses between tries short.
func Impatient(o *Options) { o.pause = 100 * time.Microsecond }
