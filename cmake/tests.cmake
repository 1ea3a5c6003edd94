# Simulation: the engine over a seeded world.
add_executable(sim tests/sim/sim.c tests/sim/model.c tests/sim/os_sim.c)
target_include_directories(sim PRIVATE tests/sim)
target_link_libraries(sim PRIVATE kith_inner)
