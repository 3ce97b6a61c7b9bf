# Writes OUTPUT, a C++ table of the schema's steps, from the files in STEPS (a list).
set(text "#include \"db/schema_steps.hpp\"\n\nnamespace regroup::db {\n\nconst std::vector<SchemaStep>& schema_steps() {\n  static const std::vector<SchemaStep> steps{\n")
foreach(step IN LISTS STEPS)
  get_filename_component(name ${step} NAME_WE)
  file(READ ${step} sql)
  string(APPEND text "    {\"${name}\", R\"regroup(${sql})regroup\"},\n")
endforeach()
string(APPEND text "  };\n  return steps;\n}\n\n} // namespace regroup::db\n")
file(WRITE ${OUTPUT} "${text}")
