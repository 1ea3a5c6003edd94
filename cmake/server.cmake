# The messages of a dialect's gRPC services, as one descriptor set in the program.
find_program(PROTOC protoc REQUIRED)
function(kith_protos room)
  set(protos ${CMAKE_SOURCE_DIR}/src/${room}/proto)
  set(to ${CMAKE_BINARY_DIR}/protos/${room})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS RELATIVE ${protos} ${protos}/*.proto)
  list(TRANSFORM sources PREPEND ${protos}/ OUTPUT_VARIABLE depends)
  file(MAKE_DIRECTORY ${to})
  add_custom_command(OUTPUT ${to}/${room}_protos.h
      COMMAND ${PROTOC} --proto_path=${protos} --descriptor_set_out=${to}/set.pb ${sources}
      COMMAND ${CMAKE_COMMAND} -DFROM=${to}/set.pb -DTO=${to}/${room}_protos.h -DNAME=${room}_protos
          -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
      DEPENDS ${depends} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake)
  target_sources(${room} PRIVATE ${to}/${room}_protos.h)
  target_include_directories(${room} PRIVATE ${to})
endfunction()

kith_room(net LINKS PkgConfig::UV PkgConfig::LLHTTP PkgConfig::NGHTTP2 PkgConfig::ZLIB PkgConfig::CURL
    PkgConfig::SSL)
kith_room(serve LINKS PkgConfig::YYJSON)
kith_room(qdrant LINKS PkgConfig::YYJSON)
kith_protos(qdrant)
kith_text(qdrant rest.schema qdrant_schema) # the types of its REST bodies
kith_room(cmd LINKS PkgConfig::YAML PkgConfig::ZSTD)
add_executable(kith $<TARGET_OBJECTS:net> $<TARGET_OBJECTS:serve> $<TARGET_OBJECTS:qdrant> $<TARGET_OBJECTS:cmd>)
target_link_libraries(kith PRIVATE kith_inner PkgConfig::ZSTD PkgConfig::UV PkgConfig::LLHTTP PkgConfig::NGHTTP2
    PkgConfig::ZLIB PkgConfig::CURL PkgConfig::SSL PkgConfig::YAML)
if(CMAKE_BUILD_TYPE STREQUAL RelWithDebInfo) # build/kith is the release
  add_custom_command(TARGET kith POST_BUILD
      COMMAND ${CMAKE_COMMAND} -E create_symlink $<TARGET_FILE:kith> ${CMAKE_SOURCE_DIR}/build/kith)
endif()
