// The names of the CUDA toolkit that LibTorch's headers mention, so that the module compiles without cuBLAS, cuSPARSE and cuSOLVER. No
// handle is used by us, so no layout is relied on. Where the real headers are installed their folder comes first.
#pragma once
typedef struct cublasContext* cublasHandle_t;
typedef enum { CUBLAS_STATUS_SUCCESS = 0 } cublasStatus_t;
