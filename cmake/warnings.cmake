# What every target of ours is compiled with, and nothing of anybody else's.
add_library(regroup_warnings INTERFACE)
target_compile_options(regroup_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees an overlap in `"text" + std::to_string(n)` where there is none (GCC bug 105651).
  target_compile_options(regroup_warnings INTERFACE -Wno-restrict)
  if(REGROUP_SANITIZE)
    # Nor does std::regex read what is not initialised (GCC bug 105562): the sanitizers confuse it.
    target_compile_options(regroup_warnings INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND REGROUP_SANITIZE STREQUAL "thread")
  # asio has a fence that TSan does not see. It is in the server, which no test under TSan starts.
  target_compile_options(regroup_warnings INTERFACE -Wno-tsan)
endif()
if(REGROUP_WERROR)
  target_compile_options(regroup_warnings INTERFACE -Werror)
endif()

if(REGROUP_SANITIZE)
  add_compile_options(-fsanitize=${REGROUP_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${REGROUP_SANITIZE})
endif()

# What the program is built with against faults in memory, where Debian's compilers do not do it by
# themselves; a test reads it off the binary. The sanitizers have their own ways, and FORTIFY needs an
# optimiser.
add_library(regroup_hardening INTERFACE)
if(NOT REGROUP_SANITIZE)
  target_compile_options(regroup_hardening
                         INTERFACE -fPIE -fstack-protector-strong -fstack-clash-protection)
  target_compile_options(regroup_hardening INTERFACE
                         $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>)
  target_link_options(regroup_hardening INTERFACE -pie -Wl,-z,relro,-z,now,-z,noexecstack)
endif()

# A folder of the project: a static library of the files named, whose includes start at the root.
function(regroup_folder name)
  cmake_parse_arguments(FOLDER "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(regroup_${name} STATIC ${FOLDER_SOURCES})
  target_include_directories(regroup_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(regroup_${name} PUBLIC ${FOLDER_PUBLIC}
                                        PRIVATE ${FOLDER_PRIVATE} regroup_warnings
                                                regroup_hardening)
endfunction()
