/* Ops for tests: some that work, and one that does wrong in a way that is chosen. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "beam_scanner_op.h"

#ifndef VERSION
#define VERSION BEAM_SCANNER_OP_VERSION
#endif
#ifndef SIZE
#define SIZE sizeof(BeamScannerOps)
#endif
#ifndef ON_LOAD
#define ON_LOAD
#endif
#ifndef EXECUTE
#define EXECUTE execute
#endif
#ifndef NAME
#define NAME "Native"
#endif

#define FRAME "{\"name\": \"frame\", \"type\": \"FrameType\"}"
#define VALUE "{\"name\": \"value\", \"type\": \"Bytes\"}"
#define OUT "\"outputs\": [{\"name\": \"out\", \"type\": \"Bytes\"}]"

static const char *const description =
#ifdef DESCRIPTION
    DESCRIPTION;
#else
    "{\"ops\": ["
    /* value + 1, of frames. */
    "{\"name\": \"" NAME "Add\", \"inputs\": [" FRAME "],"
    " \"outputs\": [{\"name\": \"sum\", \"type\": \"FrameType\"}],"
    " \"arguments\": {\"json\": [{\"name\": \"by\", \"type\": \"int\", \"default\": 1,"
    "  \"doc\": \"What is added.\"}]}},"
    /* All that was seen since reset, joined, with the stream's prefix. */
    "{\"name\": \"" NAME "Join\", \"inputs\": [" VALUE "], " OUT ","
    " \"unbounded_state\": true,"
    " \"stream_arguments\": {\"json\": [{\"name\": \"prefix\", \"type\": \"str\"}]}},"
    /* The sizes of what it sees, row by row. */
    "{\"name\": \"" NAME "Batch\", \"inputs\": [" VALUE "], " OUT ", \"batch\": 4},"
    "{\"name\": \"" NAME "Window\", \"inputs\": [" VALUE "], " OUT ","
    " \"stencil\": [-1, 0, 1], \"takes_nulls\": true},"
    "{\"name\": \"" NAME "Both\", \"inputs\": [" VALUE "], " OUT ","
    " \"stencil\": [-1, 0], \"batch\": 3},"
    "{\"name\": \"" NAME "All\", \"inputs\": [" VALUE "], " OUT ","
    " \"variadic\": true},"
    "{\"name\": \"" NAME "Whole\", \"inputs\": [" VALUE "], " OUT ","
    " \"whole_stream\": true},"
    "{\"name\": \"" NAME "Two\", \"inputs\": [" FRAME "], \"outputs\": ["
    " {\"name\": \"copy\", \"type\": \"FrameType\"},"
    " {\"name\": \"size\", \"type\": \"Bytes\"}]},"
    "{\"name\": \"" NAME "Typed\", \"inputs\": [{\"name\": \"histogram\","
    " \"type\": \"Histogram\"}], \"outputs\": [{\"name\": \"same\","
    " \"type\": \"Histogram\"}],"
    " \"arguments\": {\"json\": [{\"name\": \"less\", \"type\": \"int\", \"default\": 0}]}},"
    "{\"name\": \"" NAME "Wrong\", \"inputs\": [" VALUE "], \"outputs\": ["
    " {\"name\": \"out\", \"type\": \"Bytes\"},"
    " {\"name\": \"frame\", \"type\": \"FrameType\", \"dtype\": \"uint8\","
    "  \"shape\": [2, null]}],"
    " \"arguments\": {\"json\": [{\"name\": \"way\", \"type\": \"str\"}]}}"
    "]}";
#endif

typedef struct {
  char op[32];
  char arguments[512];
  char stream[512];
  char seen[4096];
  size_t length;
} Kernel;

static const char *describe(void) { return description; }

static int has(const Kernel *kernel, const char *word) {
  return strstr(kernel->arguments, word) != NULL;
}

static int64_t number(const Kernel *kernel, const char *name) {
  const char *found = strstr(kernel->arguments, name);
  return strtoll(found + strlen(name) + 3, NULL, 10);
}

static int32_t create(const BeamScannerConfig *config, void **made, char *error) {
  Kernel *kernel = calloc(1, sizeof(Kernel));
  snprintf(kernel->op, sizeof kernel->op, "%s", config->op + strlen(NAME));
  snprintf(kernel->arguments, sizeof kernel->arguments, "%.*s",
           (int)config->arguments_size, (const char *)config->arguments);
  if (has(kernel, "refuse")) {
    free(kernel);
    return beam_scanner_fail(error, "it refuses \xC3\xA4 %s", "x");
  }
  if (has(kernel, "no text")) return 7;
  if (has(kernel, "long text")) {
    memset(error, 'x', BEAM_SCANNER_ERROR_BYTES);
    return 1;
  }
  if (has(kernel, "no kernel")) return 0;
  *made = kernel;
  return 0;
}

static int32_t new_stream(void *self, const uint8_t *arguments, int64_t size,
                          char *error) {
  Kernel *kernel = self;
  (void)error;
  snprintf(kernel->stream, sizeof kernel->stream, "%.*s", (int)size,
           (const char *)arguments);
  kernel->length = 0;
  return 0;
}

static int32_t reset(void *self, char *error) {
  (void)error;
  ((Kernel *)self)->length = 0;
  return 0;
}

static int64_t count(const DLTensor *tensor) {
  int64_t found = 1;
  for (int i = 0; i < tensor->ndim; ++i) found *= tensor->shape[i];
  return found * (tensor->dtype.bits / 8);
}

static int32_t text(const BeamScannerCall *call, int64_t row, int32_t output,
                    const char *content) {
  uint8_t *out = call->make_bytes(call->host, row, output, (int64_t)strlen(content));
  if (!out) return 1;
  memcpy(out, content, strlen(content));
  return 0;
}

/* Says over one file that it has begun; whether another one then wakes it. */
static int doze(const Kernel *kernel) {
  int ready = -1;
  struct pollfd woken = {-1, POLLIN, 0};
  if (sscanf(strstr(kernel->arguments, "doze"), "doze %d %d", &ready, &woken.fd) != 2)
    return 0;
  return write(ready, "x", 1) == 1 && poll(&woken, 1, 60000) == 1;
}

static BeamScannerCall late;

static int32_t wrong(Kernel *kernel, const BeamScannerCall *call, char *error) {
  const DLDataType byte = {1, 8, 1}, real = {2, 32, 1}, odd = {1, 8, 4};
  const int64_t shape[] = {2, 3}, other[] = {3, 3}, negative[] = {2, -1};
  void *host = call->host;
  const uint8_t *data = call->elements->bytes;
  if (call->elements->size != 1 || data[0] != 'x') { /* only row 'x' is bad */
    text(call, 0, 0, "good");
    memset(call->make_tensor(host, 0, 1, &byte, 2, shape), 0, 6);
    return 0;
  }
  if (has(kernel, "segfault")) raise(SIGSEGV);
  if (has(kernel, "exit")) _exit(0);
  if (has(kernel, "abort")) abort();
  if (has(kernel, "hang")) sleep(1000);
  if (has(kernel, "doze") && !doze(kernel))
    return beam_scanner_fail(error, "nobody wakes it");
  if (has(kernel, "fail")) return beam_scanner_fail(error, "it fails");
  if (has(kernel, "nothing")) return 0;
  if (has(kernel, "no such row")) { text(call, 1, 0, "x"); return 0; }
  if (has(kernel, "row minus")) { text(call, -1, 0, "x"); return 0; }
  if (has(kernel, "no such output")) { text(call, 0, 2, "x"); return 0; }
  if (has(kernel, "twice")) { text(call, 0, 0, "x"); text(call, 0, 0, "x"); return 0; }
  if (has(kernel, "bytes for a frame")) { text(call, 0, 1, "x"); return 0; }
  if (has(kernel, "few bytes")) { call->make_bytes(host, 0, 0, -1); return 0; }
  if (has(kernel, "many bytes")) { call->make_bytes(host, 0, 0, INT64_MAX); return 0; }
  text(call, 0, 0, "x");
  if (has(kernel, "frame for bytes")) call->make_tensor(host, 0, 0, &byte, 2, shape);
  if (has(kernel, "dtype null")) call->make_tensor(host, 0, 1, NULL, 2, shape);
  if (has(kernel, "shape null")) call->make_tensor(host, 0, 1, &byte, 2, NULL);
  if (has(kernel, "other dtype")) call->make_tensor(host, 0, 1, &real, 2, shape);
  if (has(kernel, "odd dtype")) call->make_tensor(host, 0, 1, &odd, 2, shape);
  if (has(kernel, "other shape")) call->make_tensor(host, 0, 1, &byte, 2, other);
  if (has(kernel, "negative")) call->make_tensor(host, 0, 1, &byte, 2, negative);
  if (has(kernel, "dimensions")) call->make_tensor(host, 0, 1, &byte, 0, shape);
  if (has(kernel, "deep")) call->make_tensor(host, 0, 1, &byte, 1000000, shape);
  if (has(kernel, "late") || has(kernel, "doze")) {
    call->make_tensor(host, 0, 1, &byte, 2, shape);
    late = *call;
  }
  return 0;
}

static int32_t execute(void *self, const BeamScannerCall *call, char *error) {
  Kernel *kernel = self;
  if (strcmp(kernel->op, "Wrong") == 0) return wrong(kernel, call, error);
  for (int64_t row = 0; row < call->rows; ++row) {
    const BeamScannerElement *first = beam_scanner_element(call, row, 0, 0);
    if (strcmp(kernel->op, "Add") == 0) {
      const DLTensor *in = &first->tensor;
      uint8_t *out = call->make_tensor(call->host, row, 0, &in->dtype, in->ndim,
                                       in->shape);
      if (!out) return 1;
      for (int64_t i = 0; i < count(in); ++i)
        out[i] = (uint8_t)(((const uint8_t *)in->data)[i] + number(kernel, "by"));
    } else if (strcmp(kernel->op, "Join") == 0) {
      memcpy(kernel->seen + kernel->length, first->bytes, (size_t)first->size);
      kernel->length += (size_t)first->size;
      char line[8192];
      snprintf(line, sizeof line, "%s%.*s", kernel->stream, (int)kernel->length,
               kernel->seen);
      if (text(call, row, 0, line)) return 1;
    } else if (strcmp(kernel->op, "Two") == 0) {
      const DLTensor *in = &first->tensor;
      void *out = call->make_tensor(call->host, row, 0, &in->dtype, in->ndim,
                                    in->shape);
      if (!out) return 1;
      memcpy(out, in->data, (size_t)count(in));
      char size[32];
      snprintf(size, sizeof size, "%lld", (long long)count(in));
      if (text(call, row, 1, size)) return 1;
    } else if (strcmp(kernel->op, "Typed") == 0) {
      int64_t size = first->size - number(kernel, "less");
      uint8_t *out = call->make_bytes(call->host, row, 0, size);
      if (!out) return 1;
      memcpy(out, first->bytes, (size_t)size);
    } else {
      char line[256];
      int at = snprintf(line, sizeof line, "%lld:", (long long)call->rows);
      for (int32_t i = 0; i < call->inputs; ++i) {
        for (int32_t j = 0; j < call->window; ++j) {
          const BeamScannerElement *each = beam_scanner_element(call, row, i, j);
          if (each->kind == BEAM_SCANNER_NULL)
            at += snprintf(line + at, sizeof line - (size_t)at, " null");
          else
            at += snprintf(line + at, sizeof line - (size_t)at, " %.*s",
                           (int)each->size, (const char *)each->bytes);
        }
      }
      if (first->kind == BEAM_SCANNER_NULL) {
        if (call->make_null(call->host, row, 0)) return 1;
      } else if (text(call, row, 0, line)) {
        return 1;
      }
    }
  }
  return 0;
}

static void destroy(void *self) { free(self); }

/* For tests of what comes too late. */
BEAM_SCANNER_EXPORT int32_t call_back_late(void) {
  const DLDataType byte = {1, 8, 1};
  const int64_t shape[] = {2, 3};
  return late.make_tensor(late.host, 0, 1, &byte, 2, shape) == NULL &&
         late.make_bytes(late.host, 0, 0, 1) == NULL &&
         late.make_null(late.host, 0, 0) != 0;
}

__attribute__((constructor)) static void loaded(void) { ON_LOAD; }

static const BeamScannerOps ops = {
    VERSION, SIZE, describe, create, new_stream, reset,
    EXECUTE, destroy};

#ifndef ENTRY
#define ENTRY beam_scanner_ops
#endif
#ifndef TABLE
#define TABLE &ops
#endif
BEAM_SCANNER_EXPORT const BeamScannerOps *ENTRY(void) {
  (void)ops, (void)execute;
  return TABLE;
}
