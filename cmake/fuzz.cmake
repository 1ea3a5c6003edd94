# Fuzzers (clang's libFuzzer): make fuzz builds and runs them.
foreach(name requests bytes files frames)
  add_executable(fuzz_${name} tests/fuzz/fuzz_${name}.c tests/sim/os_sim.c $<TARGET_OBJECTS:net> $<TARGET_OBJECTS:serve>
      $<TARGET_OBJECTS:qdrant>)
  target_include_directories(fuzz_${name} PRIVATE tests/sim)
  target_compile_definitions(fuzz_${name} PRIVATE _GNU_SOURCE)
  target_link_libraries(fuzz_${name} PRIVATE kith_inner PkgConfig::UV PkgConfig::LLHTTP PkgConfig::NGHTTP2 PkgConfig::ZLIB
      PkgConfig::CURL PkgConfig::SSL)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
endforeach()
