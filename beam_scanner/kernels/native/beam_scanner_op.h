/* The interface of native ops: what a shared library exports so that its ops run in
 * graphs of beam_scanner. Plain C, without any other dependency; see docs/native.md.
 *
 * A library exports one function, beam_scanner_ops(), that returns a table of six
 * functions. All of them return 0, or any other number after they have written why,
 * as UTF-8, into `error` (see beam_scanner_fail).
 *
 *   describe    the ops of the library as JSON
 *   create      a kernel of one op, with the arguments of its call
 *   new_stream  the arguments of one stream, before its rows
 *   reset       forget all state: the next row does not follow the one before
 *   execute     compute some rows
 *   destroy     free the kernel
 *
 * A kernel is used by one thread at a time, and not always by the same one; several
 * kernels are used at once. No function is called with Python's lock held.
 */
#ifndef BEAM_SCANNER_OP_H_
#define BEAM_SCANNER_OP_H_

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

/* Raised whenever anything below changes. A library is loaded only by a package that
 * has the same version. */
#define BEAM_SCANNER_OP_VERSION 1

/* Bytes of the buffers that are passed as `error`, with the final NUL. */
#define BEAM_SCANNER_ERROR_BYTES 1024

#if defined(_WIN32)
#define BEAM_SCANNER_EXPORT __declspec(dllexport)
#else
#define BEAM_SCANNER_EXPORT __attribute__((visibility("default")))
#endif

/* DLPack's own header wherever it can be found; what is used of it otherwise. Include
 * yours first if it has another path. */
#if !defined(DLPACK_DLPACK_H_) && defined(__has_include)
#if __has_include(<dlpack/dlpack.h>)
#include <dlpack/dlpack.h>
#endif
#endif
#ifndef DLPACK_DLPACK_H_
typedef struct {
  int32_t device_type; /* 1 is the CPU, 2 is CUDA */
  int32_t device_id;
} DLDevice;
typedef struct {
  uint8_t code; /* 0 int, 1 uint, 2 float, 5 complex, 6 bool */
  uint8_t bits;
  uint16_t lanes; /* always 1 here */
} DLDataType;
typedef struct {
  void *data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t *shape;
  int64_t *strides; /* counted in elements */
  uint64_t byte_offset;
} DLTensor;
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum {
  BEAM_SCANNER_NULL = 0,  /* a null element; only ops that take nulls see it */
  BEAM_SCANNER_BYTES = 1, /* an element of any type but frames, serialized */
  BEAM_SCANNER_TENSOR = 2 /* a frame */
};

/* One element of an input. It may be used elsewhere at the same time: it must not be
 * changed, and not be read after the call. */
typedef struct {
  int32_t kind;
  int32_t reserved;
  const uint8_t *bytes; /* of BEAM_SCANNER_BYTES; not NULL, whatever the size */
  int64_t size;
  /* Of BEAM_SCANNER_TENSOR: in the memory of the CPU, packed in C order, with
   * byte_offset 0, and with the dtype and shape that the op's description gives. */
  DLTensor tensor;
} BeamScannerElement;

/* One call of a kernel.
 *
 * The three functions make the outputs, each element once. They may be called from any
 * thread until execute returns. They return NULL (make_null: another number than 0)
 * if that cannot be: the shape is not the described one, there is no such row. Then
 * execute should return; the reason is known. What they return is to be written
 * completely, and belongs to the library until execute returns. */
typedef struct {
  int64_t rows;    /* 1 for an op without a batch */
  int32_t inputs;  /* columns */
  int32_t window;  /* elements of each input of a row; 1 for an op without a stencil */
  int32_t outputs; /* columns */
  int32_t reserved;
  /* [rows][inputs][window] */
  const BeamScannerElement *elements;
  void *host;
  /* A frame, packed in C order and aligned to 16 bytes. */
  void *(*make_tensor)(void *host, int64_t row, int32_t output,
                       const DLDataType *dtype, int32_t ndim, const int64_t *shape);
  /* An element of any other type, as that type is serialized. */
  uint8_t *(*make_bytes)(void *host, int64_t row, int32_t output, int64_t size);
  int32_t (*make_null)(void *host, int64_t row, int32_t output);
} BeamScannerCall;

/* What a kernel is made for. Nothing of it may be used after create has returned. */
typedef struct {
  const char *op;
  const uint8_t *arguments; /* JSON or a protobuf message, as described; not NULL */
  int64_t arguments_size;   /* JSON has no final NUL either */
  DLDevice device;          /* where the kernel is to compute */
} BeamScannerConfig;

typedef struct {
  uint32_t version; /* BEAM_SCANNER_OP_VERSION */
  uint32_t size;    /* sizeof(BeamScannerOps) */
  const char *(*describe)(void);
  int32_t (*create)(const BeamScannerConfig *config, void **kernel, char *error);
  int32_t (*new_stream)(void *kernel, const uint8_t *arguments, int64_t size,
                        char *error);
  int32_t (*reset)(void *kernel, char *error);
  int32_t (*execute)(void *kernel, const BeamScannerCall *call, char *error);
  void (*destroy)(void *kernel);
} BeamScannerOps;

/* The one function that a library exports. The table, and the text of describe, stay
 * valid as long as the library is loaded. */
BEAM_SCANNER_EXPORT const BeamScannerOps *beam_scanner_ops(void);

/* Writes an error, and returns 1: `return beam_scanner_fail(error, "no %s", name);` */
static inline int32_t beam_scanner_fail(char *error, const char *format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(error, BEAM_SCANNER_ERROR_BYTES, format, values);
  va_end(values);
  return 1;
}

/* The element of a row, an input and a place in its window. */
static inline const BeamScannerElement *beam_scanner_element(
    const BeamScannerCall *call, int64_t row, int32_t input, int32_t place) {
  return call->elements + (row * call->inputs + input) * call->window + place;
}

#ifdef __cplusplus
}
#endif
#endif /* BEAM_SCANNER_OP_H_ */
