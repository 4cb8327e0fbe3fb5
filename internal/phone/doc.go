// Package phone reads the telephone numbers that people write. It is one place, so that a number has the same spelling
// wherever it comes from: typed by a technician, out of a ticket system or out of a file.
//
//	r := phone.Reader{Region: "DE"}
//	n, err := r.E164("0151 12345678") // +4915112345678
//
// # Security
//
// Errors do not repeat the number.
//
// # Concurrency
//
// A [Reader] is a plain value; its methods may be called at once.
//
// # Errors
//
//	errors.Is           meaning
//	mspkit.ErrInvalid   the text is no number that a phone can have, or there are two ways to read it
package phone
