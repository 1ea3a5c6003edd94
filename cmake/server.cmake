kith_room(net LINKS PkgConfig::UV PkgConfig::LLHTTP)
kith_room(serve LINKS PkgConfig::YYJSON)
kith_room(qdrant LINKS PkgConfig::YYJSON)
kith_room(cmd LINKS PkgConfig::YAML PkgConfig::ZSTD)
add_executable(kith $<TARGET_OBJECTS:net> $<TARGET_OBJECTS:serve> $<TARGET_OBJECTS:qdrant> $<TARGET_OBJECTS:cmd>)
target_link_libraries(kith PRIVATE kith_inner PkgConfig::ZSTD PkgConfig::UV PkgConfig::LLHTTP PkgConfig::YAML)
if(CMAKE_BUILD_TYPE STREQUAL RelWithDebInfo) # build/kith is the release
  add_custom_command(TARGET kith POST_BUILD
      COMMAND ${CMAKE_COMMAND} -E create_symlink $<TARGET_FILE:kith> ${CMAKE_SOURCE_DIR}/build/kith)
endif()
