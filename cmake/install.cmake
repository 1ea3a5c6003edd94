include(GNUInstallDirs)
# The static library is linked into one object whose inner names are made local, so that short names
# cannot clash with a host program's.
add_custom_command(OUTPUT libkith.a
    COMMAND ${CMAKE_LINKER} -r -o kith_all.o $<TARGET_OBJECTS:kith_objects> ${LIB_OBJECTS}
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden kith_all.o
    COMMAND ${CMAKE_COMMAND} -E rm -f libkith.a
    COMMAND ${CMAKE_AR} rcs libkith.a kith_all.o
    DEPENDS kith_objects ${LIB_OBJECTS} COMMAND_EXPAND_LISTS VERBATIM)
add_custom_target(kith_static ALL DEPENDS libkith.a)
configure_file(cmake/kith.pc.in kith.pc @ONLY)
install(TARGETS kith_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_BINARY_DIR}/libkith.a DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/kith.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${CMAKE_BINARY_DIR}/kith.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(PROGRAMS ${CMAKE_BINARY_DIR}/kith DESTINATION ${CMAKE_INSTALL_BINDIR})
