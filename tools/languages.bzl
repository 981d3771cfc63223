"""The languages of what others build into their programs: whatever flags their own workspaces have."""

# With the system's own functions, such as mmap.
C = ["-std=gnu11"]

CXX = ["-std=c++17"]

# For what is linked: a C program or library does not load the C++ library, which Bazel names for each.
AS_NEEDED = ["-Wl,--as-needed"]
