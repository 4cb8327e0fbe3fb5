package mfa

// Typed is typed, for the fuzz target.
var Typed = typed

// ParseCreated and ParseAsserted are for fuzz targets.
var (
	ParseCreated  = parseCreated
	ParseAsserted = parseAsserted
)

// ReasonOf is reasonOf.
var ReasonOf = reasonOf
