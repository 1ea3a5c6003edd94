# The front door. Each target installs what it needs (tools/setup says what), then calls CMake's presets.
PRESET ?= release

build: ; @tools/setup build && cmake --preset $(PRESET) >/dev/null && cmake --build --preset $(PRESET)
demo: ; @tools/demo
run: build ; build/kith serve --data build/run.data
test: ; @tools/test
test-asan: ; @tools/test asan
test-long: ; @tools/test long
differential: ; @tools/test differential
test-mutants: ; @tools/mutants
test-neon: ; @tools/neon
fuzz: ; @tools/fuzz $(SECONDS_EACH)
check: ; @tools/check
bench: ; @tools/bench
bench-kernels: ; @tools/bench-kernels
fresh: ; @tools/fresh
fmt: ; @tools/setup check && clang-format-14 -i $$(git ls-files '*.c' '*.h')
install: build ; cmake --install build/$(PRESET)
.PHONY: fuzz differential build demo run test test-asan test-long test-mutants test-neon check bench bench-kernels fresh fmt install
