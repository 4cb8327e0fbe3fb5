package teamsapp

// CheckCard is [Card.Validate] with another limit for the bytes.
func CheckCard(c *Card, limit int) error { return c.check(limit) }
