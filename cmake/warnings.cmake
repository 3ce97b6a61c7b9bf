# Compiler options for all of our targets, and for no one else's code.
add_library(regroup_warnings INTERFACE)
target_compile_options(regroup_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 warns of an overlap in `"text" + std::to_string(n)` where there is none (GCC bug 105651).
  target_compile_options(regroup_warnings INTERFACE -Wno-restrict)
  if(REGROUP_SANITIZE)
    # std::regex reads nothing uninitialised either (GCC bug 105562): the sanitizers confuse the
    # warning.
    target_compile_options(regroup_warnings INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND REGROUP_SANITIZE STREQUAL "thread")
  # GCC warns of asio's atomic fence, which TSan does not see.
  target_compile_options(regroup_warnings INTERFACE -Wno-tsan)
endif()
if(REGROUP_WERROR)
  target_compile_options(regroup_warnings INTERFACE -Werror)
endif()

if(REGROUP_SANITIZE)
  add_compile_options(-fsanitize=${REGROUP_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${REGROUP_SANITIZE})
endif()

# Options that harden the program against memory faults, where Debian's compilers do not set them by
# default; a test checks the binary for them. The sanitizers have their own means, and FORTIFY needs
# an optimised build.
add_library(regroup_hardening INTERFACE)
if(NOT REGROUP_SANITIZE)
  target_compile_options(regroup_hardening
                         INTERFACE -fPIE -fstack-protector-strong -fstack-clash-protection)
  target_compile_options(regroup_hardening INTERFACE
                         $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>)
  target_link_options(regroup_hardening INTERFACE -pie -Wl,-z,relro,-z,now,-z,noexecstack)
endif()

# A folder of the project: a static library of the files named. Includes start at the root.
function(regroup_folder name)
  cmake_parse_arguments(FOLDER "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(regroup_${name} STATIC ${FOLDER_SOURCES})
  target_include_directories(regroup_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(regroup_${name} PUBLIC ${FOLDER_PUBLIC}
                                        PRIVATE ${FOLDER_PRIVATE} regroup_warnings
                                                regroup_hardening)
endfunction()
