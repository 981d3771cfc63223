-- Prints which files this process has mapped; the runner looks for a preloaded library among them.

print(io.open("/proc/self/maps"):read("a"))
