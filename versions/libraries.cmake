# What the libraries and compilers of Debian 12 and Debian 13 differ in, as far as CMake goes;
# libpqxx.hpp, catch2_3/ and packages beside this file are the rest of it. Asked of the libraries
# themselves: a newer one on Debian 12 is taken as it is.

regroup_folder(versions SOURCES versions/libpqxx.cpp PUBLIC PkgConfig::PQXX PRIVATE PkgConfig::PQ)

# In tests/. Catch2 3 is a library with other headers, and brings its main along.
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

# Of the targets named. GCC 14 believes that an empty optional, and a variant of another type, may be
# asked for what they hold (GCC bug 80635).
function(regroup_compiler_differences)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 14)
    foreach(target IN LISTS ARGN)
      target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
    endforeach()
  endif()
endfunction()
