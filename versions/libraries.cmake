# The differences between the libraries and compilers of Debian 12 and Debian 13, for CMake; the
# rest is in libpqxx.hpp, catch2_3/ and packages beside this file. The build looks at the libraries,
# not at Debian's version: so a newer library on Debian 12 works as well.

regroup_folder(versions SOURCES versions/libpqxx.cpp PUBLIC PkgConfig::PQXX PRIVATE PkgConfig::PQ)

# Called in tests/. Catch2 3 is a library with other headers, and brings its own main().
function(regroup_test_main)
  if(Catch2_VERSION VERSION_LESS 3)
    add_library(test_main STATIC main.cpp)
    target_link_libraries(test_main PUBLIC Catch2::Catch2)
  else()
    add_library(test_main INTERFACE)
    target_link_libraries(test_main INTERFACE Catch2::Catch2WithMain)
    target_include_directories(test_main SYSTEM INTERFACE ${PROJECT_SOURCE_DIR}/versions/catch2_3)
  endif()
endfunction()

# For the targets named. GCC 14 wrongly believes that the value of an empty optional, or of a
# variant that holds another type, may be read (GCC bug 80635).
function(regroup_compiler_differences)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 14)
    foreach(target IN LISTS ARGN)
      target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
    endforeach()
  endif()
endfunction()
