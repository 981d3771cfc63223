"""What Bazel 4's built-in tools load from rules_proto. Nothing of ours is built by it."""

proto_lang_toolchain = native.proto_lang_toolchain
proto_library = native.proto_library

