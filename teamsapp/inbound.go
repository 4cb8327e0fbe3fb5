package teamsapp

import "net/http"

// ServeHTTP takes activities from the Bot Service.
func (b *Bot) ServeHTTP(w http.ResponseWriter, r *http.Request) {}
