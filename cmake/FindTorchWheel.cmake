# LibTorch as the torch wheel holds it, without PyTorch's own CMake package, which demands a CUDA toolkit.
#
#   FABRIC_TORCH (cache variable or environment)  the folder that holds torch/ and nvidia/
#   else $XDG_CACHE_HOME/fabric/torch-VERSION or ~/.cache/fabric/torch-VERSION, where scripts/setup puts the wheels of
#   scripts/torch-wheels.txt
#
# Makes TorchWheel::c10 and TorchWheel::cpu; and TorchWheel::cuda where the wheels beside torch hold the CUDA run time, its headers and
# NCCL. Never link libtorch.so: it needs all of CUDA.
set(_fabric_torch "${FABRIC_TORCH}")
if(NOT _fabric_torch)
  set(_fabric_torch "$ENV{FABRIC_TORCH}")
endif()
if(NOT _fabric_torch)
  file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/../scripts/torch-wheels.txt" _line REGEX "^torch==")
  string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" _version "${_line}")
  if(NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
    set(_fabric_torch "$ENV{XDG_CACHE_HOME}/fabric/torch-${_version}")
  else()
    set(_fabric_torch "$ENV{HOME}/.cache/fabric/torch-${_version}")
  endif()
endif()
set(_torch "${_fabric_torch}/torch")

unset(TorchWheel_VERSION)
if(EXISTS "${_torch}/version.py")
  file(STRINGS "${_torch}/version.py" _line REGEX "^__version__")
  string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" TorchWheel_VERSION "${_line}")
endif()
find_library(TorchWheel_LIBRARY torch_cpu PATHS "${_torch}/lib" NO_DEFAULT_PATH NO_CACHE)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(TorchWheel REQUIRED_VARS TorchWheel_LIBRARY VERSION_VAR TorchWheel_VERSION
  REASON_FAILURE_MESSAGE "no torch wheel in ${_fabric_torch}. scripts/setup installs it, FABRIC_TORCH names another folder, -DFABRIC_RUNTIME=OFF builds fabric alone.")
if(NOT TorchWheel_FOUND OR TARGET TorchWheel::cpu)
  return()
endif()

function(_torch_wheel_library name file)
  add_library(TorchWheel::${name} SHARED IMPORTED)
  set_target_properties(TorchWheel::${name} PROPERTIES IMPORTED_LOCATION "${file}" INTERFACE_LINK_LIBRARIES "${ARGN}")
endfunction()

_torch_wheel_library(c10 "${_torch}/lib/libc10.so")
_torch_wheel_library(cpu "${_torch}/lib/libtorch_cpu.so" TorchWheel::c10)
target_include_directories(TorchWheel::c10 INTERFACE "${_torch}/include" "${_torch}/include/torch/csrc/api/include")
target_compile_definitions(TorchWheel::cpu INTERFACE USE_DISTRIBUTED USE_C10D_GLOO)

# The wheels' libraries carry their version in the file name alone, so they are linked by path.
file(GLOB _cudart "${_fabric_torch}/nvidia/*/lib/libcudart.so.*")
file(GLOB _nccl "${_fabric_torch}/nvidia/*/include/nccl.h")
file(GLOB _crt "${_fabric_torch}/nvidia/*/include/crt/host_config.h")
if(_cudart AND _nccl AND _crt AND EXISTS "${_torch}/lib/libtorch_cuda.so")
  file(GLOB _cuda_headers LIST_DIRECTORIES true "${_fabric_torch}/nvidia/*/include")
  _torch_wheel_library(cudart "${_cudart}")
  _torch_wheel_library(c10_cuda "${_torch}/lib/libc10_cuda.so" TorchWheel::c10 TorchWheel::cudart)
  _torch_wheel_library(cuda "${_torch}/lib/libtorch_cuda.so" TorchWheel::c10_cuda TorchWheel::cpu)
  target_include_directories(TorchWheel::cudart INTERFACE ${_cuda_headers})
  target_compile_definitions(TorchWheel::cuda INTERFACE USE_C10D_NCCL)
endif()
