package securesend

// ChunkSize is how many bytes of a file are sealed at a time.
const ChunkSize = 1 << 20

// Chunks returns how many chunks a file of size bytes has.
func Chunks(size int64) int64 { return max(1, (size+ChunkSize-1)/ChunkSize) }
