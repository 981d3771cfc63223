# Read by run_lua_test.sh and run_python_test.sh: takes the options that both have off the command line.
# Paths are those of Bazel's $(rootpath ...), seen from the test's working folder.

# absolute PATH: where the file really is in the test's folder; those of other repositories lie beside ours.
absolute() {
  case $1 in
    external/*) echo "$PWD/../${1#external/}" ;;
    *) echo "$PWD/$1" ;;
  esac
}

pythonpath=
while [[ ${1-} == --* ]]; do
  case $1 in
    --env=*)
      assignment=${1#--env=}
      export "${assignment%%=*}=$(absolute "${assignment#*=}")"
      ;;
    --pythonpath=*) pythonpath+=$PWD/${1#--pythonpath=}: ;;
    *)
      echo "$0: unknown option $1 (allowed: --env=NAME=PATH, --pythonpath=FOLDER)" >&2
      exit 2
      ;;
  esac
  shift
done
