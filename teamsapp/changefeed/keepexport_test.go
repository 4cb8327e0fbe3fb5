package changefeed

// AtStep has f called where a process that keeps subscriptions may die; an error of f is that death.
func (f *Feed) AtStep(step func(point string) error) {
	k, _ := f.subs.(*keeper)
	k.step = step
}
