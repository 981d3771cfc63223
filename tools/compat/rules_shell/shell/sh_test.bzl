"""sh_test under the name that later versions of Bazel load it by."""

sh_test = native.sh_test
