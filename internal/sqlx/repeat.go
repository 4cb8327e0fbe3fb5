package sqlx

import "strings"

// Repeat returns s n times with commas between, for a list of placeholders ("?") or of rows of them ("(?, ?)").
func Repeat(s string, n int) string { return strings.TrimSuffix(strings.Repeat(s+", ", n), ", ") }
