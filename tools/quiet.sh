# quiet COMMAND...: its output only if it fails, and then its status.
quiet() {
    mkdir -p build
    "$@" >build/quiet.log 2>&1 || { status=$?; cat build/quiet.log; return $status; }
    tail -n 1 build/quiet.log
}
