# Simulation: the engine over a seeded world. Old seeds first.
add_executable(sim tests/sim/sim.c tests/sim/model.c tests/sim/os_sim.c)
target_include_directories(sim PRIVATE tests/sim)
target_link_libraries(sim PRIVATE kith_inner)
file(STRINGS tests/cases/seeds.txt seeds)
foreach(seed ${seeds})
  add_test(NAME case_${seed} COMMAND sim ${seed} 1)
endforeach()
add_test(NAME sim COMMAND sim 1 2000)

foreach(name store vec text engine vectors fields snapshots backups many)
  add_executable(test_${name} tests/unit/test_${name}.c tests/sim/os_sim.c)
  target_include_directories(test_${name} PRIVATE tests/unit tests/sim)
  target_compile_definitions(test_${name} PRIVATE _GNU_SOURCE)
  target_link_libraries(test_${name} PRIVATE kith_inner)
  add_test(NAME ${name} COMMAND test_${name})
endforeach()

# The twenty-line program, as an embedder builds it: against the shared and the static library.
add_executable(hello examples/hello.c)
target_link_libraries(hello PRIVATE kith_shared)
add_test(NAME hello COMMAND sh -c "rm -rf hello.kith && ./hello hello.kith && ./hello hello.kith | grep kith")
add_executable(hello_static examples/hello.c)
target_include_directories(hello_static PRIVATE include)
target_link_libraries(hello_static PRIVATE ${CMAKE_BINARY_DIR}/libkith.a ${LIB_LINKS})
add_dependencies(hello_static kith_static)
add_test(NAME hello_static COMMAND sh -c "rm -rf hello2.kith && ./hello_static hello2.kith | grep kith")

# Allocations that fail: the linker sends the library's to the test.
# The world itself keeps the real ones.
add_library(os_sim_real OBJECT tests/sim/os_sim.c)
target_include_directories(os_sim_real PRIVATE src include tests/sim)
target_compile_definitions(os_sim_real PRIVATE malloc=__real_malloc calloc=__real_calloc realloc=__real_realloc
    aligned_alloc=__real_aligned_alloc)
target_compile_options(os_sim_real PRIVATE -fno-builtin)
add_executable(test_fault tests/unit/test_fault.c $<TARGET_OBJECTS:os_sim_real>)
target_include_directories(test_fault PRIVATE tests/unit tests/sim)
target_compile_options(test_fault PRIVATE -Wno-missing-prototypes)
target_link_libraries(test_fault PRIVATE kith_inner)
target_link_options(test_fault PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc)
add_test(NAME fault COMMAND test_fault)
