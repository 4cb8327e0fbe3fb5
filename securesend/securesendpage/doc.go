// Package securesendpage serves the pages behind the links of package securesend.
package securesendpage
