# What is installed on a machine that only runs Regroup: by `cmake --install build/release`, or by
# the Debian package that `cpack` makes (scripts/package). CMAKE_INSTALL_PREFIX must be set when the
# build is configured, since the unit file names the program and the settings there.
include(GNUInstallDirs)

file(READ deploy/systemd/regroup.service unit)
string(REPLACE "/usr/bin/regroup" "${CMAKE_INSTALL_FULL_BINDIR}/regroup" unit "${unit}")
string(REPLACE "/etc/regroup" "${CMAKE_INSTALL_FULL_SYSCONFDIR}/regroup" unit "${unit}")
file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/regroup.service CONTENT "${unit}")

install(TARGETS regroup RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
# It may hold a password, so others may not read it. The package gives it to the service's group.
install(FILES config/regroup.toml DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/regroup
        PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ)
install(FILES ${PROJECT_BINARY_DIR}/regroup.service DESTINATION lib/systemd/system)
install(FILES deploy/haproxy.cfg deploy/grants.sql DESTINATION ${CMAKE_INSTALL_DATADIR}/regroup)
install(DIRECTORY deploy/prometheus DESTINATION ${CMAKE_INSTALL_DATADIR}/regroup)
install(FILES docs/operations.md docs/first-migration.md docs/errors.md docs/glossary.md docs/guarantees.md docs/metrics.md
              http/openapi.yaml
        DESTINATION ${CMAKE_INSTALL_DOCDIR})

if(NOT REGROUP_SANITIZE)
  install(FILES ${PROJECT_BINARY_DIR}/completion.bash RENAME regroup
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${PROJECT_BINARY_DIR}/completion.zsh RENAME _regroup
          DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
  install(FILES ${PROJECT_BINARY_DIR}/completion.fish RENAME regroup.fish
          DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME regroup)
set(CPACK_PACKAGE_CONTACT "The Regroup engineers <regroup@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
# dpkg-shlibdeps finds the libraries that the binary is linked to.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# postgresql is for the embedded PostgreSQL alone.
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "postgresql, haproxy, pgbouncer, prometheus")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${PROJECT_SOURCE_DIR}/deploy/debian/conffiles ${PROJECT_SOURCE_DIR}/deploy/debian/postinst
    ${PROJECT_SOURCE_DIR}/deploy/debian/prerm ${PROJECT_SOURCE_DIR}/deploy/debian/postrm)
include(CPack)
