# find_package(deltamote REQUIRED PATHS .../patcher-nostd/capi NO_DEFAULT_PATH), then link
# deltamote::deltamote.
include(${CMAKE_CURRENT_LIST_DIR}/cmake/deltamote.cmake)
