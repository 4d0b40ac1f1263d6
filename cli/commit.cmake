# Run at every build: asks git for the commit and rewrites OUTPUT only if the answer has changed, so that one small file is
# compiled again and nothing else. Without git, or outside a checkout, the commit is empty.
cmake_minimum_required(VERSION 3.25)
set(commit "")
find_program(GIT git)
if(GIT AND EXISTS ${SOURCE}/.git)
  execute_process(COMMAND ${GIT} -C ${SOURCE} rev-parse --short=12 HEAD
    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(failed)
    set(commit "")
  else()
    execute_process(COMMAND ${GIT} --no-optional-locks -C ${SOURCE} diff-index --quiet HEAD -- ERROR_QUIET RESULT_VARIABLE changed)
    if(changed)
      string(APPEND commit "+")
    endif()
  endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT [[
#define FABRIC_VERSION "@VERSION@"
#define FABRIC_COMMIT "@commit@"
]] @ONLY)
