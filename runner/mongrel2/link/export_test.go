package link

// HoldDisk keeps whatever opens and removes uploads from doing so until the channel is
// closed, as a disk does that stalls.
func (l *Link) HoldDisk(until <-chan struct{}) { l.uploads.disk.do(func() { <-until }) }
