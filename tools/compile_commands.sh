#!/bin/bash
# Writes compile_commands.json: ./bazelw run //tools:compile_commands
exec python3 tools/compile_commands.py
